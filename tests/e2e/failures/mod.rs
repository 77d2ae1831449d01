//! One test for each row of the failure table (`crates/queue/PROMISE.md`) that has no place elsewhere.

mod cluster;
mod hosts;
mod panics;
mod postgres;
mod rabbitmq;
mod redis;
mod workers;

use std::time::Duration;

use e2e::World;
use serde_json::json;
use testbed::{FakeKite, wait_until};

use crate::drain::running;
use crate::workers::accounts;

const PATIENCE: Duration = Duration::from_secs(60);

/// So many accounts, each at a brokerage that takes so long over each answer.
pub(crate) fn slow_accounts(world: &World, count: u32, delay: Duration) -> FakeKite {
    world.import(&accounts(count)).expect(0);
    let kite = FakeKite::start().expect("a fake Kite");
    kite.respond(200, json!({"status": "success", "data": []}).to_string());
    kite.delay(delay);
    for n in 0..count {
        // A login of its own, so that no rate limit keeps one waiting for another.
        let login = format!("login-{n}");
        world.add_login(&format!("account-{n}"), "kite", &kite.base_url(), &login, &login);
    }
    kite
}

/// Publishes a tick and ends its beat, so that no other follows.
fn tick(world: &World) {
    let beat = world.beat(&[]);
    world.wait_for_count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL", 1);
    drop(beat);
}

/// Waits until a statement of the program waits for a lock.
fn wait_for_blocked(world: &World, program: &str) {
    let blocked = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = '{program}' AND datname = current_database() AND wait_event_type = 'Lock'"
    );
    world.wait_for_count(&blocked, 1);
}

fn wait_for_running(world: &World, count: usize) {
    wait_until(&format!("{count} running jobs"), PATIENCE, || running(world) == count);
}

/// Every one of so many accounts was synced by a job that nothing was charged to.
#[track_caller]
fn assert_done_and_uncharged(world: &World, count: usize) {
    world.wait_for_outcomes(count);
    let uncharged = "SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success' AND retries = 0";
    assert_eq!(world.count(uncharged), count);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 0);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.positions WHERE net_quantity = 75"), count);
    assert_eq!(world.vhost.queue_depth("periodic.dead").expect("a depth").0, 0);
    wait_until("empty queues", PATIENCE, || {
        ["periodic", "adhoc"]
            .iter()
            .all(|queue| world.vhost.queue_depth(queue).is_ok_and(|depth| depth == (0, 0)))
    });
}
