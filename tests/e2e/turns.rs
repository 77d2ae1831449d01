//! Syncs that make something new take turns; those with nothing new wait for none of them.

use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::json;
use testbed::wait_until;

use crate::workers::accounts;

const PATIENCE: Duration = Duration::from_secs(60);
/// More than a worker of any number of cores has turns for.
const MANY: u32 = 40;

#[test]
fn a_sync_with_nothing_new_needs_no_turn_and_one_that_gets_none_comes_back_and_is_charged_nothing() {
    let world = World::new();
    world.import(&jsonl(&[fill("quiet", 1000, 75, "100.5")])).expect(0);
    let settings =
        [("WORKER_CONCURRENCY", "64"), ("WORKER_QUEUES", "adhoc"), ("JOB_TIME_LIMIT_SECONDS", "16")];
    let worker = world.worker(&settings);
    world.sync("quiet");
    world.import(&accounts(MANY)).expect(0);

    let lock = world.hold_runs();
    for account in 0..MANY {
        world.syncfleet(&["sync", &format!("account-{account}")]).expect(0);
    }
    let held = "SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_job IS NOT NULL";
    world.wait_for_count(held, MANY as usize);
    world.syncfleet(&["sync", "quiet"]).expect(0);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE pseudo_account = 'quiet'", 2);
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE pseudo_account <> 'quiet'"),
        0
    );

    let busy = "SELECT coalesce(min(pseudo_account), '') FROM tradingdb.waiting_jobs WHERE reason = 'busy'";
    wait_until("a job that got no turn", PATIENCE, || !world.sql(busy).is_empty());
    let said = world.syncfleet(&["account", "why", &world.sql(busy), "--json"]).expect(0).json();
    assert_eq!((&said["state"], &said["job"]["reason"]), (&json!("parked"), &json!("busy")), "{said}");
    drop(lock);
    world.wait_for_outcomes(MANY as usize + 2);
    let charged = "SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success' OR retries > 0";
    assert_eq!(world.count(charged), 0, "{}", worker.output());
}
