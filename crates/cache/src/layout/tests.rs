use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn row(id: i64, json: Value) -> Row {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let number = |name: &str| json[name].to_string().parse().ok();
    Row {
        id: Some(id),
        instrument_key: text("instrument_key"),
        product: text("type").or_else(|| text("product")),
        net_quantity: number("net_quantity").or_else(|| number("quantity")),
        status: text("status"),
        strategy_id: text("strategy_id"),
        json: json.to_string().into(),
    }
}

fn snapshot(account: &str) -> Snapshot {
    Snapshot {
        organization_id: "acme".to_owned(),
        pseudo_account: account.to_owned(),
        sequence: 1,
        at: "2025-06-17T10:30:00Z".parse().expect("a time"),
        positions: Vec::new(),
        holdings: Vec::new(),
        orders: Vec::new(),
        margins: Vec::new(),
        strategies: Vec::new(),
        instruments_seen: Vec::new(),
    }
}

fn position(id: i64, instrument: &str, product: &str, net_quantity: i64) -> Row {
    let json = json!({"instrument_key": instrument, "type": product, "net_quantity": net_quantity});
    row(id, json)
}

/// The layout's keys and values under the account, values as short as `check`'s tables want them.
fn keys(snapshot: &Snapshot) -> Vec<(String, Value)> {
    let layout = Layout::of(snapshot);
    let entries = layout.entries.into_iter();
    entries
        .map(|(key, value)| {
            let key = key.strip_prefix(&layout.prefix).expect("a key of the account");
            (key.to_owned(), serde_json::from_str(&value.to_string()).expect("JSON"))
        })
        .collect()
}

/// What the replaced system wrote for its sample rows, key for key and value for value.
#[test]
fn the_sample_of_the_replaced_system_comes_out_key_for_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/legacy/redis_keys.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no sample at {}", path.display());
        return;
    };
    let sample: BTreeMap<String, Value> = serde_json::from_str(&text).expect("JSON");
    let rows = |key: String| -> Vec<Row> {
        let rows = sample[&key].as_array().expect("a list").iter();
        // Given backwards: the order must come from the ids.
        let mut rows: Vec<Row> = rows
            .enumerate()
            .map(|(at, json)| row(json["id"].as_i64().unwrap_or(at as i64), json.clone()))
            .collect();
        rows.reverse();
        rows
    };
    let root = "trade_data:stocksblitz:Raghu";
    let ids: BTreeSet<&str> = sample
        .keys()
        .filter_map(|key| key.strip_prefix("trade_data:stocksblitz:Raghu:strategies:"))
        .filter_map(|key| key.split(':').next())
        .collect();
    let strategies = ids.iter().map(|id| StrategyRows {
        strategy_id: (*id).to_owned(),
        positions: rows(format!("{root}:strategies:{id}:positions")),
        holdings: rows(format!("{root}:strategies:{id}:holdings")),
        orders: rows(format!("{root}:strategies:{id}:orders")),
        margins: rows(format!("{root}:strategies:{id}:margins")),
    });
    let layout = Layout::of(&Snapshot {
        organization_id: "stocksblitz".to_owned(),
        positions: rows(format!("{root}:positions")),
        holdings: rows(format!("{root}:holdings")),
        orders: rows(format!("{root}:orders")),
        margins: rows(format!("{root}:margins")),
        strategies: strategies.collect(),
        ..snapshot("Raghu")
    });
    let written: BTreeMap<String, Value> = layout
        .entries
        .iter()
        .map(|(key, value)| (key.clone(), serde_json::from_str(&value.to_string()).expect("JSON")))
        .collect();
    assert_eq!(written.len(), layout.entries.len(), "a key came twice");
    assert_eq!(ids.len(), 2);
    assert_eq!(written.keys().collect::<Vec<_>>(), sample.keys().collect::<Vec<_>>());
    assert_eq!(written, sample);
    assert_eq!(layout.mark_key, "trade_data:stocksblitz:Raghu:snapshot");
}

#[test]
fn an_account_without_any_row_has_its_four_empty_lists() {
    let empty = |table: &str| (table.to_owned(), json!([]));
    assert_eq!(keys(&snapshot("Raghu")), ["positions", "holdings", "orders", "margins"].map(empty));
}

#[test]
fn orders_without_a_strategy_belong_to_the_account_alone() {
    let order = |id: i64| row(id, json!({"id": id, "status": "OPEN"}));
    let strategy = |id: &str| StrategyRows {
        strategy_id: id.to_owned(),
        orders: vec![order(1)],
        ..StrategyRows::default()
    };
    let snapshot = Snapshot {
        orders: vec![order(10), order(9)],
        strategies: vec![strategy("default"), strategy("")],
        ..snapshot("Raghu")
    };
    let list = json!([{"id": 9, "status": "OPEN"}, {"id": 10, "status": "OPEN"}]);
    let keys = keys(&snapshot);
    assert_eq!(keys.len(), 5);
    assert!(keys.contains(&("orders".to_owned(), list.clone())));
    assert!(keys.contains(&("orders:by_status:OPEN".to_owned(), list)));
    assert_eq!(strategies(&snapshot).count(), 0);
}

