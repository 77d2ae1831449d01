use std::time::Duration;

use chrono::TimeDelta;
use pipeline::{Generation, Wanted, regenerate};

use crate::desk::{Desk, WHEN_NEEDED};

/// Twenty days of one order each in three contracts, today the last of them.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    desk.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, trade_type,
             product_type, average_price, exchange_time, exchange_order_id)
         SELECT 'Raghu', 'REGULAR', 1, 1, 'NFO', 'F' || n % 3, 'BUY', 'NRML', 100 + n,
                now() - interval '1 day' * n, n::text
         FROM generate_series(0, 19) AS n",
    );
    desk
}

fn order(symbol: &str, id: u32) -> String {
    format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, trade_type,
             product_type, average_price, exchange_time, exchange_order_id)
         VALUES ('Raghu', 'REGULAR', 1, 1, 'NFO', '{symbol}', 'SELL', 'NRML', 90, clock_timestamp(), '{id}')"
    )
}

#[tokio::test]
async fn a_sync_reads_what_is_new_and_nothing_else() {
    let desk = desk().await;
    assert_eq!(desk.orders_read().await, Some(20), "the first one reads everything");
    assert_eq!(desk.orders_read().await, None);
    desk.sql(&order("F1", 100));
    assert_eq!(desk.orders_read().await, Some(1));
    desk.sql(&order("NEW", 101));
    assert_eq!(desk.orders_read().await, Some(1), "a new instrument has no past");
    desk.sql("UPDATE tradingdb.orders SET average_price = 91 WHERE exchange_order_id = '3'");
    assert_eq!(desk.orders_read().await, Some(7), "a correction makes its instrument anew");
    assert_eq!(desk.stored().await, desk.expected().await);
    assert_eq!(desk.orders_read().await, None);
}

#[tokio::test]
async fn a_correction_of_a_share_whose_instrument_tells_the_isin_reads_that_share_alone() {
    let desk = desk().await;
    desk.sql(
        "UPDATE tradingdb.orders SET exchange = CASE WHEN exchange_order_id::integer < 9 THEN 'NSE' ELSE 'BSE' END WHERE symbol = 'F2';
         INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin)
         VALUES ('NSE@F2@equities', 'NSE', 'F2', 'INE2'), ('BSE@F2@equities', 'BSE', 'F2', 'INE2')",
    );
    desk.sync().await;
    desk.sql("UPDATE tradingdb.orders SET average_price = 91 WHERE exchange_order_id = '5'");
    assert_eq!(desk.orders_read().await, Some(6), "on both exchanges");
    assert_eq!(desk.stored().await, desk.expected().await);
    desk.sql("UPDATE tradingdb.instruments SET isin = 'INE3'");
    assert_eq!(desk.orders_read().await, Some(6), "another ISIN for the same shares");
    assert_eq!(desk.stored().await, desk.expected().await);
}

#[tokio::test]
async fn only_rows_of_what_changed_are_written() {
    let desk = desk().await;
    desk.sync().await;
    let others = "SELECT ctid, id, \"timestamp\" FROM tradingdb.positions WHERE symbol <> 'F1' ORDER BY id";
    let before = desk.sql(others);
    desk.sql(&order("F1", 100));
    desk.sync().await;
    assert_eq!(desk.sql(others), before);
    assert_eq!(desk.sql("SELECT sell_quantity FROM tradingdb.positions WHERE symbol = 'F1'"), "1");
}

#[tokio::test]
async fn rows_that_somebody_else_changed_are_put_right_when_the_interval_has_passed() {
    let desk = desk().await;
    desk.sync().await;
    let right = desk.stored().await;
    desk.sql("UPDATE tradingdb.positions SET net_quantity = 0; DELETE FROM tradingdb.positions WHERE symbol = 'F2'");
    assert_eq!(desk.sync().await, Generation::Current);
    let Generation::Done { orders, .. } =
        desk.generate(Wanted { interval: Duration::ZERO, ..WHEN_NEEDED }).await
    else {
        panic!("it is due")
    };
    assert_eq!(orders, 0, "the past is not read for that");
    assert_eq!(desk.stored().await, right);
}

