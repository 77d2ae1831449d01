use std::fs;

use serde_json::json;

use super::earlier;
use e2e::World;

#[test]
fn a_paper_brokerage_is_read_from_its_file_anew_at_each_look() {
    let world = World::new();
    let order = json!({
        "broker_order_id": "p1", "exchange": "NSE", "symbol": "SBIN", "side": "BUY", "product": "CNC", "quantity": 10,
        "filled_quantity": 10, "average_price": 800.5, "status": "COMPLETE", "variety": "REGULAR",
        "placed_at": earlier().to_rfc3339(), "exchange_at": earlier().to_rfc3339(),
    });
    let file = world.file("raghu.json", &json!({"orders": [order]}).to_string());
    let url = format!("file://{file}");
    world.syncfleet(&["brokerage", "add", "Raghu", "--kind", "paper", "--base-url", &url]).expect(0);
    let _worker = world.worker(&[]);
    let results = world.sync("Raghu");
    assert_eq!(results["external_detection"]["external_orders_detected"], 1, "{results}");
    assert_eq!(world.sql("SELECT net_quantity FROM tradingdb.positions"), "10");

    fs::write(&file, json!({"orders": [], "error": {"kind": "auth", "message": "not today"}}).to_string())
        .unwrap();
    let results = world.sync("Raghu");
    let reason = results["external_detection"]["reason"].as_str().unwrap_or_default();
    assert_eq!(reason, "login needed at paper: not today", "{results}");
    fs::write(&file, "{").unwrap();
    assert!(world.syncfleet(&["brokerage", "test", "Raghu"]).expect(1).out.lines().count() > 2);
}
