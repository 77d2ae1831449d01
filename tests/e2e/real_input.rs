use std::fs;

use e2e::{World, jsonl, shared_data};
use serde_json::{Value, json};
use testbed::FakeKite;

/// Real fills as `import orders` lines: futures of one account, in the order of the file.
fn converted(csv: &str) -> Vec<Value> {
    csv.lines()
        .skip(1)
        .enumerate()
        .map(|(number, line)| {
            let [time, amount, price, _, symbol, _] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("a row of another shape: {line}");
            };
            let amount: i64 = amount.parse().expect("a whole quantity");
            json!({
                "pseudo_account": "pyfolio", "exchange": "NFO", "symbol": symbol, "product_type": "NRML",
                "trade_type": if amount < 0 { "SELL" } else { "BUY" }, "quantity": amount.abs(),
                "filled_quantity": amount.abs(), "average_price": price, "status": "COMPLETE",
                "exchange_time": time, "exchange_order_id": number.to_string(), "trade_id": number.to_string(),
            })
        })
        .collect()
}

#[test]
fn nine_thousand_real_fills_end_in_the_known_net_quantities() {
    let Some(folder) = shared_data("pyfolio_txn") else { return };
    let orders = converted(&fs::read_to_string(folder.join("test_txn.csv")).unwrap());
    assert_eq!(orders.len(), 9367);
    let world = World::new();
    let imported = world.import(&jsonl(&orders)).expect(0).json();
    assert_eq!(imported["orders_new"], 9367);
    let again = world.import(&jsonl(&orders)).expect(0).json();
    assert_eq!((&again["orders_new"], &again["orders_unchanged"]), (&0.into(), &9367.into()), "{again}");
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "pyfolio", "--wait", "60"]).expect(0);
    let shown = world.show("pyfolio");
    let nets: Vec<(String, i64)> = (shown["positions"].as_array().unwrap().iter())
        .map(|row| (row["symbol"].as_str().unwrap().to_owned(), row["net_quantity"].as_i64().unwrap()))
        .collect();
    for (symbol, net) in [
        ("AMD", 2299),
        ("CERN", 484),
        ("COST", 955),
        ("DELL", 3817),
        ("GPS", 1466),
        ("INTC", 1120),
        ("MMM", -27),
    ] {
        assert!(nets.contains(&(symbol.to_owned(), net)), "{symbol}: {nets:?}");
    }
    assert_eq!(nets.len(), 7);
}

#[test]
fn the_seven_orders_of_a_real_book_are_detected_and_in_the_same_runs_positions() {
    let Some(folder) = shared_data("kiteconnect_mocks/2017-12-28") else { return };
    let kite = FakeKite::start().unwrap();
    kite.respond(200, fs::read_to_string(folder.join("orders.json")).unwrap());
    let world = World::new();
    world.add_kite("DA0017", &kite.base_url());
    let _worker = world.worker(&[]);
    let answer = world.syncfleet(&["sync", "DA0017", "--wait", "30", "--json"]).expect(0).json();
    let result = &answer["results"][0];
    assert_eq!(result["external_detection"]["external_orders_detected"], 7, "{result}");
    assert_eq!(result["external_detection"]["total_broker_orders"], 7);
    assert!(result["position_generation"]["positions_updated"].as_u64().unwrap() > 0, "{result}");
    assert_eq!(kite.last_kite_version().as_deref(), Some("3"));
    let announced =
        |message: &testbed::Message| message.routing_key == "account.DA0017.external_order_detected";
    assert_eq!(world.notifications().iter().filter(|message| announced(message)).count(), 7);
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.orders WHERE source = 'EXTERNAL' AND raw IS NOT NULL"),
        7
    );

    // The same book again: nothing is new, nothing is announced twice.
    let answer = world.syncfleet(&["sync", "DA0017", "--wait", "30", "--json"]).expect(0).json();
    assert_eq!(answer["results"][0]["external_detection"]["external_orders_detected"], 0);
    assert_eq!(world.notifications().iter().filter(|message| announced(message)).count(), 0);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.orders"), 7);
}
