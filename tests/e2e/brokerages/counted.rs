use e2e::{free_address, get};
use serde_json::Value;
use testbed::kite;

use super::{TOKEN, at_kite, bought, put_orders};

#[test]
fn what_the_brokerage_counts_otherwise_is_a_finding_and_a_metric_and_never_adjusted() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    server.with_book(TOKEN, |book| {
        book.add_position(kite::position("SBIN").on("NSE", "CNC").bought(12, 800.5).last(801.0));
        book.add_position(
            kite::position("NIFTY25JUNFUT").on("NFO", "NRML").carried(75, 25000.0, 25010.0).last(25020.0),
        );
    });
    let address = free_address();
    let _worker = world.worker(&[("METRICS_ADDR", &address)]);
    let results = world.sync("Raghu");
    assert_eq!(results["status"], "success", "{results}");
    let found = results["external_detection"]["discrepancies"].as_array().unwrap();
    let said: Vec<String> = found
        .iter()
        .map(|finding| format!("{} {} {}", finding["kind"], finding["symbol"], finding["detail"]))
        .collect();
    assert_eq!(
        said,
        [
            r#""broker_differs" "SBIN" "the brokerage has positions and holdings of 12, here it is 10""#,
            r#""broker_differs" "NIFTY25JUNFUT" "the brokerage has a net NRML position of 75, here it is 0""#,
        ]
    );
    assert_eq!(world.sql("SELECT string_agg(net_quantity::text, ' ') FROM tradingdb.positions"), "10");
    let shown = world.show("Raghu");
    assert_eq!(shown["discrepancies"].as_array().map(Vec::len), Some(2), "{shown}");

    let told = get(&address, "/metrics");
    for line in [
        "syncfleet_broker_differences_total 2",
        r#"syncfleet_external_checks_total{brokerage="kite",outcome="completed"} 1"#,
        r#"syncfleet_brokerage_requests_total{brokerage="kite",outcome="ok"} 5"#,
        r#"syncfleet_logins_needed{brokerage="kite"} 0"#,
    ] {
        assert!(told.lines().any(|found| found == line), "{line}\n{told}");
    }
    server.expire_login(TOKEN);
    world.sync("Raghu");
    let told = get(&address, "/metrics");
    assert!(told.lines().any(|line| line == r#"syncfleet_logins_needed{brokerage="kite"} 1"#), "{told}");
    assert!(!told.contains(TOKEN), "no secret");

    server.renew_login(TOKEN);
    server.with_book(TOKEN, |book| {
        (book.net, book.day) = (Vec::new(), Vec::new());
        book.add_position(kite::position("SBIN").on("NSE", "CNC").bought(10, 800.5).last(801.0));
    });
    world.syncfleet(&["brokerage", "test", "Raghu"]).expect(0);
    let results: Value = world.sync("Raghu");
    assert_eq!(results["external_detection"]["discrepancies"], Value::Array(Vec::new()), "{results}");
    assert_eq!(world.show("Raghu")["discrepancies"], Value::Array(Vec::new()), "the last look counts");
}

#[test]
fn a_trade_without_its_order_is_a_finding_and_never_an_order() {
    let (world, server) = at_kite();
    let stray = kite::trade("t9", &bought("gone"), 10, 800.0, super::earlier());
    server.with_book(TOKEN, |book| book.trades = vec![stray.into()]);
    let _worker = world.worker(&[]);
    let results = world.sync("Raghu");
    let finding = &results["external_detection"]["discrepancies"][0];
    assert_eq!(finding["kind"], "trade_without_order", "{results}");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.orders"), 0);
}
