//! Histories that are odd, but may be written by somebody.

use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{Generation, Wanted};

use crate::desk::{Desk, WHEN_NEEDED};

fn at(instant: &str) -> Wanted {
    Wanted { as_of: Some(instant.parse::<DateTime<Utc>>().unwrap()), ..WHEN_NEEDED }
}

/// One order: columns beyond those that every order has, with their values.
fn order(columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, {columns}) VALUES ('Raghu', 'REGULAR', 9, {values})"
    )
}

/// Runs a transaction elsewhere that commits two seconds after its last statement; returns when that has run.
fn slowly(desk: &Desk, sql: &str) -> JoinHandle<()> {
    let (url, sql) = (desk.database.url(), format!("BEGIN; {sql}; SELECT pg_sleep(2); COMMIT"));
    let writer = std::thread::spawn(move || drop(testbed::psql(&url, &["-c", &sql]).unwrap()));
    let sleeps =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    testbed::wait_until("the other transaction sleeps", Duration::from_secs(30), || desk.sql(sleeps) != "0");
    writer
}

/// What is stored is what a generation from nothing leaves.
async fn assert_nothing_is_lost(desk: &Desk) {
    let stored = desk.stored().await;
    assert_eq!(stored, desk.expected().await);
    desk.generate(Wanted { force: true, ..WHEN_NEEDED }).await;
    assert_eq!(stored, desk.stored().await, "a rebuild leaves the same");
}

#[tokio::test]
async fn a_negative_opening_lot_of_shares_is_told_when_its_day_has_ended() {
    let desk = Desk::new().await;
    desk.sql(
        "INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, product,
             quantity, price, opened_at) VALUES ('default', 'Raghu', 'NSE@X@equities', 'NSE', 'X', 'CNC', -10, 50, '2027-01-04 10:00+05:30')",
    );
    desk.generate(at("2027-01-04T12:00:00+05:30")).await;
    assert_eq!(desk.stored().await[2].len(), 0);
    let next = at("2027-01-05T12:00:00+05:30");
    desk.generate(next).await;
    assert_eq!(desk.stored().await, desk.expected_at(next.as_of.unwrap()).await);
    assert_eq!(desk.stored().await[2].len(), 1);
}

#[tokio::test]
async fn a_history_that_comes_at_once_is_taken_in_at_once() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price",
        "'NFO', 'H', 'BUY', 'NRML', 1, 90",
    ));
    desk.sync().await;
    for statement in 0..6 {
        desk.sql(&format!(
            "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, trade_type,
                 product_type, average_price, exchange_time, exchange_order_id)
             SELECT 'Raghu', 'REGULAR', 1, 1, 'NFO', CASE n WHEN 999 THEN 'H' ELSE 'F' END,
                    CASE n WHEN 999 THEN 'HOLD' ELSE 'BUY' END, 'NRML', 100,
                    now() - interval '1 minute' * n, ({statement} * 1000 + n)::text
             FROM generate_series(1, 1000) AS n",
        ));
    }
    assert_eq!(desk.orders_read().await, Some(6001));
    assert_eq!(desk.stored().await, desk.expected().await);
    let again = desk.orders_read().await;
    assert_eq!(desk.stored().await, desk.expected().await, "after the second sync, which read {again:?}");
    assert_eq!(again, None);
}

