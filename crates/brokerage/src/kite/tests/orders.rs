use std::path::PathBuf;

use ledger::Side;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::*;
use super::sample;

fn with(changes: Value) -> Value {
    let mut order = sample();
    order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    order
}

fn read(order: Value) -> Result<ReportedOrder, String> {
    order::read_book(vec![order]).map(|mut book| book.remove(0)).map_err(|error| error.to_string())
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn an_order_is_read_field_by_field() {
    let order = read(sample()).unwrap();
    let raw: Value = serde_json::from_str(&order.raw).unwrap();
    assert_eq!(raw, sample());
    assert_eq!(
        order,
        ReportedOrder {
            broker_order_id: "300000000000000".to_owned(),
            exchange_order_id: Some("400000000000000".to_owned()),
            broker_parent_id: None,
            client_tag: None,
            exchange: "NSE".to_owned(),
            symbol: "IOC".to_owned(),
            side: Side::Buy,
            product: "CNC".to_owned(),
            order_type: Some("LIMIT".to_owned()),
            variety: "REGULAR".to_owned(),
            validity: Some("DAY".to_owned()),
            quantity: decimal("3"),
            filled_quantity: decimal("3"),
            pending_quantity: Some(decimal("0")),
            disclosed_quantity: Some(decimal("0")),
            average_price: Some(decimal("109.33333333333333")),
            price: Some(decimal("109.4")),
            trigger_price: Some(decimal("0")),
            status: "COMPLETE".to_owned(),
            status_message: None,
            placed_at: at("2021-05-31T09:50:27Z"),
            exchange_at: at("2021-05-31T09:50:28Z"),
            other_tags: Vec::new(),
            iceberg: None,
            is_amo: None,
            labels: ledger::Labels::default(),
            raw: order.raw.clone(),
        }
    );
}

#[test]
fn empty_texts_and_a_price_of_zero_are_no_values() {
    let order = read(with(json!({
        "exchange_order_id": "", "parent_order_id": " ", "status_message": "", "exchange_timestamp": "", "price": "",
        "exchange_update_timestamp": "2021-05-31 15:20:29", "average_price": 0, "variety": null,
    })))
    .unwrap();
    assert_eq!((order.exchange_order_id, order.broker_parent_id, order.status_message), (None, None, None));
    assert_eq!((order.average_price, order.price), (None, None));
    assert_eq!((order.exchange_at, order.variety.as_str()), (at("2021-05-31T09:50:29Z"), "REGULAR"));
    let never_sent = with(json!({"exchange_timestamp": null, "exchange_update_timestamp": null}));
    assert_eq!(read(never_sent).unwrap().exchange_at, None);
}

#[test]
fn numbers_come_as_numbers_or_as_text() {
    let order =
        read(with(json!({"quantity": "3", "filled_quantity": 1.0, "average_price": "12.30"}))).unwrap();
    assert_eq!((order.quantity, order.filled_quantity), (decimal("3"), decimal("1")));
    assert_eq!(order.average_price.unwrap().to_string(), "12.30");
}

#[test]
fn unknown_statuses_are_kept_in_capitals() {
    for (text, expected) in [
        ("TRIGGER PENDING", "TRIGGER_PENDING"),
        ("open", "OPEN"),
        ("AMO REQ RECEIVED", "AMO_REQ_RECEIVED"),
        (" Some  new word ", "SOME_NEW_WORD"),
    ] {
        assert_eq!(read(with(json!({ "status": text }))).unwrap().status, expected);
    }
}

#[test]
fn a_leg_names_the_order_it_belongs_to() {
    let cover = read(with(json!({"parent_order_id": "171228000912853"}))).unwrap();
    assert_eq!(cover.broker_parent_id.as_deref(), Some("171228000912853"));
    let slice = read(with(json!({"tags": ["autoslice", "autoslice:1953367517640548352"]}))).unwrap();
    assert_eq!(slice.broker_parent_id.as_deref(), Some("1953367517640548352"));
    let tagged = read(with(json!({"tag": "mine", "tags": ["mine", 5, "autoslice:"]}))).unwrap();
    assert_eq!((tagged.broker_parent_id, tagged.client_tag.as_deref()), (None, Some("mine")));
}

#[test]
fn one_bad_order_spoils_the_book_and_is_named() {
    for (changes, expected) in [
        (json!({"order_id": null}), "orders[1].order_id: missing"),
        (json!({"order_id": 300}), "orders[1].order_id: 300 is not text"),
        (json!({"tradingsymbol": ""}), "orders[1].tradingsymbol: missing"),
        (json!({"quantity": null}), "orders[1].quantity: missing"),
        (json!({"filled_quantity": "many"}), "orders[1].filled_quantity: \"many\" is not a number"),
        (json!({"filled_quantity": -1}), "orders[1].filled_quantity: -1 is less than nothing"),
        (json!({"average_price": {}}), "orders[1].average_price: an object is not a number"),
        (json!({"transaction_type": "HOLD"}), "orders[1].transaction_type: \"HOLD\" is no side"),
        (json!({"order_timestamp": "15:20:28"}), "orders[1].order_timestamp: \"15:20:28\" is no time"),
        (json!({"status": " "}), "orders[1].status: missing"),
        (json!({"guid": "\u{0}"}), "orders[1].*: holds a NUL character"),
    ] {
        let error = order::read_book(vec![sample(), with(changes), sample()]).unwrap_err();
        assert_eq!(error.to_string(), format!("answer not understood: {expected}"));
    }
    let error = order::read_book(vec![Value::Null]).unwrap_err();
    assert_eq!(error.to_string(), "answer not understood: orders[0] is not an object");
}

#[test]
fn every_sample_book_is_read() {
    let samples =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/kiteconnect_mocks"));
    for (folder, count) in [("head", 10), ("2017-12-28", 7)] {
        let path = samples.join(folder).join("orders.json");
        let Ok(body) = std::fs::read(&path) else {
            eprintln!("skipped: no sample book at {}", path.display());
            continue;
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let book = order::read_book(answer["data"].as_array().unwrap().clone()).unwrap();
        assert_eq!(book.len(), count);
        assert!(book.iter().all(|order| order.placed_at.is_some()));
        assert!(book.iter().all(|order| order.average_price.is_some() != order.filled_quantity.is_zero()));
    }
}
