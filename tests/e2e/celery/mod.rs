//! With real Celery and Flower, driven through `tests/python`. Skipped aloud where they cannot be installed.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod flower;
mod hostile;
mod migration;
mod mixed;
mod producing;
mod tools;

use std::time::Duration;

use e2e::World;
use serde_json::json;
use testbed::{FakeKite, wait_until};

use crate::workers::accounts;

/// How long anything may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world with the accounts that the producers sync, and one at a brokerage that takes its time.
fn world(slow: Duration) -> (World, FakeKite) {
    let world = World::new();
    world.import(&accounts(2)).expect(0);
    let kite = FakeKite::start().unwrap();
    kite.respond(200, json!({"status": "success", "data": []}).to_string());
    kite.delay(slow);
    world.add_login("slow", "kite", &kite.base_url(), "key", "token");
    (world, kite)
}

/// Waits until the worker of that name answers remote control.
fn until_answered(world: &World, name: &str) {
    wait_until("an answer", PATIENCE, || world.syncfleet(&["worker", "ping", name]).code == Some(0));
}

/// The elements of a list in the world's Redis.
fn list(world: &World, key: &str) -> Vec<String> {
    let answer = world.redis.command(&format!("LRANGE {key} 0 -1")).unwrap();
    // As they come over the wire: how many there are, then the length of each before it.
    answer.lines().skip(2).step_by(2).map(str::to_owned).collect()
}