#[tokio::test]
async fn a_new_trading_day_turns_every_row_without_a_look_at_the_past() {
    let desk = desk().await;
    desk.sql(
        "UPDATE tradingdb.orders SET exchange = 'NSE' WHERE symbol = 'F2';
         UPDATE tradingdb.orders SET product_type = 'CNC', isin = 'INE2', strategy_id = 'swing' WHERE symbol = 'F2';
         INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, factor) VALUES ('INE2', 'split', current_date + 4, 5);
         INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, product,
             quantity, price, opened_at) VALUES ('default', 'Raghu', 'NFO@F0@unknown', 'NFO', 'F0', 'NRML', 5, 10, now() - interval '3 years')",
    );
    desk.sql(&order("F1", 100));
    let today = desk.storage.now().await.unwrap();
    for days in 0..8 {
        let as_of = today + TimeDelta::days(days);
        let Generation::Done { orders, .. } =
            desk.generate(Wanted { as_of: Some(as_of), ..WHEN_NEEDED }).await
        else {
            // No trading day has begun since.
            continue;
        };
        assert_eq!(orders, if days == 0 { 21 } else { 0 });
        assert_eq!(desk.stored().await, desk.expected_at(as_of).await, "{days} days later");
    }
    assert_eq!(desk.sql("SELECT quantity FROM tradingdb.holdings"), "30", "six, split by five");
    let of_strategy =
        "SELECT holdings -> 0 ->> 'quantity' FROM tradingdb.ledger_families WHERE strategy_id = 'swing'";
    assert_eq!(desk.sql(of_strategy), "30");
}

#[tokio::test]
async fn an_order_dated_in_the_future_counts_when_its_time_has_come() {
    let desk = desk().await;
    desk.sync().await;
    desk.sql(&order("F1", 100));
    desk.sql("UPDATE tradingdb.orders SET exchange_time = clock_timestamp() + interval '1 minute' WHERE exchange_order_id = '100'");
    desk.sync().await;
    assert_eq!(desk.sql("SELECT sell_quantity FROM tradingdb.positions WHERE symbol = 'F1'"), "0");
    let as_of = Some(desk.storage.now().await.unwrap() + TimeDelta::minutes(1));
    let Generation::Done { orders, .. } = desk.generate(Wanted { as_of, ..WHEN_NEEDED }).await else {
        panic!("it exists")
    };
    assert_eq!(orders, 21);
    assert_eq!(desk.sql("SELECT sell_quantity FROM tradingdb.positions WHERE symbol = 'F1'"), "1");
}

#[tokio::test]
async fn making_everything_anew_writes_the_families_alone_that_are_not_stored_as_they_should_be() {
    let desk = desk().await;
    desk.sql("UPDATE tradingdb.orders SET strategy_id = 'swing' WHERE symbol = 'F1'");
    desk.sync().await;
    let forced = Wanted { force: true, ..WHEN_NEEDED };
    let versions = || desk.sql("SELECT id, xmin FROM tradingdb.ledger_families ORDER BY id");
    let (kept, before) = (desk.kept(), versions());
    assert_eq!(before.lines().count(), 4, "three contracts, and one of a strategy");
    desk.generate(forced).await;
    assert_eq!(versions(), before);
    for damage in [
        "UPDATE tradingdb.ledger_families SET ledger = '{}'",
        "UPDATE tradingdb.ledger_families SET is_live = NOT is_live",
        "UPDATE tradingdb.ledger_families SET last_day = last_day - 1",
        "UPDATE tradingdb.ledger_families SET odd_days = '{2020-01-01}'",
        "UPDATE tradingdb.ledger_families SET findings = '[{}]'",
        "UPDATE tradingdb.ledger_families SET positions = '[]'",
        "UPDATE tradingdb.ledger_families SET holdings = '[{}]'",
        "UPDATE tradingdb.ledger_families SET strategy_id = 'other'",
        "DELETE FROM tradingdb.ledger_names",
        "UPDATE tradingdb.ledger_names SET name = 'other'",
    ] {
        let before = versions();
        let of_strategy = desk.sql("SELECT id FROM tradingdb.ledger_families WHERE strategy_id = 'swing'");
        let column = if damage.contains("names") { "family_id" } else { "id" };
        desk.sql(&format!("{damage} WHERE {column} = {of_strategy}"));
        desk.generate(forced).await;
        assert_eq!(desk.kept(), kept, "{damage}");
        let after = versions();
        let stayed = before.lines().filter(|family| after.lines().any(|now| now == *family)).count();
        assert_eq!(stayed, 3, "{damage}: all but the damaged one");
    }
}