#[tokio::test]
async fn an_order_updated_while_its_executions_come_is_counted_once() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NFO', 'F', 'BUY', 'NRML', 1, 90, now() - interval '1 hour'",
    ));
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, exchange_time, average_price",
        "'NFO', 'F', 'BUY', 'NRML', now() - interval '1 minute', 100",
    ));
    desk.sync().await;
    let executions = slowly(&desk, "INSERT INTO tradingdb.fills VALUES (2, '7', 5, 100, now())");
    desk.sql("UPDATE tradingdb.orders SET filled_quantity = 5 WHERE id = 2");
    desk.sync().await;
    executions.join().unwrap();
    desk.sync().await;
    assert_eq!(desk.sql("SELECT net_quantity FROM tradingdb.positions"), "6");
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn an_execution_corrected_while_its_order_changes_its_instrument_is_noticed() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NFO', 'F', 'BUY', 'NRML', 5, 90, now() - interval '1 hour'",
    ));
    desk.sql("INSERT INTO tradingdb.fills VALUES (1, '7', 5, 100, now())");
    desk.sync().await;
    let correction = slowly(&desk, "UPDATE tradingdb.fills SET price = 110");
    desk.sql("UPDATE tradingdb.orders SET symbol = 'G'");
    desk.sync().await;
    correction.join().unwrap();
    desk.sync().await;
    assert_eq!(desk.sql("SELECT symbol, buy_avg_price FROM tradingdb.positions"), "G|110");
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn an_order_that_arrives_after_its_executions_is_noticed() {
    let desk = Desk::new().await;
    desk.sync().await;
    desk.sql(
        "SET session_replication_role = replica; INSERT INTO tradingdb.fills VALUES (1, '7', 5, 100, now())",
    );
    desk.sql(&format!(
        "SET session_replication_role = replica; {}",
        order("id, exchange, symbol, trade_type, product_type", "1, 'NFO', 'F', 'BUY', 'NRML'")
    ));
    desk.sync().await;
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn nothing_is_done_without_news_whatever_the_collation_of_the_database() {
    let desk = Desk::new().await;
    desk.sql("ALTER TABLE tradingdb.ledger_days ALTER COLUMN strategy_id TYPE text COLLATE \"en-x-icu\"");
    for strategy in ["B", "a"] {
        desk.sql(&order(
            "exchange, symbol, trade_type, product_type, filled_quantity, average_price, strategy_id",
            &format!("'NFO', 'F', 'BUY', 'NRML', 1, 90, '{strategy}'"),
        ));
    }
    desk.sync().await;
    assert_eq!(desk.orders_read().await, None);
}

#[tokio::test]
async fn a_renamed_share_goes_by_the_same_name_after_every_sync() {
    let desk = Desk::new().await;
    desk.sql(
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin)
         VALUES ('BSE@A@equities', 'BSE', 'A', 'INE1'), ('NSE@A@equities', 'NSE', 'A', 'INE1');
         INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, new_isin) VALUES ('INE0', 'rename', '2026-01-05', 'INE1')",
    );
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, isin, exchange_time",
        "'BSE', 'A', 'BUY', 'CNC', 1, 90, 'INE0', '2026-01-01 10:00+05:30'",
    ));
    desk.sync().await;
    let first = desk.stored().await;
    desk.generate(Wanted { interval: Duration::ZERO, ..WHEN_NEEDED }).await;
    assert_eq!(desk.stored().await, first);
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn rows_that_somebody_else_changed_are_put_right_on_a_busy_account_too() {
    let desk = Desk::new().await;
    let fill = |symbol: &str| {
        order(
            "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
            &format!("'NFO', '{symbol}', 'BUY', 'NRML', 1, 90, clock_timestamp()"),
        )
    };
    desk.sql(&fill("F1"));
    desk.sql(&fill("F2"));
    let wanted = Wanted { interval: Duration::from_secs(3), ..WHEN_NEEDED };
    desk.generate(wanted).await;
    desk.sql("UPDATE tradingdb.positions SET net_quantity = 77 WHERE symbol = 'F2'");
    let begun = desk.storage.now().await.unwrap();
    for second in 1..=5 {
        desk.sql(&fill("F1"));
        let as_of = begun + TimeDelta::seconds(second);
        // The order is of the present, which a slow machine may have brought further.
        let as_of = Some(as_of.max(desk.storage.now().await.unwrap()));
        assert!(matches!(desk.generate(Wanted { as_of, ..wanted }).await, Generation::Done { .. }));
    }
    let last = (begun + TimeDelta::seconds(5)).max(desk.storage.now().await.unwrap());
    assert_eq!(desk.stored().await, desk.expected_at(last).await);
}

#[tokio::test]
async fn findings_about_an_order_dated_in_the_future_are_told_when_its_time_has_come() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NFO', 'F', 'BUY', 'NRML', 5, 90, now() - interval '1 hour'",
    ));
    desk.sync().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NFO', 'F', 'HOLD', 'NRML', 5, 90, now() + interval '1 day'",
    ));
    desk.sync().await;
    let stored = desk.stored().await;
    desk.generate(Wanted { force: true, ..WHEN_NEEDED }).await;
    assert_eq!(stored, desk.stored().await, "a rebuild leaves the same");
}

