use chrono::{Datelike, NaiveDate, Weekday};
use storage::{ImportCounts, MarketHoliday};
use testbed::Database;

use crate::support::{Bed, connect, day};

const NOTHING: ImportCounts = ImportCounts { new: 0, changed: 0, unchanged: 0 };

fn holiday(exchange: &str, date: &str, description: Option<&str>) -> MarketHoliday {
    MarketHoliday { exchange: exchange.into(), date: day(date), description: description.map(str::to_owned) }
}

#[tokio::test]
async fn the_known_holidays_are_there_after_a_migration() {
    let bed = Bed::migrated().await;
    let nse = bed.storage.holidays().await.unwrap();
    for date in ["2017-12-25", "2020-11-16", "2023-06-29", "2024-05-20", "2025-10-21", "2026-11-24"] {
        assert!(nse.contains(&day(date)), "{date}");
    }
    for date in ["2017-12-28", "2020-07-31", "2023-06-28", "2025-06-17"] {
        assert!(!nse.contains(&day(date)), "{date}");
    }
    for year in 2015..=2026 {
        let of_year = nse.iter().filter(|date| date.year() == year).count();
        assert!((12..=17).contains(&of_year), "{year}: {of_year}");
    }
    let closed_all_day = "SELECT bool_and(EXISTS (SELECT FROM tradingdb.market_holidays nse
                              WHERE nse.exchange = 'NSE' AND nse.date = mcx.date)), count(*)
                          FROM tradingdb.market_holidays mcx WHERE exchange = 'MCX'";
    assert_eq!(bed.sql(closed_all_day), "t|47");
}

#[tokio::test]
async fn no_shipped_holiday_is_on_a_weekend_or_without_a_name() {
    let bed = Bed::migrated().await;
    let rows = bed.sql("SELECT date FROM tradingdb.market_holidays");
    let dates: Vec<NaiveDate> = rows.lines().map(day).collect();
    assert!(dates.iter().all(|date| !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)));
    let unnamed = "SELECT count(*) FROM tradingdb.market_holidays WHERE coalesce(description, '') = ''";
    assert_eq!(bed.sql(unnamed), "0");
}

#[tokio::test]
async fn a_holiday_an_operator_loaded_before_the_migration_stays() {
    let database = Database::create().unwrap();
    let storage = connect(&database);
    database
        .sql(
            "CREATE SCHEMA tradingdb;
             CREATE TABLE tradingdb.market_holidays (
                 exchange text NOT NULL, date date NOT NULL, description text, PRIMARY KEY (exchange, date));
             INSERT INTO tradingdb.market_holidays VALUES ('NSE', '2025-12-25', 'ours')",
        )
        .unwrap();
    storage.migrate().await.unwrap();
    let shown =
        "SELECT description FROM tradingdb.market_holidays WHERE exchange = 'NSE' AND date = '2025-12-25'";
    assert_eq!(database.sql(shown).unwrap(), "ours");
}

#[tokio::test]
async fn holidays_are_added_named_and_never_lose_their_name() {
    let bed = Bed::migrated().await;
    let given = [
        holiday("NSE", "2027-01-26", None),
        holiday("NSE", "2025-12-25", Some("Christmas")),
        holiday("BSE", "2025-12-25", Some("Christmas")),
    ];
    let first = bed.storage.import_holidays(&given).await.unwrap();
    assert_eq!(first, ImportCounts { new: 2, unchanged: 1, ..NOTHING });
    assert!(bed.storage.holidays().await.unwrap().contains(&day("2027-01-26")));
    let before = bed.dump(&["market_holidays"]);
    let again = bed.storage.import_holidays(&given).await.unwrap();
    assert_eq!(again, ImportCounts { unchanged: 3, ..NOTHING });
    assert_eq!(bed.dump(&["market_holidays"]), before);

    let named = [holiday("NSE", "2027-01-26", Some("Republic Day")), holiday("NSE", "2025-12-25", None)];
    let changed = bed.storage.import_holidays(&named).await.unwrap();
    assert_eq!(changed, ImportCounts { changed: 1, unchanged: 1, ..NOTHING });
    let shown = "SELECT description FROM tradingdb.market_holidays
                 WHERE exchange = 'NSE' AND date IN ('2027-01-26', '2025-12-25') ORDER BY date";
    assert_eq!(bed.sql(shown), "Christmas\nRepublic Day");
}
