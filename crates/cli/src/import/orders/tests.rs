use super::*;

const LINE: &str = r#"{"pseudo_account":"Raghu","exchange":"NSE","symbol":"SBIN","trade_type":"buy","product_type":"CNC",
    "quantity":10,"filled_quantity":10,"average_price":311.05,"status":"COMPLETE","exchange_time":"2025-06-10 09:30:00"}"#;

fn line(changes: &[(&str, Value)]) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(LINE).unwrap();
    for (name, value) in changes {
        fields.insert((*name).to_owned(), value.clone());
    }
    Value::Object(fields).to_string()
}

fn reasons(text: &str) -> Vec<(u64, String)> {
    parse(text, "default").unwrap_err().into_iter().map(|bad| (bad.line, bad.reason)).collect()
}

#[test]
fn a_plain_line_is_one_order_of_the_default_organization() {
    let orders = parse(&line(&[]), "default").unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].account, Account::new("default", "Raghu"));
    assert_eq!(orders[0].columns["trade_type"], "BUY");
    assert_eq!(orders[0].columns["instrument_key"], "NSE@SBIN@equities");
    assert_eq!(orders[0].columns["average_price"].to_string(), "311.05");
    assert!(orders[0].line_digest.is_some() && orders[0].fills.is_empty());
}

#[test]
fn every_bad_line_is_named_with_its_reason() {
    let text = [
        line(&[]),
        "{".to_owned(),
        line(&[("trade_type", json!("HOLD"))]),
        String::new(),
        line(&[("quantity", json!(1.5))]),
        line(&[("exchange_time", json!("soon"))]),
        line(&[("colour", json!("red"))]),
        line(&[("pseudo_account", Value::Null)]),
        line(&[("filled_quantity", json!(-1))]),
    ]
    .join("\n");
    let reasons = reasons(&text);
    let lines: Vec<u64> = reasons.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 7, 8, 9]);
    for ((_, reason), word) in reasons.iter().zip([
        "JSON",
        "trade_type",
        "quantity",
        "exchange_time",
        "colour",
        "pseudo_account",
        "negative",
    ]) {
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn lines_with_trade_ids_are_executions_of_one_order() {
    let execution = |trade: &str, quantity: i32, price: f64| {
        line(&[
            ("exchange_order_id", json!("1100")),
            ("trade_id", json!(trade)),
            ("filled_quantity", json!(quantity)),
            ("average_price", json!(price)),
        ])
    };
    let text = [execution("7", 4, 311.0), execution("8", 6, 312.0), execution("7", 4, 311.5)].join("\n");
    let orders = parse(&text, "default").unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].columns["filled_quantity"], 10);
    assert_eq!(orders[0].fills.len(), 2);
    assert_eq!(orders[0].fills[0].price.to_string(), "311.5");
}

#[test]
fn of_two_states_the_larger_filled_quantity_wins_then_the_later() {
    let state = |filled: i32, status: &str, time: &str| {
        line(&[
            ("exchange_order_id", json!("1")),
            ("filled_quantity", json!(filled)),
            ("status", json!(status)),
            ("exchange_time", json!(time)),
        ])
    };
    let text = [
        state(6, "OPEN", "2025-06-10 09:40:00"),
        state(10, "COMPLETE", "2025-06-10 09:35:00"),
        state(3, "OPEN", "2025-06-10 09:50:00"),
    ]
    .join("\n");
    assert_eq!(parse(&text, "default").unwrap()[0].columns["status"], "COMPLETE");
    let text =
        [state(6, "CANCELLED", "2025-06-10 09:40:00"), state(6, "OPEN", "2025-06-10 09:35:00")].join("\n");
    assert_eq!(parse(&text, "default").unwrap()[0].columns["status"], "CANCELLED");
}

#[test]
fn two_equal_lines_without_an_id_are_one_and_different_ones_are_two() {
    let text = [line(&[]), line(&[("average_price", json!("311.050"))]), line(&[("quantity", json!(11))])]
        .join("\n");
    assert_eq!(parse(&text, "default").unwrap().len(), 2);
}

#[test]
fn the_same_id_on_another_day_is_another_order() {
    let text = [
        line(&[("exchange_order_id", json!("1"))]),
        line(&[("exchange_order_id", json!("1")), ("exchange_time", json!("2025-06-11 09:30:00"))]),
    ]
    .join("\n");
    assert_eq!(parse(&text, "default").unwrap().len(), 2);
}
