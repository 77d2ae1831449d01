use std::collections::BTreeSet;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};

/// The order, executed at this time.
fn at(mut order: Value, time: &str) -> Value {
    order["exchange_time"] = json!(time);
    order
}

fn as_of(world: &World, account: &str, instant: &str) -> Value {
    world.syncfleet(&["account", "show", account, "--as-of", instant, "--json"]).expect(0).json()
}

/// Every row of every table of ours, and where and by which transaction it was written.
fn everything(world: &World) -> String {
    let tables = world.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'tradingdb' ORDER BY 1");
    let rows = |table: &str| {
        world
            .sql(&format!("SELECT '{table}', ctid, xmin, to_jsonb(t) FROM tradingdb.{table} t ORDER BY ctid"))
    };
    tables.lines().map(rows).collect::<Vec<_>>().join("\n")
}

fn net(shown: &Value) -> Vec<i64> {
    let rows = shown["positions"].as_array().expect("rows");
    rows.iter().map(|row| row["net_quantity"].as_i64().expect("a whole number")).collect()
}

#[test]
fn a_look_back_differs_from_the_current_view_and_leaves_every_row_as_it_was() {
    let world = World::new();
    world
        .import(&jsonl(&[
            at(fill("Raghu", 1, 75, "100"), "2025-06-10T04:00:00Z"),
            at(fill("Raghu", 2, -25, "101"), "2025-06-10T06:00:00Z"),
            at(fill("Raghu", 3, 100, "102"), "2025-06-11T04:00:00Z"),
        ]))
        .expect(0);
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    let before = everything(&world);
    let current = world.show("Raghu");
    assert_eq!(net(&current), [150]);

    let shown = as_of(&world, "Raghu", "2025-06-10");
    assert_eq!((net(&shown), &shown["as_of"]), (vec![50], &"2025-06-10T18:29:59.999999Z".into()));
    assert_eq!(shown["positions"][0]["realised_pnl"], 25);
    let shown = as_of(&world, "Raghu", "2025-06-10T05:59:59.999999Z");
    assert_eq!((net(&shown), &shown["as_of"]), (vec![75], &"2025-06-10T05:59:59.999999Z".into()));
    assert_eq!(
        net(&as_of(&world, "Raghu", "2025-06-10T11:30:00+05:30")),
        [50],
        "a fill of that instant counts"
    );
    assert_eq!(net(&as_of(&world, "Raghu", "2025-06-09")), [] as [i64; 0]);
    let text = world.syncfleet(&["account", "show", "Raghu", "--as-of", "2025-06-10"]).expect(0).out;
    assert!(text.starts_with("default/Raghu as of 2025-06-10T18:29:59.999999Z, recomputed"), "{text}");
    assert!(text.contains("NIFTYFUT"), "{text}");

    assert_eq!(everything(&world), before);
    assert_eq!(world.show("Raghu")["positions"], current["positions"]);
}

#[test]
fn a_look_at_the_present_says_what_the_last_sync_stored_in_the_same_columns() {
    let world = World::new();
    let mut share = fill("Raghu", 2, 10, "311.0333333333");
    (share["exchange"], share["symbol"], share["product_type"]) = ("NSE".into(), "SBIN".into(), "CNC".into());
    (share["instrument_key"], share["isin"]) = (Value::Null, "INE062A01020".into());
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100.25"), share])).expect(0);
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    let (stored, computed) = (world.show("Raghu"), as_of(&world, "Raghu", "2099-01-01"));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&stored), keys(&computed));
    for table in ["positions", "holdings"] {
        let (stored, computed) = (stored[table].as_array().unwrap(), computed[table].as_array().unwrap());
        assert_eq!((stored.len(), computed.len()), (1, 1), "{table}");
        let mut expected = stored[0].clone();
        (expected["id"], expected["timestamp"]) = (Value::Null, Value::Null);
        assert_eq!(computed[0], expected, "{table}");
    }
}

#[test]
fn a_look_back_tells_the_discrepancies_of_its_own_instant() {
    let world = World::new();
    let mut sale = at(fill("Raghu", 1, -10, "100"), "2025-06-10T04:00:00Z");
    (sale["exchange"], sale["symbol"], sale["product_type"]) = ("NSE".into(), "SBIN".into(), "CNC".into());
    sale["instrument_key"] = Value::Null;
    let short = at(fill("Raghu", 2, 75, "100"), "2025-06-12T04:00:00Z");
    let odd = at(fill("Raghu", 3, 75, "100"), "2025-06-12T04:00:00Z");
    world.import(&jsonl(&[sale, short, odd])).expect(0);
    world.sql(
        "INSERT INTO tradingdb.fills SELECT id, '7', 25, 100, exchange_time FROM tradingdb.orders WHERE exchange_order_id = '2'",
    );
    world.sql("UPDATE tradingdb.orders SET trade_type = 'HOLD' WHERE exchange_order_id = '3'");
    let kinds = |instant: &str| {
        let shown = as_of(&world, "Raghu", instant);
        let findings = shown["discrepancies"].as_array().unwrap();
        findings.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("2025-06-10"), ["unreadable_side"], "the day of the sale is not over");
    assert_eq!(kinds("2025-06-11"), ["unknown_cost", "unreadable_side"]);
    assert_eq!(kinds("2025-06-12"), ["unknown_cost", "fills_short", "unreadable_side"]);
}

#[test]
fn an_instant_nobody_can_read_is_a_usage_error_and_an_unknown_account_has_no_rows() {
    let world = World::new();
    for text in ["yesterday", "17-06-2025", "25-06-17"] {
        let answer = world.syncfleet(&["account", "show", "Raghu", "--as-of", text]).expect(2);
        assert!(answer.err.contains("expected a date such as 2025-06-17"), "{}", answer.err);
    }
    let (stored, computed) = (world.show("nobody"), as_of(&world, "nobody", "2025-06-10"));
    for name in ["positions", "holdings", "discrepancies", "status"] {
        assert_eq!(stored[name], computed[name], "{name}");
    }
}
