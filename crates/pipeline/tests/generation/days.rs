//! Whatever others write, and however many days pass between two syncs, the rows are those of the whole past.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::Wanted;
use storage::WantedOrders;

use crate::desk::{Desk, WHEN_NEEDED};
use crate::interleaved::{Random, seeds, write};

/// What somebody writes at an instant of ours, not the server's.
fn write_at(random: &mut Random, now: DateTime<Utc>) -> String {
    let instant = format!("'{}'::timestamptz", now.to_rfc3339());
    let sql = match random.below(12) {
        0 => format!(
            "INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, isin,
                 product, quantity, price, opened_at)
             VALUES ('default', 'Raghu', {}, {}, '{}', {}, 3, clock_timestamp() + interval '{} hours')",
            random.pick(&[
                "'NSE@X@equities', 'NSE', 'X'",
                "'BSE@X@equities', 'BSE', 'X'",
                "'MCX@G@futures@30-DEC-2099', 'MCX', 'G'"
            ]),
            random.pick(&["NULL", "'INE1'"]),
            random.pick(&["CNC", "MIS"]),
            random.pick(&["-4", "3"]),
            random.below(72)
        ),
        _ => write(random),
    };
    sql.replace("clock_timestamp()", &instant).replace("current_date", &format!("({instant})::date"))
}

async fn strategies(desk: &Desk) -> BTreeMap<String, [Vec<String>; 2]> {
    let books = desk.storage.account_rows(&desk.account, WantedOrders::These(&[])).await.unwrap().strategies;
    let texts = |rows: &[Box<serde_json::value::RawValue>]| {
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort();
        rows
    };
    let books = books.into_iter().map(|(id, book)| (id, [texts(&book.positions), texts(&book.holdings)]));
    books.filter(|(_, rows)| rows.iter().any(|rows| !rows.is_empty())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_days_pass_a_sync_leaves_the_rows_of_the_whole_past() {
    for seed in seeds(3) {
        let desk = Desk::new().await;
        let mut random = Random::new(seed);
        let mut now: DateTime<Utc> = "2027-02-01T10:00:00+05:30".parse().unwrap();
        for step in 0..60 {
            let sql = write_at(&mut random, now);
            desk.sql(&sql);
            if random.below(3) == 0 {
                now += TimeDelta::minutes(i64::try_from(random.below(60 * 30)).unwrap());
            }
            let what = format!("seed {seed}, step {step}, {now}: {sql}");
            desk.generate(Wanted { as_of: Some(now), ..WHEN_NEEDED }).await;
            assert_eq!(desk.stored().await, desk.expected_at(now).await, "{what}");
            if step % 10 == 9 {
                let (rows, of_strategies) = (desk.stored().await, strategies(&desk).await);
                desk.generate(Wanted { force: true, as_of: Some(now), ..WHEN_NEEDED }).await;
                assert_eq!(desk.stored().await, rows, "{what}");
                assert_eq!(strategies(&desk).await, of_strategies, "{what}");
            }
        }
    }
}
