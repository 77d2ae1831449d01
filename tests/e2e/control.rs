//! Remote control: what operators and Celery's tools ask of workers.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::{Process, wait_until};

use crate::failures::slow_accounts;

const PATIENCE: Duration = Duration::from_secs(60);

/// A worker of that name, which answers.
fn worker(world: &World, name: &str) -> Process {
    let worker = world.worker(&[("WORKER_NAME", name)]);
    wait_until("an answer", PATIENCE, || world.syncfleet(&["worker", "ping", name]).code == Some(0));
    worker
}

fn result(world: &World, id: &str) -> Value {
    let text = world.redis.command(&format!("GET celery-task-meta-{id}")).unwrap();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

#[test]
fn workers_are_listed_and_asked_what_they_run_and_a_running_job_is_ended_by_its_id() {
    let world = World::new();
    let _kite = slow_accounts(&world, 1, Duration::from_secs(6));
    let _worker = worker(&world, "one@host");
    let _other = worker(&world, "two@host");
    let idle = |name: &str| (json!(name), json!(0));
    // Each has a second and a half to answer.
    wait_until("both in the list, idle", PATIENCE, || {
        let listed = world.syncfleet(&["worker", "list", "--json"]).expect(0).json();
        let listed = listed.as_array().unwrap().iter();
        let workers = listed.map(|worker| (worker["name"].clone(), worker["running"].clone()));
        workers.collect::<Vec<_>>() == [idle("one@host"), idle("two@host")]
    });
    let lock = world.hold_runs();
    let enqueued = world.syncfleet(&["sync", "account-0", "--json"]).expect(0).json();
    let running = || world.syncfleet(&["worker", "inspect", "--json"]).expect(0).json();
    let mut job = Value::Null;
    wait_until("a running job", PATIENCE, || {
        job = running()[0].clone();
        job["id"].is_string()
    });
    assert_eq!(job["args"], json!(["default", "account-0"]), "{job} {enqueued}");
    let id = job["id"].as_str().unwrap();
    world.syncfleet(&["revoke", id, "--terminate"]).expect(0);
    drop(lock);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'revoked'", 1);
    assert_eq!(world.sql("SELECT reason FROM tradingdb.sync_outcomes"), "terminated");
    // Its account is free again at once.
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_job IS NOT NULL"),
        0
    );
    wait_until("no more running", PATIENCE, || {
        world.syncfleet(&["worker", "inspect", "--json"]).expect(0).json() == json!([])
    });
}

#[test]
fn a_revoked_job_is_refused_by_workers_that_were_there_and_by_those_that_come_later() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let first = worker(&world, "one@host");
    world.syncfleet(&["revoke", "job-1", "job-2"]).expect(0);
    let publish = |id: &str| {
        let headers =
            json!({"task": "app.tasks.comprehensive_sync_task.comprehensive_account_sync", "id": id});
        let properties = json!({"content_type": "application/json", "content_encoding": "utf-8",
                                "delivery_mode": 2, "correlation_id": id, "headers": headers});
        assert!(
            world.vhost.publish("", "periodic", &properties, br#"[["default", "Raghu"], {}, {}]"#).unwrap()
        );
    };
    publish("job-1");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'revoked'", 1);
    wait_until("a result", PATIENCE, || result(&world, "job-1")["status"] == "REVOKED");
    assert_eq!(result(&world, "job-1")["result"]["exc_message"], json!(["revoked"]));
    // Another worker asks those that are there what was revoked before it came.
    let second = worker(&world, "two@host");
    second.wait_for_line("2 revoked tasks known from one@host", PATIENCE).unwrap();
    world.syncfleet(&["worker", "shutdown", "one@host"]).expect(0);
    assert_eq!(first.wait(PATIENCE).unwrap().code(), Some(0));
    publish("job-2");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'revoked'", 2);
    publish("job-3");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'", 1);
}

#[test]
fn nobody_to_ask_is_said_and_a_worker_that_is_not_there_is_named() {
    let world = World::new();
    assert!(world.syncfleet(&["worker", "ping"]).expect(1).err.contains("no worker answers"));
    assert!(world.syncfleet(&["revoke", "job-1"]).expect(1).err.contains("no worker answers"));
    let answer = world.syncfleet(&["worker", "shutdown", "nobody@host"]).expect(1);
    assert!(answer.err.contains("no worker is called nobody@host"), "{answer:?}");
    assert_eq!(world.syncfleet(&["worker", "list", "--json"]).expect(0).json(), json!([]));
    world.syncfleet(&["worker", "shutdown"]).expect(2);
}
