//! What the replaced system got wrong about rows of orders: each test has numbers that it would have stored otherwise.

use chrono::{DateTime, Utc};
use pipeline::Wanted;

use crate::desk::{Desk, WHEN_NEEDED};

/// Orders of Raghu's in one future, on Monday, 4 January 2027, unless their columns say otherwise.
fn order(columns: &str, values: &str) -> String {
    let order = format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, exchange, symbol, {columns}) VALUES ('Raghu', 'REGULAR', 'NFO', 'F', {values})"
    );
    order.replace("MONDAY", "2027-01-04")
}

const COLUMNS: &str = "trade_type, product_type, quantity, filled_quantity, average_price, exchange_time";

fn at(instant: &str) -> Wanted {
    Wanted { as_of: Some(instant.parse::<DateTime<Utc>>().unwrap()), ..WHEN_NEEDED }
}

async fn monday(desk: &Desk) {
    desk.generate(at("2027-01-04T16:00:00+05:30")).await;
}

#[tokio::test]
async fn the_filled_part_of_an_order_counts_whatever_became_of_the_rest() {
    let desk = Desk::new().await;
    for (minute, status) in
        ["OPEN", "CANCELLED", "REJECTED", "TRIGGER PENDING", "COMPLETE"].iter().enumerate()
    {
        desk.sql(&order(
            &format!("status, {COLUMNS}"),
            &format!("'{status}', 'BUY', 'NRML', 100, 4, 90.5, 'MONDAY 10:0{minute}+05:30'"),
        ));
    }
    monday(&desk).await;
    assert_eq!(desk.sql("SELECT net_quantity, buy_value FROM tradingdb.positions"), "20|1810");
}

#[tokio::test]
async fn what_was_filled_counts_and_not_what_was_ordered() {
    let desk = Desk::new().await;
    desk.sql(&order(
        &format!("status, {COLUMNS}"),
        "'COMPLETE', 'BUY', 'NRML', 100, 75, 90, 'MONDAY 10:00+05:30'",
    ));
    desk.sql(&order(
        &format!("status, {COLUMNS}"),
        "'COMPLETE', 'BUY', 'NRML', 100, 0, 0, 'MONDAY 10:01+05:30'",
    ));
    monday(&desk).await;
    assert_eq!(desk.sql("SELECT net_quantity FROM tradingdb.positions"), "75");
}

#[tokio::test]
async fn the_limit_of_an_order_is_never_taken_for_its_price() {
    for unknown in ["0", "NULL"] {
        let desk = Desk::new().await;
        desk.sql(&order(COLUMNS, "'BUY', 'NRML', 5, 5, 100, 'MONDAY 10:00+05:30'"));
        desk.sql(&order(
            &format!("price, {COLUMNS}"),
            &format!("250, 'BUY', 'NRML', 5, 5, {unknown}, 'MONDAY 10:01+05:30'"),
        ));
        monday(&desk).await;
        assert_eq!(
            desk.sql("SELECT net_quantity, buy_avg_price FROM tradingdb.positions"),
            "5|100",
            "{unknown}"
        );
        let findings = &desk.stored().await[2];
        assert_eq!((findings.len(), findings[0]["kind"].as_str()), (1, Some("no_price")));
        assert_eq!(findings[0]["quantity"], 5);
    }
}

#[tokio::test]
async fn an_order_without_any_price_waits_and_stops_no_other() {
    let desk = Desk::new().await;
    desk.sql(&order(&format!("price, {COLUMNS}"), "NULL, 'BUY', 'NRML', 5, 5, NULL, 'MONDAY 10:00+05:30'"));
    desk.sql(&order(COLUMNS, "'BUY', 'NRML', 5, 5, 100, 'MONDAY 10:00+05:30'").replace("'F'", "'G'"));
    monday(&desk).await;
    assert_eq!(desk.sql("SELECT symbol, net_quantity FROM tradingdb.positions"), "G|5");
}

#[tokio::test]
async fn orders_are_matched_by_the_time_of_the_exchange_and_not_by_that_of_their_rows() {
    let desk = Desk::new().await;
    for (side, price, exchange, stored) in [
        ("SELL", "300", "11:30", "09:00"),
        ("BUY", "200", "11:00", "09:01"),
        ("BUY", "100", "10:00", "15:00"),
    ] {
        desk.sql(&order(
            &format!("\"timestamp\", {COLUMNS}"),
            &format!("'MONDAY {stored}+05:30', '{side}', 'NRML', 1, 1, {price}, 'MONDAY {exchange}+05:30'"),
        ));
    }
    monday(&desk).await;
    let row = "SELECT realised_pnl, unrealised_pnl IS NULL, net_quantity, buy_value, sell_value FROM tradingdb.positions";
    assert_eq!(desk.sql(row), "200|t|1|300|300", "the one bought at 100 was sold");
}

