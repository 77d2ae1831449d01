use std::fs;

use anyhow::{Context, Result};
use chrono::{Datelike, Days, FixedOffset, NaiveDate, TimeDelta, Utc, Weekday};

use crate::demo::fleet::Fleet;
use crate::workspace;

/// Written for the demo: a delivery investor (whose brokerage is a file), a futures and intraday trader, and an account whose brokerage's book
/// holds an order that the system never placed.
const INVESTOR: &str = include_str!("../../samples/investor.csv");
const TRADER: &str = include_str!("../../samples/trader.jsonl");
const FAMILY: &str = include_str!("../../samples/family.jsonl");
const INVESTOR_PAPER: &str = include_str!("../../samples/investor_paper.json");
const KITE_ORDERS: &str = include_str!("../../samples/kite_orders.json");
const KITE_POSITIONS: &str = include_str!("../../samples/kite_positions.json");
const KITE_HOLDINGS: &str = include_str!("../../samples/kite_holdings.json");

/// When the last order of the samples is done, counted from midnight.
const CLOSE: TimeDelta = TimeDelta::minutes(15 * 60 + 30);
/// Days from the latest weekday to the futures' expiry.
const EXPIRY_DAYS: u64 = 28;

/// Loads the samples, dated so that their last day is the last weekday on which India's markets have closed: an order
/// that is still to come counts nowhere.
pub(crate) fn load(fleet: &mut Fleet) -> Result<()> {
    let ist = FixedOffset::east_opt(5 * 3600 + 1800).context("no such offset")?;
    let since_close = Utc::now().with_timezone(&ist) - CLOSE;
    let today = latest_weekday(since_close.date_naive());
    let folder = workspace::root().join("target/demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, text: &str| -> Result<String> {
        let file = folder.join(name);
        fs::write(&file, dated(text, today)).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file.to_string_lossy().into_owned())
    };
    let investor = write("investor.csv", INVESTOR)?;
    fleet.syncfleet(&["import", "tradebook", &investor, "--account", "Asha", "--strategy", "long-term"])?;
    fleet.syncfleet(&["import", "orders", &write("trader.jsonl", TRADER)?])?;
    fleet.syncfleet(&["import", "orders", &write("family.jsonl", FAMILY)?])?;
    let paper = format!("file://{}", write("investor_paper.json", INVESTOR_PAPER)?);
    fleet.syncfleet(&["brokerage", "add", "Asha", "--kind", "paper", "--base-url", &paper])?;
    fleet.kite.respond(200, dated(KITE_ORDERS, today));
    fleet.kite.respond_positions(200, KITE_POSITIONS);
    fleet.kite.respond_holdings(200, KITE_HOLDINGS);
    let base_url = fleet.kite.base_url();
    let secrets = ["--api-key", "env:DEMO_KITE_API_KEY", "--access-token", "env:DEMO_KITE_ACCESS_TOKEN"];
    let mut words = vec!["brokerage", "add", "Meera", "--kind", "kite", "--base-url", base_url.as_str()];
    words.extend(secrets);
    fleet.syncfleet(&words)
}

/// Replaces `{day-N}` by the Nth weekday before `today` and `{expiry}` by the contracts' last day.
fn dated(text: &str, today: NaiveDate) -> String {
    let mut day = today;
    let mut text = text.to_owned();
    for back in 0..=20 {
        text = text.replace(&format!("{{day-{back}}}"), &day.to_string());
        day = latest_weekday(day.pred_opt().unwrap_or(day));
    }
    let expiry = today.checked_add_days(Days::new(EXPIRY_DAYS)).unwrap_or(today);
    text.replace("{expiry}", &expiry.format("%d-%b-%Y").to_string().to_uppercase())
}

fn latest_weekday(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => day - Days::new(1),
        Weekday::Sun => day - Days::new(2),
        _ => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_dated_by_weekdays_before_today() {
        let monday = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        assert_eq!(dated("{day-0} {day-1} {expiry}", monday), "2026-11-23 2026-11-20 21-DEC-2026");
        for sample in [INVESTOR, INVESTOR_PAPER, TRADER, FAMILY, KITE_ORDERS] {
            assert!(!dated(sample, monday).contains("{day"), "a day of a sample was not replaced");
        }
    }
}