#[tokio::test]
async fn an_account_with_more_orders_than_are_read_at_once_gets_the_rows_of_all_of_them() {
    let desk = desk().await;
    desk.sql(
        "UPDATE tradingdb.orders SET exchange = 'NSE', product_type = 'CNC' WHERE symbol = 'F2';
         UPDATE tradingdb.orders SET isin = ' INE2 ', strategy_id = 'swing' WHERE exchange_order_id = '2';
         UPDATE tradingdb.orders SET exchange = 'BSE', isin = 'INE2' WHERE exchange_order_id = '5';
         UPDATE tradingdb.orders SET exchange_time = clock_timestamp() + interval '1 hour' WHERE exchange_order_id = '8';
         UPDATE tradingdb.orders SET trade_type = 'HOLD' WHERE exchange_order_id = '9'",
    );
    let forced = Wanted { force: true, ..WHEN_NEEDED };
    for (added, read) in [(1_980, 1_999), (1, 2_000), (500, 2_500)] {
        desk.sql(&format!(
            "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, trade_type,
                 product_type, average_price, exchange_time, exchange_order_id, strategy_id)
             SELECT 'Raghu', 'REGULAR', 1, 1, 'NFO', 'F' || n % 5, CASE WHEN n % 7 < 3 THEN 'SELL' ELSE 'BUY' END, 'NRML',
                 100 + n % 11, now() - interval '1 hour' * n, {added} + n, CASE WHEN n % 2 = 0 THEN 'swing' END
             FROM generate_series(1, {added}) AS n"
        ));
        let Generation::Done { orders, .. } = desk.generate(forced).await else { panic!("it is forced") };
        assert_eq!(orders, read);
        assert_eq!(desk.stored().await, desk.expected().await, "{read} orders");
        let due_at = desk.sql(
            "SELECT ledger_rebuild_at = (SELECT max(exchange_time) FROM tradingdb.orders) FROM tradingdb.account_sync_state",
        );
        assert_eq!(due_at, "t", "{read} orders, and one that is yet to come");
    }
}

#[tokio::test]
async fn a_stored_ledger_that_cannot_be_read_is_made_anew() {
    let desk = desk().await;
    desk.sync().await;
    let kept = desk.kept();
    for damage in ["'{}'", "jsonb_set(ledger::jsonb, '{origins}', '[]')::json"] {
        desk.sql(&format!("UPDATE tradingdb.ledger_families SET ledger = {damage}"));
        desk.sql(&order("F1", 100));
        assert_eq!(desk.orders_read().await, Some(21), "{damage}");
        assert_eq!(desk.stored().await, desk.expected().await);
        desk.sql("DELETE FROM tradingdb.orders WHERE exchange_order_id = '100'");
        desk.sync().await;
        assert_eq!(desk.kept(), kept);
    }
    desk.sql("UPDATE tradingdb.account_sync_state SET ledger_version = 0");
    assert_eq!(desk.orders_read().await, Some(20));
}

#[tokio::test]
async fn a_database_restored_elsewhere_is_read_anew() {
    let desk = desk().await;
    desk.sync().await;
    desk.sql("UPDATE tradingdb.account_sync_state SET ledger_snapshot = '4000000000:4000000000:'");
    assert_eq!(desk.orders_read().await, Some(20), "the snapshot is of a server that was further on");
    assert_eq!(desk.orders_read().await, None);
}

#[tokio::test]
async fn a_generation_that_dies_while_it_stores_leaves_what_the_next_one_needs() {
    let desk = desk().await;
    desk.sync().await;
    desk.sql(&order("F1", 100));
    desk.sql("UPDATE tradingdb.orders SET average_price = 91 WHERE exchange_order_id = '3'");
    desk.sql("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''dead''; END'");
    let tables = "SELECT xmin::text, ctid FROM tradingdb.positions UNION ALL SELECT xmin::text, ctid FROM tradingdb.ledger_families
                  UNION ALL SELECT xmin::text, ctid FROM tradingdb.order_changes ORDER BY 1, 2";
    let before = desk.sql(tables);
    // Before each table that it writes, one after the other.
    for (table, event) in [
        ("order_changes", "DELETE"),
        ("ledger_families", "DELETE"),
        ("ledger_families", "INSERT"),
        ("ledger_names", "INSERT"),
        ("symbols", "INSERT"),
        ("positions", "UPDATE"),
        ("holdings", "DELETE"),
        ("ledger_days", "INSERT"),
        ("account_sync_state", "UPDATE"),
    ] {
        let lease = desk.lease().await;
        desk.sql(&format!(
            "CREATE TRIGGER die BEFORE {event} ON tradingdb.{table} FOR EACH STATEMENT EXECUTE FUNCTION die()"
        ));
        let died = regenerate(&desk.storage, &lease, &WHEN_NEEDED).await;
        assert!(died.is_err(), "{event} of {table}");
        desk.sql(&format!("DROP TRIGGER die ON tradingdb.{table}"));
        assert_eq!(desk.sql(tables), before, "{event} of {table}");
    }
    assert_eq!(desk.orders_read().await, Some(8), "the new one, and those of the corrected one's instrument");
    assert_eq!(desk.stored().await, desk.expected().await);
}
