//! The schemas refuse what consumers were not promised; that every message of every test is what they were, `World` sees to.

use e2e::{World, fill, jsonl, refused, violations};
use serde_json::{Map, Value, json};
use testbed::{FakeKite, Message};

/// Real messages: a sync of an account that has a history, and one of it that finds an order placed elsewhere.
fn real_messages() -> Vec<Message> {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100.25"), fill("Raghu", 2, -25, "101")])).expect(0);
    world.sql(
        "INSERT INTO tradingdb.strategies (strategy_id, strategy_name, pseudo_account, organization_id, strategy_type, status)
         VALUES ('alone', 'alone', 'Raghu', 'default', 'x', 'ACTIVE')",
    );
    let kite = FakeKite::start().expect("a brokerage");
    let order = testbed::kite::order("e1", "SBIN", chrono::Utc::now() - chrono::Duration::minutes(5));
    let orders = vec![order.on("NSE", "CNC").buy(10).filled(10, 800.5).into()];
    kite.with_book("top-secret-token", |book| book.orders = orders);
    world.add_kite("Raghu", &kite.base_url());
    let _worker = world.worker(&[]);
    assert_eq!(world.sync("Raghu")["status"], "success");
    world.notifications()
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("JSON")
}

/// Every place of a document that has a name.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}/{name}");
                found.push(path.clone());
                places(value, &path, found);
            }
        }
        Value::Array(items) => {
            (items.iter().enumerate())
                .for_each(|(index, item)| places(item, &format!("{path}/{index}"), found));
        }
        _ => {}
    }
}

fn parent<'a>(document: &'a mut Value, place: &'a str) -> (&'a mut Map<String, Value>, &'a str) {
    let (above, name) = place.rsplit_once('/').expect("a place");
    (document.pointer_mut(above).and_then(Value::as_object_mut).expect("an object"), name)
}

/// Those places of a real message at which `change` makes nothing that the schema refuses.
fn unnoticed(whole: &Value, change: impl Fn(&mut Map<String, Value>, &str)) -> Vec<String> {
    let mut all = Vec::new();
    places(whole, "", &mut all);
    assert!(all.len() > 25, "{whole}");
    all.retain(|place| {
        let mut document = whole.clone();
        let (object, name) = parent(&mut document, place);
        change(object, name);
        refused(&document).is_empty()
    });
    all
}

/// Columns of `orders` that are named in the schema, but that only some consumers need.
const OPTIONAL: [&str; 6] = [
    "broker_parent_id",
    "disclosed_quantity",
    "pending_quantity",
    "strategy_confidence",
    "strategy_method",
    "validity",
];
/// Columns that the schema does not name.
const FREE: [&str; 19] = [
    "amo",
    "client_id",
    "comments",
    "independent_exchange",
    "independent_symbol",
    "modified_time",
    "nest_request_id",
    "parent_order_id",
    "platform",
    "position_category",
    "position_type",
    "publisher_id",
    "stock_broker",
    "stoploss",
    "target",
    "timestamp",
    "trading_account",
    "trailing_stoploss",
    "transition_type",
];

fn columns(names: &[&[&str]]) -> Vec<String> {
    let mut columns: Vec<String> = names.concat().iter().map(|name| format!("/order/{name}")).collect();
    columns.sort();
    columns
}

#[test]
fn a_message_without_what_was_promised_or_with_something_else_in_its_place_is_refused() {
    let messages = real_messages();
    let kinds: Vec<Value> = messages.iter().map(|message| body(message)["type"].clone()).collect();
    assert_eq!(kinds, ["external_order_detected", "sync_completed"]);
    for message in messages {
        let whole = body(&message);
        assert_eq!(violations(&message), [""; 0]);
        let is_order = whole["type"] == "external_order_detected";
        let free = |columns: Vec<String>| if is_order { columns } else { Vec::new() };
        let without = unnoticed(&whole, |object, name| drop(object.remove(name)));
        assert_eq!(without, free(columns(&[&OPTIONAL, &FREE])), "taken away from {whole}");
        let other = unnoticed(&whole, |object, name| {
            let wrong = if object[name].is_object() { json!(5) } else { json!({"a": [1]}) };
            object.insert(name.to_owned(), wrong);
        });
        assert_eq!(other, free(columns(&[&FREE])), "another type in {whole}");
    }
}

#[test]
fn a_new_field_is_taken_anywhere() {
    for message in real_messages() {
        let whole = body(&message);
        let mut all = vec![String::new()];
        places(&whole, "", &mut all);
        for place in all {
            let mut document = whole.clone();
            if let Some(object) = document.pointer_mut(&place).and_then(Value::as_object_mut) {
                object.insert("of_tomorrow".to_owned(), json!({"any": ["thing"]}));
                assert_eq!(refused(&document), [""; 0], "{place}");
            }
        }
    }
}

