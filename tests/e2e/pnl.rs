use std::collections::BTreeMap;
use std::fs;

use e2e::{World, fill, jsonl, shared_data};
use serde_json::{Value, json};

/// An order of a worked example: `["d1 t1", "IDEA", "B", 1, 3.45, "CNC"]`, the nth trade of its day.
fn order(account: &str, trade: &Value, nth: usize) -> Value {
    let text = |index: usize| trade[index].as_str().unwrap_or_default();
    let is_share = matches!(text(1), "X" | "IDEA" | "AA");
    let product = match text(5) {
        "" if is_share => "CNC",
        "" => "NRML",
        product => product,
    };
    let day = match text(0).split(' ').next().unwrap_or_default() {
        word if word.len() == 10 => word.to_owned(),
        word if word.len() == 5 => format!("2025-{word}"),
        "d2" => "2025-06-17".to_owned(),
        _ => "2025-06-16".to_owned(),
    };
    json!({
        "pseudo_account": account, "exchange": if is_share { "NSE" } else { "NFO" }, "symbol": text(1),
        "product_type": product, "trade_type": if text(2) == "B" { "BUY" } else { "SELL" }, "quantity": trade[3],
        "filled_quantity": trade[3], "average_price": trade[4], "status": "COMPLETE",
        "exchange_time": format!("{day} 10:{nth:02}:00"), "exchange_order_id": nth.to_string(),
    })
}

fn pnl(world: &World, account: &str, arguments: &[&str]) -> Value {
    world.syncfleet(&[&["account", "pnl", account, "--json"], arguments].concat()).expect(0).json()
}

/// A number as it would be written by hand: `-18.90` is `-18.9`.
fn plain(value: &Value) -> String {
    let text = value.to_string();
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn sum<'a>(lots: impl Iterator<Item = &'a Value>) -> i64 {
    lots.map(|lot| plain(&lot["realised_pnl"]).parse::<i64>().expect("a whole number")).sum()
}

