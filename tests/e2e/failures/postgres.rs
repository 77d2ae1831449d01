//! PostgreSQL dies.

use std::time::Duration;

use e2e::World;
use testbed::Postgres;

use super::{PATIENCE, slow_accounts, tick, wait_for_running};

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
