use serde_json::Value;
use testbed::{AutoTraderBook, FakeAutoTrader, autotrader};

use super::earlier;
use e2e::World;

const KEY: &str = "autotrader-master-key";

#[test]
fn the_whole_way_is_walked_at_autotrader_for_accounts_that_share_a_key() {
    let (world, server) = (World::new(), FakeAutoTrader::start(KEY).unwrap());
    for account in ["Raghu", "A.B #1"] {
        world.add_login(account, "autotrader", &server.base_url(), KEY, "");
    }
    let order = autotrader::order("p1", "SBIN", earlier())
        .on("NSE", "INTRADAY")
        .buy(10)
        .filled(10, autotrader::float32(12.3));
    server.set_book(
        "Raghu",
        AutoTraderBook {
            orders: vec![order.into()],
            positions: vec![autotrader::position("SBIN").on("NSE", "MIS").bought(10, 12.3).last(12.5).into()],
            holdings: vec![autotrader::holding("TCS", "INE467B01029", 5, 3000.0, 3100.0).into()],
            margins: vec![autotrader::margin("ALL", 5000.0, 1000.0).into()],
        },
    );
    server.set_book("A.B #1", AutoTraderBook::default());
    let _worker = world.worker(&[]);
    let results = world.sync("Raghu");
    assert_eq!(results["status"], "success", "{results}");
    assert_eq!(results["external_detection"]["external_orders_detected"], 1, "{results}");
    let row = "SELECT symbol, type, net_quantity, buy_avg_price, ltp FROM tradingdb.positions";
    assert_eq!(world.sql(row), "SBIN|MIS|10|12.3|12.5", "neither the product nor the float of Java's");
    let margin = "SELECT category, funds, utilized FROM tradingdb.margins WHERE pseudo_account = 'Raghu'";
    assert_eq!(world.sql(margin), "ALL|5000|1000");
    let found = &results["external_detection"]["discrepancies"];
    assert_eq!(found[0]["isin"], "INE467B01029", "the holding nobody bought: {found}");

    assert_eq!(
        world.sync("A.B #1")["external_detection"]["total_broker_orders"],
        0,
        "an empty book is a result"
    );
    server.fail("Raghu", Some("Session has expired. Please login again."));
    let results = world.sync("Raghu");
    let reason = results["external_detection"]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("login needed at autotrader"), "{results}");
    server.fail("A.B #1", Some("Unable to connect to the broker"));
    let results: Value = world.sync("A.B #1");
    assert_eq!(results["external_detection"]["status"], "failed", "{results}");
}
