//! `celery inspect`, `control`, `status` and `events` on Rust workers.

use std::time::Duration;

use e2e::{Python, World};
use serde_json::Value;
use testbed::wait_until;

use super::{PATIENCE, until_answered, world};

const NAME: &str = "rust@host";
const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

/// What `celery inspect … --json` shows of the Rust worker.
#[track_caller]
fn inspect(python: &Python, world: &World, what: &str) -> Value {
    let answer = python.celery(world, &["inspect", what, "--json", "-d", NAME, "-t", "20"]).expect(0).json();
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer[NAME].clone()
}

#[track_caller]
fn control(python: &Python, world: &World, words: &[&str]) -> String {
    let words: Vec<&str> = ["control", "-d", NAME, "-t", "20"].iter().chain(words).copied().collect();
    python.celery(world, &words).expect(0).out
}

#[test]
fn celery_inspect_shows_a_rust_worker_as_one_of_its_own() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::from_secs(6));
    let world = world.with("WORKER_NAME", NAME);
    let _worker = world.worker(&[("WORKER_CONCURRENCY", "3")]);
    until_answered(&world, NAME);
    assert_eq!(inspect(&python, &world, "ping")["ok"], "pong");
    let status = python.celery(&world, &["status", "-t", "5"]).expect(0).out;
    assert!(status.contains(NAME) && status.contains("1 node online"), "{status}");
    let registered = inspect(&python, &world, "registered");
    assert!(registered.as_array().unwrap().iter().any(|task| task == TASK), "{registered}");
    let queues = inspect(&python, &world, "active_queues");
    let names: Vec<&str> =
        queues.as_array().unwrap().iter().filter_map(|queue| queue["name"].as_str()).collect();
    assert_eq!(names, ["periodic", "adhoc"]);
    python.produce(&world, &["by_position"]);
    let stats = inspect(&python, &world, "stats");
    assert_eq!((&stats["total"][TASK], stats["broker"].is_object()), (&Value::from(1), true), "{stats}");

    // It runs for as long as five programs of Python take.
    let lock = world.hold_runs();
    world.syncfleet(&["sync", "slow"]).expect(0);
    let mut active = Value::Null;
    wait_until("an active job", PATIENCE, || {
        active = inspect(&python, &world, "active")[0].clone();
        active.is_object()
    });
    assert_eq!((&active["name"], &active["args"][1]), (&Value::from(TASK), &Value::from("slow")), "{active}");
    for empty in ["reserved", "scheduled", "revoked"] {
        assert_eq!(inspect(&python, &world, empty), Value::Array(Vec::new()), "{empty}");
    }
    let id = active["id"].as_str().unwrap();
    control(&python, &world, &["terminate", "SIGTERM", id]);
    drop(lock);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'revoked'", 1);
    assert_eq!(inspect(&python, &world, "revoked"), Value::from(vec![id]));
}

#[test]
fn celery_control_changes_a_rust_worker_and_ends_it() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let world = world.with("WORKER_NAME", NAME);
    let worker = world.worker(&[("WORKER_CONCURRENCY", "3")]);
    until_answered(&world, NAME);
    let concurrency = || inspect(&python, &world, "stats")["pool"]["max-concurrency"].clone();
    let before = concurrency().as_u64().unwrap();
    assert!(control(&python, &world, &["pool_grow", "2"]).contains("pool will grow"));
    wait_until("more slots", PATIENCE, || concurrency() == before + 2);
    assert!(
        control(&python, &world, &["cancel_consumer", "adhoc"]).contains("no longer consuming from adhoc")
    );
    wait_until("one queue less", PATIENCE, || {
        inspect(&python, &world, "active_queues").as_array().unwrap().len() == 1
    });
    assert!(control(&python, &world, &["add_consumer", "adhoc"]).contains("add consumer adhoc"));
    for words in [["rate_limit", TASK, "100/s"], ["time_limit", TASK, "50"]] {
        assert!(control(&python, &world, &words).contains("success"), "{words:?}");
    }
    python.celery(&world, &["control", "shutdown"]);
    assert_eq!(worker.wait(PATIENCE).unwrap().code(), Some(0), "{}", worker.output());
}

#[test]
fn celery_events_shows_what_a_rust_worker_does() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let world = world.with("WORKER_NAME", NAME);
    let worker = world.worker(&[]);
    until_answered(&world, NAME);
    let dump = python.start(&world, &["events", "--dump"], "heartbeat");
    assert!(control(&python, &world, &["enable_events"]).contains("task events enabled"));
    python.produce(&world, &["by_position"]);
    for event in ["task received", "task started", "task succeeded"] {
        let line = dump.wait_for_line(event, PATIENCE).unwrap();
        assert!(line.contains(NAME), "{line}");
    }
    worker.terminate().unwrap();
    dump.wait_for_line("shutdown", PATIENCE).unwrap();
}