#[test]
fn the_examples_published_by_brokers_come_out_as_published() {
    let Some(folder) = shared_data("broker_worked_examples") else { return };
    let file: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("examples.json")).unwrap()).unwrap();
    let examples: BTreeMap<&str, &Value> = (file["examples"].as_array().unwrap().iter())
        .filter(|example| {
            example["trades"].as_array().is_some_and(|trades| trades.iter().all(|t| !t[4].is_null()))
        })
        .map(|example| (example["id"].as_str().unwrap(), example))
        .collect();
    let world = World::new();
    let orders: Vec<Value> = examples
        .iter()
        .flat_map(|(id, example)| {
            let trades = example["trades"].as_array().unwrap().iter().enumerate();
            trades.map(|(nth, trade)| order(id, trade, nth))
        })
        .collect();
    world.import(&jsonl(&orders)).expect(0);
    let mut checked = 0;
    for (id, example) in &examples {
        let lots = pnl(&world, id, &["--lots"]);
        let lots = lots.as_array().unwrap();
        let rows = pnl(&world, id, &[]);
        assert_eq!(rows.as_array().unwrap().len(), 1, "{id}: one instrument");
        match *id {
            "zerodha_cross_product_intraday" => {
                let pairs: Vec<[String; 2]> =
                    lots.iter().map(|lot| [plain(&lot["entry_price"]), plain(&lot["exit_price"])]).collect();
                let published = example["expected"]["pairs"].as_array().unwrap().iter();
                let published: Vec<[String; 2]> =
                    published.map(|pair| [plain(&pair[0]), plain(&pair[1])]).collect();
                assert_eq!(pairs, published, "{id}");
            }
            "onetick_pnl_realized_fifo" => {
                for (minute, profit) in
                    example["expected"]["realised_per_trade"].as_array().unwrap().iter().enumerate()
                {
                    let at = format!("2025-06-16T04:{:02}:00Z", 30 + minute);
                    let of_trade = lots.iter().filter(|lot| lot["closed_at"] == at.as_str());
                    assert_eq!(sum(of_trade), profit.as_i64().unwrap(), "{id}, trade {minute}");
                }
            }
            _ => {
                let expected = ["realised", "first_leg_profit", "fifo_realised"]
                    .iter()
                    .find_map(|name| example["expected"].get(name).or_else(|| example["derived"].get(name)))
                    .unwrap_or_else(|| panic!("an example no one checks: {id}"));
                assert_eq!(plain(&rows[0]["realised_pnl"]), plain(expected), "{id}");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 8);
}

/// The order, executed at this time.
fn at(mut order: Value, time: &str) -> Value {
    order["exchange_time"] = json!(time);
    order
}

#[test]
fn a_range_is_of_ist_days_with_both_ends_included() {
    let world = World::new();
    world
        .import(&jsonl(&[
            at(fill("Raghu", 1, 75, "100"), "2025-06-09T05:00:00Z"),
            at(fill("Raghu", 2, -25, "101"), "2025-06-10T18:29:59.999999Z"),
            at(fill("Raghu", 3, -25, "103"), "2025-06-10T18:30:00Z"),
            at(fill("Raghu", 4, -25, "107"), "2025-06-12T18:29:59Z"),
        ]))
        .expect(0);
    for (range, expected) in [
        (&[][..], Some("275")),
        (&["--to", "2025-06-10"][..], Some("25")),
        (&["--from", "2025-06-11"][..], Some("250")),
        (&["--from", "2025-06-11", "--to", "2025-06-11"][..], Some("75")),
        (&["--from", "2025-06-10", "--to", "2025-06-12"][..], Some("275")),
        (&["--from", "2025-06-13"][..], None),
        (&["--to", "2025-06-09"][..], None),
    ] {
        let rows = pnl(&world, "Raghu", range);
        let realised = rows.get(0).map(|row| row["realised_pnl"].to_string());
        assert_eq!(realised.as_deref(), expected, "{range:?}: {rows}");
        let lots = pnl(&world, "Raghu", &[range, &["--lots"]].concat());
        let of_lots = sum(lots.as_array().unwrap().iter());
        assert_eq!(of_lots, expected.map_or(0, |text| text.parse().unwrap()), "{range:?}: {lots}");
    }
    let wrong = ["account", "pnl", "Raghu", "--from", "2025-06-11", "--to", "2025-06-10"];
    let answer = world.syncfleet(&wrong).expect(2);
    assert!(answer.err.contains("--from 2025-06-11 is after --to 2025-06-10"), "{}", answer.err);
    world.syncfleet(&["account", "pnl", "Raghu", "--from", "11-06-2025"]).expect(2);
}

#[test]
fn every_row_has_the_fields_that_were_promised_with_exact_digits() {
    let world = World::new();
    world
        .import(&jsonl(&[
            at(fill("Raghu", 1, -75, "100.10"), "2025-06-09T05:00:00Z"),
            at(fill("Raghu", 2, 50, "100.0333333333"), "2025-06-10T05:00:00Z"),
            at(fill("Raghu", 3, 50, "99"), "2025-06-11T05:00:00Z"),
        ]))
        .expect(0);
    let text = world.syncfleet(&["account", "pnl", "Raghu", "--json"]).expect(0).out;
    let rows: Value = serde_json::from_str(&text).unwrap();
    let expected = json!([{"instrument_key": "NFO@NIFTY@futures@31-DEC-2099", "symbol": "NIFTYFUT", "isin": null,
        "quantity": 75, "buy_value": rows[0]["buy_value"], "sell_value": rows[0]["sell_value"],
        "realised_pnl": rows[0]["realised_pnl"]}]);
    assert_eq!(rows, expected);
    for number in ["7476.666666665", "7507.5", "30.833333335"] {
        assert!(text.contains(number), "{number} in {text}");
    }
    let lots = pnl(&world, "Raghu", &["--lots"]);
    let lot = |index: usize, name: &str| lots[index][name].clone();
    assert_eq!(lots.as_array().unwrap().len(), 2, "one row for each lot and fill that closed it");
    for (name, expected) in [
        ("instrument_key", json!("NFO@NIFTY@futures@31-DEC-2099")),
        ("symbol", json!("NIFTYFUT")),
        ("side", json!("SHORT")),
        ("opened_at", json!("2025-06-09T05:00:00Z")),
        ("closed_at", json!("2025-06-11T05:00:00Z")),
        ("quantity", json!(25)),
        ("exit_price", json!(99)),
    ] {
        assert_eq!(lot(1, name), expected, "{name}");
    }
    assert_eq!(
        (lot(1, "entry_price").to_string(), lot(1, "realised_pnl").to_string()),
        ("100.1".into(), "27.5".into())
    );

    let table = world.syncfleet(&["account", "pnl", "Raghu"]).expect(0).out;
    let total = table.lines().find(|line| line.trim_start().starts_with("total")).unwrap();
    assert_eq!(
        total.split_whitespace().collect::<Vec<_>>(),
        ["total", "7476.666666665", "7507.5", "30.833333335"]
    );
    let table = world.syncfleet(&["account", "pnl", "Raghu", "--lots"]).expect(0).out;
    let total = table.lines().find(|line| line.trim_start().starts_with("total")).unwrap();
    assert_eq!(total.split_whitespace().collect::<Vec<_>>(), ["total", "30.833333335"]);
}

#[test]
fn an_account_nobody_has_heard_of_earned_nothing_and_a_sale_without_cost_is_told() {
    let world = World::new();
    assert_eq!(pnl(&world, "nobody", &[]), json!([]));
    assert_eq!(pnl(&world, "nobody", &["--lots"]), json!([]));
    let text = world.syncfleet(&["account", "pnl", "nobody"]).expect(0).out;
    assert_eq!(text.trim(), "nothing was closed");
    let mut sale = fill("Raghu", 1, -10, "100");
    (sale["exchange"], sale["symbol"], sale["product_type"]) = ("NSE".into(), "SBIN".into(), "CNC".into());
    sale["instrument_key"] = Value::Null;
    world.import(&jsonl(&[sale])).expect(0);
    assert_eq!(pnl(&world, "Raghu", &[]), json!([]));
    let text = world.syncfleet(&["account", "pnl", "Raghu"]).expect(0).out;
    assert!(text.contains("! unknown_cost SBIN"), "{text}");
}
