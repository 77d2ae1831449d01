//! Syncs that store what is new, compared with ones that store everything.

use std::collections::BTreeMap;

use e2e::World;
use serde_json::{Value, json};

const ROOT: &str = "trade_data:default:Raghu:";

/// Everything of the account in Redis but the record of the sync, lists as JSON.
fn keys(world: &World) -> BTreeMap<String, Value> {
    let names = world.redis.command(&format!("KEYS {ROOT}*")).expect("the keys");
    let names = names.lines().filter(|name| name.starts_with(ROOT) && *name != format!("{ROOT}snapshot"));
    names
        .map(|name| {
            let value = world.redis.command(&format!("GET {name}")).expect("a value");
            (
                name.to_owned(),
                serde_json::from_str(&value).unwrap_or_else(|error| panic!("{name}: {error}: {value}")),
            )
        })
        .collect()
}

fn setex_calls(world: &World) -> u64 {
    let stats = world.redis.command("INFO commandstats").expect("statistics");
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_setex:calls="));
    calls.and_then(|calls| calls.split(',').next()).map_or(0, |calls| calls.parse().expect("a number"))
}

/// The keys are those that a sync leaves which writes everything.
fn assert_nothing_is_left_to_write(world: &World, after: &str) {
    let gone_on = keys(world);
    world.syncfleet(&["sync", "Raghu", "--force", "--wait", "60"]).expect(0);
    assert_eq!(gone_on, keys(world), "after {after}");
}

/// An account that a worker syncs, and what it trades.
fn traded() -> World {
    let world = World::new();
    world.sql("INSERT INTO tradingdb.symbols (instrument_key, stock_code) VALUES ('NFO@NIFTY@futures@31-DEC-2099', 'NIFTY')");
    world
}

fn order(number: u32, status: &str, filled: u32, strategy: &str) -> String {
    format!(
        "INSERT INTO tradingdb.orders (organization_id, pseudo_account, exchange, symbol, instrument_key, product_type,
             trade_type, quantity, filled_quantity, average_price, status, exchange_time, exchange_order_id, variety,
             strategy_id)
         VALUES ('default', 'Raghu', 'NFO', 'NIFTYFUT', 'NFO@NIFTY@futures@31-DEC-2099', 'NRML', 'BUY', 10, {filled},
             100.5, '{status}', '2025-06-02 05:00+00', '{number}', 'regular', nullif('{strategy}', ''))"
    )
}

#[test]
fn whatever_is_written_a_sync_that_goes_on_leaves_what_one_that_writes_everything_leaves() {
    let world = traded();
    let _worker = world.worker(&[]);
    let first = [order(1, "COMPLETE", 10, ""), order(2, "OPEN", 0, "late")];
    world.sql(&first.join(";"));
    world.sync("Raghu");
    let writes = [
        order(3, "COMPLETE", 10, ""),
        order(4, "REJECTED", 0, ""),
        order(5, "COMPLETE", 10, "momentum"),
        order(6, "COMPLETE", 10, "late"),
        "UPDATE tradingdb.orders SET status = 'CANCELLED' WHERE exchange_order_id = '2'".to_owned(),
        "UPDATE tradingdb.orders SET filled_quantity = 4 WHERE exchange_order_id = '5'".to_owned(),
        "UPDATE tradingdb.orders SET platform = 'web' WHERE exchange_order_id = '1'".to_owned(),
        "UPDATE tradingdb.orders SET strategy_id = 'late' WHERE exchange_order_id = '3'".to_owned(),
        "DELETE FROM tradingdb.orders WHERE exchange_order_id = '4'".to_owned(),
        "UPDATE tradingdb.positions SET ltp = 123.45".to_owned(),
        "INSERT INTO tradingdb.margins (organization_id, pseudo_account, category, net, margin_date)
         VALUES ('default', 'Raghu', 'EQUITY', 5, now())"
            .to_owned(),
        "DELETE FROM tradingdb.margins".to_owned(),
        [order(7, "OPEN", 0, ""), "UPDATE tradingdb.orders SET status = 'COMPLETE', filled_quantity = 3 WHERE exchange_order_id = '7'".to_owned()].join(";"),
        "UPDATE tradingdb.orders SET pseudo_account = 'Other' WHERE exchange_order_id = '6'".to_owned(),
        "INSERT INTO tradingdb.orders (pseudo_account, exchange, symbol, trade_type, quantity, filled_quantity, status,
             exchange_order_id, variety)
         SELECT 'Raghu', 'NSE', 'ITC', 'BUY', 1, 0, 'OPEN', (100 + n)::text, 'regular' FROM generate_series(1, 1500) AS n"
            .to_owned(),
        "UPDATE tradingdb.orders SET status = 'LAPSED' WHERE symbol = 'ITC'".to_owned(),
        "DELETE FROM tradingdb.orders WHERE symbol = 'ITC' OR strategy_id = 'late'".to_owned(),
    ];
    for write in writes {
        world.sql(&write);
        world.sync("Raghu");
        assert_nothing_is_left_to_write(&world, &write);
    }
}

