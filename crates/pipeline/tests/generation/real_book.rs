use std::fs;
use std::path::Path;
use std::time::Duration;

use brokerage::{Brokerage, Kite, Timeouts};
use chrono::{DateTime, Utc};
use ledger::ReportedOrder;
use pipeline::Wanted;
use serde_json::Value;
use testbed::FakeKite;

use crate::desk::{Desk, WHEN_NEEDED};

/// Exchange, symbol, product, quantity, ltp, value, pnl, m2m; numbers as they read.
fn row(of: &Value, names: [&str; 8]) -> [String; 8] {
    names.map(|name| match &of[name] {
        Value::String(text) => text.clone(),
        number => number.to_string().trim_end_matches(".0").to_owned(),
    })
}

#[tokio::test]
async fn the_rows_of_a_real_book_are_the_brokerages_own_positions_of_that_day() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/kiteconnect_mocks/2017-12-28");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return;
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let server = FakeKite::start().unwrap();
    server.respond(200, read("orders.json"));
    server.respond_positions(200, read("positions.json"));
    server.respond_holdings(200, read("holdings.json"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = server.base_url().parse().unwrap();
    let kite = Kite::new(url, "key".into(), "token".into(), Timeouts::default()).unwrap();

    // The positions were read before the last order was filled.
    let as_of: DateTime<Utc> = "2017-12-28T19:30:00+05:30".parse().unwrap();
    let mut orders: Vec<ReportedOrder> = kite.orders().await.unwrap();
    orders.retain(|order| order.placed_at.unwrap() < as_of);
    let quotes = kite.quotes(Duration::from_secs(10)).await;
    assert!(quotes.missing.is_empty(), "{quotes:?}");

    let desk = Desk::new().await;
    let lease = desk.lease().await;
    let plan = ledger::plan(&[], &orders);
    desk.storage.apply_external_orders(&lease, &orders, &plan, "kite").await.unwrap();
    assert_eq!(
        desk.storage.store_quotes(&lease, &quotes.told).await.unwrap(),
        3,
        "the account's own, no others"
    );
    desk.generate(Wanted { as_of: Some(as_of), ..WHEN_NEEDED }).await;

    let told: Value = serde_json::from_str(&read("positions.json")).unwrap();
    let told = told["data"]["day"].as_array().unwrap().iter().map(|position| {
        row(
            position,
            ["exchange", "tradingsymbol", "product", "quantity", "last_price", "value", "pnl", "m2m"],
        )
    });
    let stored = desk.storage.account_view(&desk.account).await.unwrap().positions;
    let stored = stored.iter().map(|position| {
        row(position, ["exchange", "symbol", "type", "net_quantity", "ltp", "net_value", "pnl", "mtm"])
    });
    let (mut told, mut stored) = (told.collect::<Vec<_>>(), stored.collect::<Vec<_>>());
    told.sort();
    stored.sort();
    assert_eq!(stored, told);
    let lead = "SELECT multiplier, platform, stock_broker FROM tradingdb.positions WHERE symbol = 'LEADMINI17DECFUT'";
    assert_eq!(desk.sql(lead), "1000|KITE|ZERODHA");
}