#[test]
fn of_two_products_the_larger_then_nrml_cnc_mis_stands_for_the_instrument() {
    fn check(rows: &[(i64, &str, i64)], chosen: &str) {
        let positions =
            rows.iter().map(|(id, product, net)| position(*id, "NSE@ITC@equities", product, *net));
        let strategy = StrategyRows {
            strategy_id: "s".to_owned(),
            positions: positions.collect(),
            ..StrategyRows::default()
        };
        let snapshot = Snapshot { strategies: vec![strategy], ..snapshot("Raghu") };
        let keys = keys(&snapshot);
        let key = "strategies:s:positions:by_instrument:NSE@ITC@equities";
        let (_, row) = keys.iter().find(|(name, _)| name == key).expect("the key");
        assert_eq!(row["type"], chosen, "{rows:?}");
    }
    check(&[(1, "MIS", 5), (2, "CNC", 10)], "CNC");
    check(&[(1, "NRML", 5), (2, "MIS", -10)], "MIS");
    check(&[(1, "MIS", 10), (2, "CNC", -10), (3, "NRML", 10)], "NRML");
    check(&[(1, "MTF", 10), (2, "MIS", 10), (3, "CNC", 10)], "CNC");
    check(&[(1, "MTF", 10), (2, "MIS", 10)], "MIS");
    check(&[(1, "CNC", 0)], "CNC");
}

#[test]
fn names_go_into_keys_as_they_are() {
    let name = r#"a: "*" [x] {y} मेरा\"#;
    let order = row(1, json!({"status": "OPEN"}));
    let layout = Layout::of(&Snapshot { orders: vec![order], ..snapshot(name) });
    let keys: Vec<&str> = layout.entries.iter().map(|(key, _)| key.as_str()).collect();
    assert!(keys.contains(&format!("trade_data:acme:{name}:orders:by_status:OPEN").as_str()));
    assert_eq!(layout.mark_key, format!("trade_data:acme:{name}:snapshot"));
}

#[test]
fn the_digest_changes_with_any_byte_and_with_nothing_else() {
    let with = |json: &str, sequence| {
        let margin = Row { json: json.into(), ..Row::default() };
        let snapshot = Snapshot {
            margins: vec![margin],
            sequence,
            instruments_seen: vec![sequence.to_string()],
            ..snapshot("Raghu")
        };
        Layout::of(&snapshot).digest
    };
    assert_eq!(with("{}", 1), with("{}", 2));
    assert_ne!(with("{}", 1), with("{ }", 1));
    assert_eq!(with("{}", 1).len(), 64);
}

#[test]
fn leftovers_are_what_may_lie_there_without_what_is_written() {
    let strategy = StrategyRows {
        strategy_id: "s".to_owned(),
        positions: vec![position(1, "I1", "CNC", 1)],
        ..StrategyRows::default()
    };
    let layout = Layout::of(&Snapshot {
        orders: vec![row(1, json!({"status": "OPEN"}))],
        strategies: vec![strategy],
        instruments_seen: vec!["I1".to_owned(), "I2".to_owned()],
        ..snapshot("Raghu")
    });
    let earlier = [
        "trade_data:acme:Raghu:orders:by_status:LAPSED",
        "trade_data:acme:Raghu:strategies:gone:orders",
        "trade_data:acme:Raghu:orders",
        "trade_data:acme:Raghu:snapshot",
        "trade_data:acme:Raghunath:orders",
        "celery",
    ]
    .map(str::to_owned);
    let leftovers = layout.leftovers(&earlier);
    let has = |key: &str| leftovers.contains(&format!("trade_data:acme:Raghu:{key}"));
    assert!(has("orders:by_status:LAPSED") && has("strategies:gone:orders"));
    assert!(has("orders:by_status:TRIGGER_PENDING"));
    assert!(has("strategies:s:orders:by_status:COMPLETE"));
    assert!(has("strategies:s:positions:by_instrument:I2"));
    assert!(has("holdings:by_instrument:I1"));
    assert!(!has("strategies:s:positions:by_instrument:I1"));
    assert!(!has("orders:by_status:OPEN") && !has("orders") && !has("snapshot"));
    assert!(leftovers.iter().all(|key| key.starts_with("trade_data:acme:Raghu:")));
}
