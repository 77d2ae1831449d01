use std::time::Duration;

use e2e::World;
use testbed::{FakeKite, wait_until};

use crate::failures::slow_accounts;

fn slow_world(count: u32, delay: Duration) -> (World, FakeKite) {
    let world = World::new();
    let kite = slow_accounts(&world, count, delay);
    (world, kite)
}

/// Jobs that hold their accounts.
pub(crate) fn running(world: &World) -> usize {
    world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_job IS NOT NULL")
}

#[test]
fn after_sigterm_running_jobs_are_finished_and_nothing_that_was_done_is_redelivered() {
    let (world, _kite) = slow_world(12, Duration::from_secs(2));
    let first = world.worker(&[("WORKER_NAME", "first"), ("WORKER_CONCURRENCY", "4")]);
    let _beat = world.beat(&[]);
    wait_until("four running jobs", Duration::from_secs(30), || running(&world) == 4);
    first.terminate().unwrap();
    assert_eq!(first.wait(Duration::from_secs(20)).unwrap().code(), Some(0), "{}", first.output());
    let done = world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE worker = 'first'");
    assert!(done >= 4, "what ran was finished: {done}");
    assert_eq!(running(&world), 0, "every lease was given back");

    let second = world.worker(&[
        ("WORKER_NAME", "second"),
        ("WORKER_CONCURRENCY", "4"),
        ("RUST_LOG", "info,pipeline=debug"),
    ]);
    world.wait_for_outcomes(12);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE fence <> 1"), 0);
    assert!(!second.output().contains("done before"), "{}", second.output());
    assert_eq!(world.notifications().len(), 12);
}

#[test]
fn jobs_that_outlast_the_grace_go_back_and_are_done_by_another_worker() {
    let (world, kite) = slow_world(2, Duration::from_secs(6));
    let first = world.worker(&[("WORKER_NAME", "first"), ("SHUTDOWN_GRACE_SECONDS", "1")]);
    let _beat = world.beat(&[]);
    wait_until("two running jobs", Duration::from_secs(30), || running(&world) == 2);
    first.terminate().unwrap();
    assert_eq!(first.wait(Duration::from_secs(20)).unwrap().code(), Some(0), "{}", first.output());
    assert_eq!(running(&world), 0, "an interrupted run gives its lease back");
    kite.delay(Duration::ZERO);
    let _second = world.worker(&[("WORKER_NAME", "second")]);
    world.wait_for_count(
        "SELECT count(*) FROM tradingdb.sync_outcomes WHERE worker = 'second' AND retries = 0",
        2,
    );
}

#[test]
fn a_second_signal_ends_a_draining_worker_at_once() {
    let (world, _kite) = slow_world(1, Duration::from_secs(6));
    let worker = world.worker(&[]);
    let _beat = world.beat(&[]);
    wait_until("a running job", Duration::from_secs(30), || running(&world) == 1);
    worker.terminate().unwrap();
    worker.wait_for_line("draining", Duration::from_secs(10)).unwrap();
    worker.interrupt().unwrap();
    assert_eq!(worker.wait(Duration::from_secs(2)).unwrap().code(), Some(130));
}
