use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta, Utc};
use ledger::{Name, ist};
use storage::{GeneratedRows, LedgerDays, NewFamily};

use crate::support::{Bed, SBIN, empty_book, generated, raghu};

/// A family of a strategy that traded on this day last, though the market was closed.
fn family(strategy_id: &str, odd_day: NaiveDate) -> NewFamily {
    NewFamily {
        id: None,
        strategy_id: strategy_id.to_owned(),
        names: BTreeSet::from([Name::Key(SBIN.to_owned())]),
        is_live: true,
        last_day: Some(odd_day),
        odd_days: BTreeSet::from([odd_day]),
        ledger: "{}".to_owned(),
        findings: "[]".to_owned(),
        rows: None,
    }
}

#[tokio::test]
async fn days_on_which_the_market_was_closed_are_read_as_long_as_they_can_matter() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let as_of = Utc::now();
    let ago = |days: i64| ist::day_of(as_of) - TimeDelta::days(days);
    let ages = BTreeMap::from([("", 0), ("recent", 40), ("last", 80), ("gone", 81)]);
    let families: Vec<NewFamily> = ages.iter().map(|(strategy, age)| family(strategy, ago(*age))).collect();
    let days = |(strategy, _): (&&str, &i64)| LedgerDays {
        strategy_id: (*strategy).to_owned(),
        view_day: ago(1),
        day_before: ago(2),
    };
    let days: Vec<LedgerDays> = ages.iter().map(days).collect();
    let book = empty_book();
    let rows = GeneratedRows { families: &families, days: &days, ..generated(&book) };
    bed.storage.store_book(&lease, &rows).await.unwrap();

    let (mut reader, _) = bed.storage.ledger_reader(&raghu()).await.unwrap();
    reader.as_of = as_of;
    let read = reader.other_days(&[]).await.unwrap();
    reader.end().await.unwrap();
    let odd = |strategy: &str| read[strategy].odd_days.iter().copied().collect::<Vec<_>>();
    assert_eq!((odd(""), odd("recent"), odd("last")), (vec![ago(0)], vec![ago(40)], vec![ago(80)]));
    assert_eq!((odd("gone"), read["gone"].last_day), (Vec::new(), Some(ago(81))));
}
