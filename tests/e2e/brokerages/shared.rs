use std::time::Duration;

use serde_json::Value;
use testbed::{Answer, wait_until};

use super::{PATIENCE, TOKEN, at_kite, bought, put_orders};

#[test]
fn two_workers_on_one_account_at_once_take_each_order_in_once() {
    let (world, server) = at_kite();
    let orders: Vec<Value> = (0..50).map(|number| bought(&format!("e{number}")).into()).collect();
    put_orders(&server, TOKEN, orders);
    let _workers = [world.worker(&[]), world.worker(&[])];
    for _ in 0..20 {
        world.syncfleet(&["sync", "Raghu", "--force"]).expect(0);
    }
    world.wait_for_outcomes(20);
    assert_eq!(world.sql("SELECT count(*), count(DISTINCT broker_order_id) FROM tradingdb.orders"), "50|50");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.order_events"), 100);
    let told = world.notifications();
    assert_eq!(told.iter().filter(|m| m.routing_key.ends_with("external_order_detected")).count(), 50);
}

#[test]
fn a_worker_killed_in_the_middle_of_a_look_loses_nothing() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    server.next("/portfolio/holdings", vec![Answer::silence()]);
    let first = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("the look", PATIENCE, || {
        server.log().iter().any(|request| request.path == "/portfolio/holdings")
    });
    first.kill().unwrap();
    let _second = world.worker(&[]);
    world.wait_for_outcomes(1);
    assert_eq!(world.sql("SELECT net_quantity FROM tradingdb.positions"), "10");
    let told = world.notifications();
    assert_eq!(told.iter().filter(|m| m.routing_key.ends_with("external_order_detected")).count(), 1);
    assert!(server.most_within(Duration::from_secs(1), |_| true) <= 10);
}