#[tokio::test]
async fn blanks_of_any_kind_around_an_isin_do_not_matter() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, isin, exchange_time",
        "'NSE', 'X', 'BUY', 'CNC', 5, 90, E'INE1\\r', '2026-01-05 10:00+05:30'",
    ));
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NSE', 'X', 'SELL', 'CNC', 2, 90, '2026-01-06 10:00+05:30'",
    ));
    desk.sync().await;
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn blanks_of_any_kind_around_a_side_do_not_matter() {
    let desk = Desk::new().await;
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, isin, exchange_time",
        "'NSE', 'X', E'BUY\\r', 'CNC', 5, 90, 'INE1', '2026-01-05 10:00+05:30'",
    ));
    desk.sql(&order(
        "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
        "'NSE', 'X', 'SELL', 'CNC', 2, 90, '2026-01-06 10:00+05:30'",
    ));
    desk.sync().await;
    assert_nothing_is_lost(&desk).await;
}

#[tokio::test]
async fn an_impossible_time_of_one_order_does_not_stop_the_account() {
    for time in ["infinity", "-infinity", "280000-01-01"] {
        let desk = Desk::new().await;
        desk.sql(&order(
            "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
            "'NFO', 'F', 'BUY', 'NRML', 5, 90, now() - interval '1 hour'",
        ));
        desk.sync().await;
        desk.sql(&order(
            "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
            &format!("'NFO', 'G', 'BUY', 'NRML', 5, 90, '{time}'"),
        ));
        desk.sync().await;
        desk.sync().await;
        assert_eq!(
            desk.sql("SELECT net_quantity FROM tradingdb.positions WHERE symbol = 'F'"),
            "5",
            "{time}"
        );
    }
}

#[tokio::test]
async fn an_impossible_number_of_one_execution_does_not_stop_the_account() {
    let mut failed = Vec::new();
    for (quantity, price) in [("5", "'NaN'"), ("'NaN'", "5"), ("5", "1e40"), ("5", "'Infinity'")] {
        let desk = Desk::new().await;
        desk.sql(&order(
            "exchange, symbol, trade_type, product_type, filled_quantity, average_price, exchange_time",
            "'NFO', 'F', 'BUY', 'NRML', 5, 90, now() - interval '1 hour'",
        ));
        desk.sql(&order("exchange, symbol, trade_type, product_type", "'NFO', 'G', 'BUY', 'NRML'"));
        desk.sql(&format!("INSERT INTO tradingdb.fills VALUES (2, '7', {quantity}, {price}, now())"));
        let ended = pipeline::regenerate(&desk.storage, &desk.lease().await, &WHEN_NEEDED).await;
        failed.extend(ended.err().map(|error| format!("{quantity} at {price}: {error:?}")));
    }
    assert_eq!(failed, [] as [String; 0]);
}

#[tokio::test]
async fn a_share_known_by_its_instruments_isin_is_made_anew_alone() {
    let desk = Desk::new().await;
    let share = |symbol: &str| {
        order(
            "exchange, symbol, instrument_key, trade_type, product_type, filled_quantity, average_price",
            &format!("'NSE', '{symbol}', 'NSE@{symbol}@equities', 'BUY', 'CNC', 1, 90"),
        )
    };
    desk.sql(
        "INSERT INTO tradingdb.symbols VALUES ('NSE@X@equities', 'X'), ('NSE@Y@equities', 'Y'), ('NSE@Z@equities', 'Z');
         INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin)
         VALUES ('NSE@X@equities', 'NSE', 'X', 'INE1'), ('NSE@Z@equities', 'NSE', 'Z', 'INE3')",
    );
    for symbol in ["X", "X", "Y", "Y", "Y"] {
        desk.sql(&share(symbol));
    }
    assert_eq!(desk.orders_read().await, Some(5));
    desk.sql("UPDATE tradingdb.orders SET average_price = 91 WHERE symbol = 'Y'");
    assert_eq!(desk.orders_read().await, Some(3), "no ISIN is known");
    desk.sql("UPDATE tradingdb.orders SET average_price = 91 WHERE symbol = 'X'");
    let corrected = desk.orders_read().await;
    desk.sql(&share("Z"));
    assert_eq!((corrected, desk.orders_read().await), (Some(2), Some(1)), "corrected, then new");
}
