//! Looks at brokerages, by real workers at fake servers of each API.

mod autotrader;
mod commands;
mod counted;
mod detected;
mod limits;
mod paper;
mod refused;
mod shared;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use testbed::{FakeKite, kite};

use e2e::World;

const KEY: &str = "kite-api-key";
const TOKEN: &str = "kite-access-token";
const PATIENCE: Duration = Duration::from_secs(60);

/// A while ago on the present IST day where that is possible, so that nothing is taken for an own order on its way.
fn earlier() -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(5)
}

/// A world whose account Raghu is at a fake Kite.
fn at_kite() -> (World, FakeKite) {
    let (world, kite) = (World::new(), FakeKite::start().expect("a fake Kite"));
    world.add_login("Raghu", "kite", &kite.base_url(), KEY, TOKEN);
    (world, kite)
}

/// Ten of SBIN, bought and filled.
fn bought(id: &str) -> kite::Order {
    kite::order(id, "SBIN", earlier()).on("NSE", "CNC").buy(10).filled(10, 800.5)
}

fn put_orders(server: &FakeKite, token: &str, orders: Vec<Value>) {
    server.with_book(token, |book| book.orders = orders);
}
