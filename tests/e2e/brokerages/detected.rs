use serde_json::{Value, json};
use testbed::kite;

use super::{TOKEN, at_kite, bought, earlier, put_orders};

#[test]
fn an_order_placed_elsewhere_is_in_the_same_runs_positions_and_told_once_with_its_strategy() {
    let (world, server) = at_kite();
    world.sql(
        "INSERT INTO tradingdb.strategies (strategy_id, strategy_name, pseudo_account, organization_id, strategy_type, status)
         VALUES ('alone', 'alone', 'Raghu', 'default', 'x', 'ACTIVE')",
    );
    let order = bought("e1");
    let trades =
        vec![kite::trade("t1", &order, 4, 800.0, earlier()), kite::trade("t2", &order, 6, 800.83, earlier())];
    server.with_book(TOKEN, |book| {
        book.orders = vec![order.into()];
        book.trades = trades.into_iter().map(Value::from).collect();
        book.margins = kite::margins(1000.0).into();
    });
    let _worker = world.worker(&[]);

    let results = world.sync("Raghu");
    assert_eq!(results["status"], "success", "{results}");
    let detection = &results["external_detection"];
    assert_eq!(
        [
            &detection["external_orders_detected"],
            &detection["events_created"],
            &detection["total_broker_orders"]
        ],
        [1, 2, 1],
        "{detection}"
    );
    assert_eq!(
        world.sql("SELECT net_quantity, buy_value FROM tradingdb.positions"),
        "10|8004.98",
        "by its executions"
    );
    let rows = world.cached("Raghu:strategies:alone:positions");
    assert_eq!(rows[0]["net_quantity"], 10, "the strategy has it too: {rows}");
    let margins = world.cached("Raghu:margins");
    let categories = margins.as_array().unwrap().iter().map(|row| &row["category"]);
    assert!(categories.into_iter().any(|category| category == "EQUITY"), "{margins}");
    assert!(results["redis_sync"]["margins_stored"].as_i64().unwrap() >= 1, "{results}");

    let told = world.notifications();
    let external: Vec<_> =
        told.iter().filter(|m| m.routing_key == "account.Raghu.external_order_detected").collect();
    assert_eq!(external.len(), 1);
    let body: Value = serde_json::from_slice(&external[0].payload).unwrap();
    assert_eq!(body["order"]["broker_order_id"], "e1");
    assert_eq!(
        body["strategy"],
        json!({"strategy_id": "alone", "method": "single_active", "confidence": 0.5})
    );
    assert_eq!(told.last().unwrap().routing_key, "account.Raghu.sync_completed", "beside the completion");

    assert_eq!(world.sync("Raghu")["external_detection"]["external_orders_detected"], 0);
    let again = world.notifications();
    assert!(again.iter().all(|m| m.routing_key == "account.Raghu.sync_completed"), "told once");
}

#[test]
fn a_book_that_changes_between_looks_makes_each_event_once() {
    let (world, server) = at_kite();
    let order = || kite::order("e1", "SBIN", earlier()).on("NSE", "CNC").buy(10).limit(800.0);
    let _worker = world.worker(&[]);
    let books: [Vec<Value>; 6] = [
        vec![order().into()],
        vec![order().filled(4, 799.0).into()],
        vec![order().filled(4, 799.0).into()],
        vec![order().limit(801.0).filled(7, 799.5).into()],
        // A stale answer of a slower server.
        vec![order().filled(4, 799.0).into()],
        vec![order().limit(801.0).filled(10, 800.0).into()],
    ];
    for book in books {
        put_orders(&server, TOKEN, book);
        assert_eq!(world.sync("Raghu")["external_detection"]["status"], "completed");
    }
    let events = "SELECT string_agg(event_type, ' ' ORDER BY id) FROM tradingdb.order_events";
    assert_eq!(world.sql(events), "placed partially_filled modified partially_filled filled");
    assert_eq!(
        world.sql("SELECT status, filled_quantity, average_price FROM tradingdb.orders"),
        "COMPLETE|10|800"
    );
}

#[test]
fn five_thousand_orders_unsorted_and_listed_twice_are_taken_in_once() {
    let (world, server) = at_kite();
    let order = |number: usize| -> Value { bought(&format!("e{number}")).into() };
    let mut orders: Vec<Value> = (0..5000).map(|number| order(number * 7919 % 5000)).collect();
    orders.extend((0..100).map(order));
    put_orders(&server, TOKEN, orders);
    let _worker = world.worker(&[]);
    for expected in [5000, 0] {
        let results = world.sync("Raghu");
        assert_eq!(
            results["external_detection"]["external_orders_detected"], expected,
            "{}",
            results["errors"]
        );
    }
    assert_eq!(
        world.sql("SELECT count(*), count(DISTINCT broker_order_id) FROM tradingdb.orders"),
        "5000|5000"
    );
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.order_events"), 10_000);
    assert_eq!(world.sql("SELECT net_quantity FROM tradingdb.positions"), "50000");
    let told = world.notifications();
    assert_eq!(told.iter().filter(|m| m.routing_key.ends_with("external_order_detected")).count(), 5000);
}

#[test]
fn own_orders_their_legs_and_orders_on_their_way_are_not_external() {
    let (world, server) = at_kite();
    world.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, exchange, symbol, trade_type, product_type, status,
             publisher_id, broker_order_id, platform_time, strategy_id)
         VALUES ('Raghu', 'REGULAR', 10, 'NSE', 'SBIN', 'BUY', 'CNC', 'OPEN', 'tag-1', NULL, now() - interval '5 minutes', 's'),
                ('Raghu', 'BO', 10, 'NSE', 'TCS', 'BUY', 'MIS', 'COMPLETE', NULL, 'entry', now() - interval '5 minutes', 's')",
    );
    let own = bought("o1").with(json!({"tag": "tag-1"}));
    let leg = kite::order("leg", "TCS", earlier())
        .on("NSE", "MIS")
        .sell(10)
        .with(json!({"parent_order_id": "entry"}));
    let young = kite::order("young", "INFY", chrono::Utc::now()).on("NSE", "CNC").buy(1);
    let elsewhere = bought("elsewhere");
    put_orders(&server, TOKEN, vec![own.into(), leg.into(), young.into(), elsewhere.into()]);
    let _worker = world.worker(&[]);
    let results = world.sync("Raghu");
    let detection = &results["external_detection"];
    assert_eq!(detection["external_orders_detected"], 1, "{detection}");
    assert_eq!([&detection["own_legs"], &detection["orders_deferred"]], [1, 1], "{detection}");
    let sources = "SELECT string_agg(broker_order_id || ' ' || coalesce(source, 'own') || ' ' || coalesce(strategy_id, '-'), ', '
                                     ORDER BY broker_order_id) FROM tradingdb.orders WHERE broker_order_id IS NOT NULL";
    assert_eq!(world.sql(sources), "elsewhere EXTERNAL s, entry own s, leg LEG s, o1 own s");
    let due = "SELECT last_external_check_at IS NULL FROM tradingdb.account_sync_state";
    assert_eq!(world.sql(due), "t", "what was deferred is looked at again at the next tick");
}
