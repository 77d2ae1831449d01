use ledger::{Iceberg, Labels, ReportedOrder, Side};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::order;
use super::{sample, with};

fn read(changes: Value) -> Result<ReportedOrder, String> {
    let book = order::read(json!([with(sample(), changes)]));
    book.map(|mut book| book.remove(0)).map_err(|error| error.to_string())
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn an_order_is_read_field_by_field() {
    let order = read(json!({})).unwrap();
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
            other_tags: vec!["01XX-abc".to_owned()],
            iceberg: None,
            is_amo: Some(false),
            labels: Labels {
                platform: Some("KITE".to_owned()),
                stock_broker: Some("ZERODHA".to_owned()),
                trading_account: Some("XX1234".to_owned()),
                client_id: Some("DA0017".to_owned()),
                ..Labels::default()
            },
            raw: order.raw.clone(),
        }
    );
}

#[test]
fn empty_texts_and_a_price_of_zero_are_no_values() {
    let order = read(json!({
        "exchange_order_id": "", "parent_order_id": " ", "status_message": "", "exchange_timestamp": "", "price": "",
        "exchange_update_timestamp": "2021-05-31 15:20:29", "average_price": 0, "variety": null,
    }))
    .unwrap();
    assert_eq!((order.exchange_order_id, order.broker_parent_id, order.status_message), (None, None, None));
    assert_eq!((order.average_price, order.price), (None, None));
    assert_eq!((order.exchange_at, order.variety.as_str()), (at("2021-05-31T09:50:29Z"), "REGULAR"));
    let never_sent = json!({"exchange_timestamp": null, "exchange_update_timestamp": null});
    assert_eq!(read(never_sent).unwrap().exchange_at, None);
}

#[test]
fn numbers_come_as_numbers_or_as_text() {
    let order = read(json!({"quantity": "3", "filled_quantity": 1.0, "average_price": "12.30"})).unwrap();
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
        assert_eq!(read(json!({ "status": text })).unwrap().status, expected);
    }
}

#[test]
fn a_leg_names_the_order_it_belongs_to() {
    let cover = read(json!({"parent_order_id": "171228000912853"})).unwrap();
    assert_eq!(cover.broker_parent_id.as_deref(), Some("171228000912853"));
    let slice = read(json!({"tags": ["autoslice", "autoslice:1953367517640548352"]})).unwrap();
    assert_eq!(slice.broker_parent_id.as_deref(), Some("1953367517640548352"));
    let tagged = read(json!({"tag": "mine", "tags": ["mine", 5, "autoslice:"]})).unwrap();
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
        (json!({"guid": "\u{0}"}), "orders[1].guid: holds a NUL character"),
        (json!({"meta": {"a": ["\u{0}"]}}), "orders[1].*: holds a NUL character"),
        (json!({"order_id": "1".repeat(201)}), "orders[1].order_id: 201 bytes are more than 200"),
        (json!({"tags": "autoslice"}), "orders[1].tags: \"autoslice\" is not a list"),
        (json!({"meta": []}), "orders[1].meta is not an object"),
        (json!({"meta": {"iceberg": {"leg": 0}}}), "orders[1].meta.iceberg.leg: no count from 1"),
    ] {
        let error = order::read(json!([sample(), with(sample(), changes), sample()])).unwrap_err();
        assert_eq!(error.to_string(), format!("answer not understood: {expected}"));
    }
    let error = order::read(json!([null])).unwrap_err();
    assert_eq!(error.to_string(), "answer not understood: orders[0] is not an object");
}

#[test]
fn tags_that_are_not_the_tag_and_the_guid_are_kept_in_their_order() {
    let order = read(json!({"tag": "mine", "tags": ["mine", "mktp", "mktp:2.00"]})).unwrap();
    assert_eq!(order.client_tag.as_deref(), Some("mine"));
    assert_eq!(order.other_tags, ["mktp", "mktp:2.00", "01XX-abc"]);
    let order = read(json!({"tag": null, "tags": null, "guid": null})).unwrap();
    assert_eq!((order.client_tag, order.other_tags), (None, Vec::new()));
}

#[test]
fn an_iceberg_tells_which_leg_it_is() {
    let meta = json!({"iceberg": {"leg": 2, "legs": 5, "leg_quantity": 200, "total_quantity": 1000}});
    let order = read(json!({ "meta": meta })).unwrap();
    assert_eq!(order.iceberg, Some(Iceberg { leg: 2, legs: 5, total_quantity: decimal("1000") }));
    for none in [json!(null), json!({}), json!({"iceberg": null}), json!({"other": 1})] {
        assert_eq!(read(json!({ "meta": none })).unwrap().iceberg, None);
    }
}

#[test]
fn an_order_placed_after_market_hours_says_so_by_its_variety() {
    let order = read(json!({"variety": "amo"})).unwrap();
    assert_eq!((order.variety.as_str(), order.is_amo), ("AMO", Some(true)));
}

#[test]
fn the_zero_time_of_the_server_is_no_time() {
    let order = read(json!({"exchange_timestamp": "0001-01-01 00:00:00"})).unwrap();
    assert_eq!(order.exchange_at, at("2021-05-31T09:50:29Z"), "the update counts");
}
