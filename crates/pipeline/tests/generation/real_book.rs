use std::fs;
use std::path::Path;
use std::time::Duration;

use brokerage::{Access, Gate, Http, Kind, Timeouts};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{Labels, ReportedOrder, TradePlan};
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
    let access = Access {
        base_url: server.base_url().parse().unwrap(),
        pseudo_account: "Raghu".to_owned(),
        api_key: "key".into(),
        access_token: "token".into(),
        gate: Gate::open(),
    };
    let http = Http::new(Timeouts::default()).unwrap();
    let kite = Kind::Kite.open(Some(&http), access).unwrap();
    let within = Duration::from_secs(10);

    // The positions were read before the last order was filled.
    let as_of: DateTime<Utc> = "2017-12-28T19:30:00+05:30".parse().unwrap();
    let mut orders: Vec<ReportedOrder> = kite.orders(within).await.unwrap();
    orders.retain(|order| order.placed_at.unwrap() < as_of);
    let (positions, holdings) = (kite.positions(within).await.unwrap(), kite.holdings(within).await.unwrap());
    let quotes = brokerage::quotes(&positions, &holdings);

    let desk = Desk::new().await;
    let lease = desk.lease().await;
    let look = ledger::Look { at: as_of, grace: TimeDelta::zero(), has_own_orders: false, is_of_today: true };
    let plan = ledger::plan(&[], &orders, &look);
    let look = storage::Look {
        orders: &orders,
        plan: &plan,
        trades: &[],
        trade_plan: &TradePlan::default(),
        margins: None,
        labels: &Labels::default(),
        is_whole: true,
    };
    desk.storage.take_in(&lease, &look).await.unwrap();
    assert_eq!(desk.storage.store_quotes(&lease, &quotes).await.unwrap(), 3, "the account's own, no others");
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