#[test]
fn values_that_nobody_was_promised_are_refused() {
    let messages = real_messages();
    let (order, completed) = (body(&messages[0]), body(&messages[1]));
    for (whole, place, wrong) in [
        (&completed, "/type", json!("sync_done")),
        (&completed, "/account", json!("")),
        (&completed, "/timestamp", json!("2025-06-17 10:30:00")),
        (&completed, "/timestamp", json!("2025-06-17T10:30:00+05:30")),
        (&completed, "/timestamp", json!("2025-13-17T10:30:00Z")),
        (&completed, "/summary/status", json!("done")),
        (&completed, "/summary/status", json!("failed")),
        (&completed, "/summary/errors", json!(1)),
        (&completed, "/summary/errors", json!(0.5)),
        (&completed, "/summary/external_orders", json!(-1)),
        (&completed, "/summary/redis_status", json!("ok")),
        (&completed, "/full_results/status", json!("SUCCESS")),
        (&completed, "/full_results/status", json!("partial_success")),
        (&completed, "/full_results/errors", json!(["Redis sync failed: away"])),
        (&completed, "/full_results/errors", json!([{"error": "away"}])),
        (&completed, "/full_results/position_generation/regenerated", json!(false)),
        (&completed, "/full_results/external_detection/status", json!("skipped")),
        (&completed, "/full_results/redis_sync/status", json!("failed")),
        (&completed, "/full_results/redis_sync/redis_type", json!("sentinel")),
        (&completed, "/full_results/position_generation/discrepancies", json!([{"kind": "no_price"}])),
        (&order, "/organization_id", json!("")),
        (&order, "/order/trade_type", json!("B")),
        (&order, "/order/source", json!("IMPORT")),
        (&order, "/order/quantity", json!(0.5)),
        (&order, "/order/average_price", json!("800.5")),
        (&order, "/order/exchange_time", json!("2025-06-17 10:30:00")),
        (&order, "/strategy/method", json!("guess")),
        (&order, "/strategy/confidence", json!(1.5)),
    ] {
        let mut document = whole.clone();
        *document.pointer_mut(place).expect("a place of the message") = wrong;
        assert_ne!(refused(&document), [""; 0], "{place} of {document}");
    }
}

#[test]
fn properties_that_were_not_promised_are_found() {
    let messages = real_messages();
    let (order, completed) = (&messages[0], &messages[1]);
    type Change = fn(&mut Message);
    let changes: [(&str, Change); 12] = [
        ("type", |message| message.properties["type"] = json!("sync")),
        ("app_id", |message| message.properties["app_id"] = json!("celery")),
        ("content_type", |message| message.properties["content_type"] = json!("text/plain")),
        ("delivery_mode", |message| message.properties["delivery_mode"] = json!(1)),
        ("message_id", |message| message.properties["message_id"] = Value::Null),
        ("organization_id", |message| message.headers["organization_id"] = json!("another")),
        ("sequence", |message| message.headers["sequence"] = Value::Null),
        ("sequence", |message| message.headers["sequence"] = json!("7")),
        ("sequence", |message| message.headers["sequence"] = json!(0)),
        ("routing key", |message| message.routing_key = "account.Asha.sync_completed".to_owned()),
        ("routing key", |message| message.routing_key = "account.Raghu.sync.completed".to_owned()),
        ("body", |message| message.payload = b"{".to_vec()),
    ];
    for original in [order, completed] {
        for (what, change) in changes {
            let mut message = original.clone();
            change(&mut message);
            let found = violations(&message);
            assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
        }
    }
}

#[test]
fn every_kind_of_finding_is_named_in_the_schema() {
    let schema = include_str!("../../deploy/schema/sync_completed.schema.json");
    let source = include_str!("../../crates/ledger/src/discrepancy.rs");
    let kinds: Vec<&str> =
        (source.split("=> \"").skip(1)).filter_map(|rest| rest.split('"').next()).collect();
    assert!(kinds.len() >= 9, "{kinds:?}");
    assert!(kinds.iter().all(|kind| schema.contains(&format!("\"{kind}\""))), "{kinds:?}");
}

#[test]
#[should_panic(expected = "a notification breaks the contract")]
fn a_world_ends_its_test_over_a_message_that_nobody_asked_for() {
    let world = World::new();
    let properties = json!({"content_type": "application/json", "message_id": "1", "type": "sync_completed"});
    let body = json!({"type": "sync_completed", "account": "Raghu"}).to_string();
    let key = "account.Raghu.sync_completed";
    assert!(
        world.vhost.publish("sync_notifications", key, &properties, body.as_bytes()).expect("a publication")
    );
}
