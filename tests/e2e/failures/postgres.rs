//! PostgreSQL dies.

use std::time::Duration;

use e2e::World;
use serde_json::json;
use testbed::Postgres;

use super::{PATIENCE, slow_accounts, tick, wait_for_running};
use crate::workers::accounts;

#[test]
fn when_postgresql_is_killed_and_comes_back_its_jobs_are_retried_and_done() {
    let world = World::on_postgres(Postgres::start().unwrap());
    let kite = slow_accounts(&world, 6, Duration::from_secs(3));
    let workers =
        ["one", "two"].map(|name| world.worker(&[("WORKER_NAME", name), ("WORKER_CONCURRENCY", "3")]));
    tick(&world);
    wait_for_running(&world, 6);
    let postgres = world.postgres.as_ref().unwrap();
    postgres.kill().unwrap();
    kite.delay(Duration::ZERO);
    // It stays away until runs have failed for want of it.
    for worker in &workers {
        worker.wait_for_line("attempt failed, retry 1 of", PATIENCE).unwrap();
    }
    postgres.restart().unwrap();
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'", 6);
    assert!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE retries > 0") > 0);
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
}

/// Of a job whose time runs out there is no dead letter: its outcome is all that tells of it.
#[test]
fn what_expires_while_postgresql_is_away_has_its_outcome_when_it_is_back() {
    let world = World::on_postgres(Postgres::start().unwrap()).with("RETRY_JITTER", "0");
    world.import(&accounts(2)).expect(0);
    let worker = world.worker(&[]);
    let postgres = world.postgres.as_ref().unwrap();
    postgres.kill().unwrap();
    world.vhost.declare_queue("errors", &json!({})).unwrap();
    let expires_in = |id: &str, account: &str, seconds: i64| {
        let expires = (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
        let properties = json!({"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2,
            "headers": {"task": "app.tasks.comprehensive_sync_task.comprehensive_account_sync", "id": id,
                        "expires": expires}});
        let errback = json!({"task": "theirs", "args": [], "kwargs": {}, "options": {"queue": "errors"}});
        let body = json!([["default", account], {}, {"errbacks": [errback]}]).to_string();
        assert!(world.vhost.publish("", "periodic", &properties, body.as_bytes()).unwrap());
    };
    expires_in("failed-before", "account-0", 2);
    expires_in("too-late", "account-1", -1);
    worker.wait_for_line("expired between retries", PATIENCE).unwrap();
    worker.wait_for_line("its end cannot be written down", PATIENCE).unwrap();
    postgres.restart().unwrap();
    world.wait_for_outcomes(2);
    let outcomes = world.sql(
        "SELECT string_agg(sync_id || ' ' || status, ', ' ORDER BY sync_id) FROM tradingdb.sync_outcomes",
    );
    assert_eq!(outcomes, "failed-before failed, too-late expired");
    let told = world.notifications();
    assert_eq!(told.len(), 1, "the failure, once");
    let errors = world.vhost.get("errors", 10).unwrap();
    assert_eq!(errors.len(), 1, "and its errback");
    assert_eq!(told[0].properties["message_id"], "failed-before");
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
}