#[tokio::test]
async fn a_day_is_the_exchanges_whenever_the_row_was_stored() {
    let desk = Desk::new().await;
    // Friday's order, stored on Monday.
    desk.sql(&order(
        &format!("\"timestamp\", {COLUMNS}"),
        "'MONDAY 09:00+05:30', 'BUY', 'NRML', 5, 5, 100, '2027-01-01 15:00+05:30'",
    ));
    monday(&desk).await;
    assert_eq!(desk.sql("SELECT overnight_quantity, net_quantity FROM tradingdb.positions"), "5|5");
}

#[tokio::test]
async fn each_product_and_strategy_keeps_its_own_row_from_sync_to_sync() {
    let desk = Desk::new().await;
    for (product, strategy, quantity) in
        [("NRML", "'a'", 5), ("MIS", "'a'", 3), ("NRML", "'b'", 2), ("NRML", "NULL", 1)]
    {
        desk.sql(&order(
            &format!("strategy_id, {COLUMNS}"),
            &format!("{strategy}, 'BUY', '{product}', 9, {quantity}, 100, 'MONDAY 10:0{quantity}+05:30'"),
        ));
    }
    let rows = "SELECT type, net_quantity, strategy_id, id FROM tradingdb.positions ORDER BY type";
    let of_strategies = "SELECT strategy_id, row ->> 'type', row ->> 'net_quantity'
                         FROM tradingdb.ledger_families, jsonb_array_elements(positions) AS row ORDER BY 1, 2";
    monday(&desk).await;
    let before = desk.sql(rows);
    let columns: Vec<Vec<&str>> = before.lines().map(|row| row.split('|').collect()).collect();
    assert_eq!([&columns[0][..3], &columns[1][..3]], [["MIS", "3", "a"], ["NRML", "8", ""]]);
    assert_eq!(desk.sql(of_strategies), "a|MIS|3\na|NRML|5\nb|NRML|2");
    desk.sql(&order(
        &format!("strategy_id, {COLUMNS}"),
        "'a', 'SELL', 'MIS', 9, 1, 100, 'MONDAY 15:00+05:30'",
    ));
    monday(&desk).await;
    assert_eq!(desk.sql(rows), before.replace("MIS|3|", "MIS|2|"), "the other product's row is not touched");
    assert_eq!(desk.sql(of_strategies), "a|MIS|2\na|NRML|5\nb|NRML|2");
}

#[tokio::test]
async fn what_went_flat_shows_its_profit_that_day_and_is_gone_the_next() {
    let desk = Desk::new().await;
    desk.sql(&order(COLUMNS, "'BUY', 'NRML', 5, 5, 100, 'MONDAY 10:00+05:30'"));
    desk.generate(at("2027-01-04T10:30:00+05:30")).await;
    desk.sql(&order(COLUMNS, "'SELL', 'NRML', 5, 5, 110, 'MONDAY 11:00+05:30'"));
    monday(&desk).await;
    let row = "SELECT net_quantity, state, realised_pnl FROM tradingdb.positions";
    assert_eq!(desk.sql(row), "0|CLOSED|50");
    desk.generate(at("2027-01-05T08:00:00+05:30")).await;
    assert_eq!(desk.sql(row), "");
}

#[tokio::test]
async fn a_sync_leaves_the_last_price_that_somebody_else_wrote() {
    let desk = Desk::new().await;
    desk.sql(&order(COLUMNS, "'BUY', 'NRML', 5, 5, 100, 'MONDAY 10:00+05:30'"));
    desk.generate(at("2027-01-04T10:30:00+05:30")).await;
    desk.sql("UPDATE tradingdb.positions SET ltp = 123.45, unrealised_pnl = 117.25");
    desk.sql(&order(COLUMNS, "'BUY', 'MIS', 5, 5, 110, 'MONDAY 11:00+05:30'"));
    monday(&desk).await;
    let rows = "SELECT type, net_quantity, ltp, unrealised_pnl FROM tradingdb.positions ORDER BY type";
    assert_eq!(desk.sql(rows), "MIS|5||\nNRML|5|123.45|117.25", "and what is unknown is not 0");
}

#[tokio::test]
async fn a_side_counts_in_any_case_and_an_unreadable_one_is_told() {
    let desk = Desk::new().await;
    for (minute, side) in ["buy", "Buy", " BUY ", "sell", "short"].iter().enumerate() {
        desk.sql(&order(COLUMNS, &format!("'{side}', 'NRML', 5, 5, 100, 'MONDAY 10:0{minute}+05:30'")));
    }
    monday(&desk).await;
    assert_eq!(desk.sql("SELECT buy_quantity, sell_quantity FROM tradingdb.positions"), "15|5");
    assert_eq!(desk.stored().await[2][0]["kind"], "unreadable_side");
}