#[test]
fn a_new_order_costs_no_rewrite_of_old_ones_and_no_order_costs_nothing() {
    let world = traded();
    let _worker = world.worker(&[]);
    world.sql(&order(1, "COMPLETE", 10, ""));
    world.sync("Raghu");
    let before = setex_calls(&world);
    let unchanged = world.sync("Raghu");
    assert_eq!(unchanged["redis_sync"]["orders_stored"], json!(1), "{unchanged}");
    assert_eq!(setex_calls(&world) - before, 1, "the result of the job");
    let renewed = world.redis.command("INFO commandstats").unwrap();
    assert!(renewed.contains("cmdstat_setrange:calls=1,"), "the head of the record: {renewed}");
    world.sql(&order(2, "COMPLETE", 10, ""));
    world.redis.command("CONFIG RESETSTAT").unwrap();
    let before = setex_calls(&world);
    let added = world.sync("Raghu");
    assert_eq!(added["redis_sync"]["orders_stored"], json!(2), "{added}");
    assert_eq!(setex_calls(&world) - before, 5, "positions, holdings, margins, the record, and the result");
    let appended = world.redis.command("INFO commandstats").unwrap();
    assert!(appended.contains("cmdstat_setrange:calls=2,"), "{appended}");
}

#[test]
fn an_order_that_only_a_sync_without_a_generation_has_seen_goes_when_it_is_deleted() {
    let world = traded();
    let _worker = world.worker(&[]);
    world.sql(&order(1, "COMPLETE", 10, ""));
    world.sync("Raghu");
    world.sql("ALTER TABLE tradingdb.positions ADD CONSTRAINT few CHECK (buy_quantity < 20)");
    world.sql(&order(2, "COMPLETE", 10, ""));
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "60", "--json"]).expect(1).json();
    assert_eq!(answer["partial_success"], 1, "{answer}");
    assert_eq!(answer["results"][0]["redis_sync"]["orders_stored"], json!(2), "{answer}");
    world.sql("ALTER TABLE tradingdb.positions DROP CONSTRAINT few");
    world.sql("DELETE FROM tradingdb.orders WHERE exchange_order_id = '2'");
    let without = world.sync("Raghu");
    assert_eq!(without["redis_sync"]["orders_stored"], json!(1), "{without}");
    assert_nothing_is_left_to_write(&world, "the deletion");
}

#[test]
fn keys_that_somebody_else_wrote_or_deleted_are_put_right_by_the_next_sync() {
    let world = traded();
    let _worker = world.worker(&[]);
    world.sql(&order(1, "COMPLETE", 10, "s"));
    world.sync("Raghu");
    let right = keys(&world);
    for damage in
        [format!("DEL {ROOT}strategies:s:positions"), format!("APPEND {ROOT}orders x"), "FLUSHALL".to_owned()]
    {
        world.redis.command(&damage).unwrap();
        world.sync("Raghu");
        assert_eq!(right, keys(&world), "after {damage}");
    }
    // A value of the same length is not noticed, unless all are asked to be written.
    world.redis.command(&format!("SET {ROOT}margins {{}}")).unwrap();
    world.syncfleet(&["sync", "Raghu", "--force", "--wait", "60"]).expect(0);
    assert_eq!(right, keys(&world), "after everything was written");
}
