//! `deploy/MIGRATING.md`, step by step, and back.

use std::time::{Duration, Instant};

use e2e::{Python, World};
use serde_json::json;
use testbed::{FakeKite, Process, wait_until};

use super::mixed::{ran_in_python, ran_in_rust};
use super::{PATIENCE, until_answered, world};

/// Between ticks, in seconds.
const INTERVAL: u64 = 5;
/// Accounts of the world.
const ACCOUNTS: usize = 3;
const NAME: &str = "rust@host";

/// The world of a Celery system: its queue is a classic one, which Celery declared.
fn celery_system() -> (World, FakeKite) {
    let (world, kite) = world(Duration::ZERO);
    let world = world
        .with("QUEUE_TYPE", "classic")
        .with("ACCOUNTS", "account-0,account-1,slow")
        .with("BEAT_SECONDS", &INTERVAL.to_string())
        .with("SYNC_INTERVAL_SECONDS", &INTERVAL.to_string())
        .with("WORKER_NAME", NAME);
    (world, kite)
}

fn celery_beat(python: &Python, world: &World) -> Process {
    python.start(world, &["beat", "-l", "INFO"], "beat: Starting")
}

fn jobs(world: &World) -> usize {
    ran_in_python(world).len() + ran_in_rust(world).len()
}

fn periodic(world: &World) -> serde_json::Value {
    world.vhost.api("GET", &format!("/api/queues/{}/periodic", world.vhost.name()), None).unwrap()["type"]
        .clone()
}

/// Waits until more jobs have run, and returns how long that took.
fn until_more(world: &World, more: usize) -> Duration {
    let (begun, before) = (Instant::now(), jobs(world));
    wait_until(&format!("{more} more jobs"), PATIENCE, || jobs(world) >= before + more);
    begun.elapsed()
}

fn stop(process: Process) {
    process.terminate().unwrap();
    process.wait(PATIENCE).unwrap();
}

#[test]
fn a_celery_system_moves_over_one_process_at_a_time_and_back() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = celery_system();
    // What there is: a worker and a beat.
    let theirs = python.worker(&world, "py@host", "periodic");
    let their_beat = celery_beat(&python, &world);
    until_more(&world, ACCOUNTS);
    assert_eq!(periodic(&world), "classic");

    // 2. A Rust worker beside it, on the queue as it is.
    let worker = world.worker(&[]);
    worker.wait_for_line("exists with other arguments", PATIENCE).unwrap();
    until_answered(&world, NAME);
    wait_until("both work", PATIENCE, || !ran_in_rust(&world).is_empty());
    // 3. The Python worker goes: SIGTERM, and it finishes what it has.
    stop(theirs);
    until_more(&world, 2 * ACCOUNTS);

    // 4. The beat: Celery's is stopped, ours begins, and no interval goes by without a tick.
    stop(their_beat);
    let of_ticks = "SELECT count(*) FROM tradingdb.sync_outcomes WHERE substr(sync_id, 15, 1) = '5'";
    let per_account = format!("{of_ticks} AND pseudo_account = 'account-0'");
    wait_until("an empty queue", PATIENCE, || world.vhost.queue_depth("periodic").unwrap() == (0, 0));
    let before = world.count(&per_account);
    let beat = world.beat(&[]);
    let until_ours = until_more(&world, ACCOUNTS);
    assert!(until_ours < Duration::from_secs(2 * INTERVAL), "{until_ours:?} without a tick");
    let ticks = "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL";
    wait_until("ticks of ours", PATIENCE, || world.count(ticks) >= 3);
    wait_until("a job of each tick", PATIENCE, || world.count(&per_account) >= before + 3);
    assert!(world.count(&per_account) <= before + world.count(ticks), "no tick is doubled");

    // 5. The queue becomes a quorum queue, while nothing runs and nothing waits.
    stop(beat);
    wait_until("an empty queue", PATIENCE, || world.vhost.queue_depth("periodic").unwrap() == (0, 0));
    stop(worker);
    world
        .vhost
        .api("DELETE", &format!("/api/queues/{}/periodic?if-empty=true", world.vhost.name()), None)
        .unwrap();
    let worker = world.worker(&[]);
    assert_eq!(periodic(&world), "quorum");
    let world = world.with("QUEUE_TYPE", "quorum");
    assert_eq!(python.produce(&world, &["by_position"])["status"], "success");
    world.syncfleet(&["sync", "--all", "--force", "--wait", "60"]).expect(0);

    // And back: Python takes over what there is, the queue stays as it is.
    let theirs = python.worker(&world, "py@host", "periodic");
    stop(worker);
    // It remembers when it sent last; without that it begins with an interval.
    let remembered = std::fs::read_dir(world.folder()).unwrap().map(|file| file.unwrap());
    for file in remembered.filter(|file| file.file_name().to_string_lossy().starts_with("beat")) {
        std::fs::remove_file(file.path()).unwrap();
    }
    let (begun, before) = (Instant::now(), ran_in_python(&world).len());
    let their_beat = celery_beat(&python, &world);
    wait_until("a tick of Celery's", PATIENCE, || ran_in_python(&world).len() > before);
    assert!(begun.elapsed() > Duration::from_secs(INTERVAL - 1), "a tick at once: {:?}", begun.elapsed());
    wait_until("Python runs all", PATIENCE, || ran_in_python(&world).len() >= before + ACCOUNTS);
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap(), (0, 0));
    for process in [theirs, their_beat] {
        stop(process);
    }
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success'"), 0);
}

#[test]
fn a_python_process_that_was_not_told_of_the_quorum_queue_is_refused_and_says_so() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let _worker = world.worker(&[]);
    let refused = python.produce_with(&world, &["refused"], &[("QUEUE_TYPE", "classic")]);
    assert_eq!(refused, json!("PreconditionFailed"));
    // The exchange is there for whoever cannot be changed.
    let through = python.produce_with(&world, &["through_the_exchange"], &[("QUEUE_TYPE", "classic")]);
    assert_eq!(through["status"], "success");
}
