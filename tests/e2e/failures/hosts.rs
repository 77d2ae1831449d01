//! Hosts that drop packets without closing anything.

use std::time::{Duration, Instant};

use e2e::{World, free_address, get};
use testbed::{Proxy, wait_until};

use super::{PATIENCE, assert_done_and_uncharged, slow_accounts, tick, wait_for_blocked, wait_for_running};

#[test]
fn when_the_host_of_rabbitmq_vanishes_it_is_noticed_by_its_silence_and_every_job_is_done() {
    let world = World::new();
    let _kite = slow_accounts(&world, 4, Duration::from_secs(1));
    let (proxy, through) = Proxy::in_front_of(&world.vhost.url()).unwrap();
    let address = free_address();
    let url = format!("{through}?heartbeat=2");
    let worker =
        world.worker(&[("RABBITMQ_URL", &url), ("WORKER_CONCURRENCY", "4"), ("METRICS_ADDR", &address)]);
    let lock = world.hold_runs();
    tick(&world);
    wait_for_running(&world, 4);
    proxy.drop_packets();
    drop(lock);
    worker.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    assert!(get(&address, "/health/ready").starts_with("HTTP/1.1 503"));
    proxy.heal();
    assert_done_and_uncharged(&world, 4);
    wait_until("ready", PATIENCE, || get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
}

#[test]
fn when_the_host_of_postgresql_vanishes_a_run_gives_up_waiting_and_its_job_is_done_afterwards() {
    let world = World::new();
    world.import(&crate::workers::accounts(4)).expect(0);
    let (proxy, through) = Proxy::in_front_of(&world.database.url()).unwrap();
    let worker =
        world.worker(&[("DATABASE_URL", &through), ("WORKER_NAME", "far"), ("WORKER_CONCURRENCY", "4")]);
    world.sync("account-1");
    // It waits for an answer that never comes.
    let lock = world.hold_runs();
    world.syncfleet(&["sync", "account-0"]).expect(0);
    wait_for_blocked(&world, "far");
    proxy.drop_packets();
    drop(lock);
    let begun = Instant::now();
    worker.wait_for_line("no answer within 20 s", PATIENCE).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // What was open stays dead: the pool must neither keep it nor wait for it.
    proxy.heal();
    let begun = Instant::now();
    world.wait_for_outcomes(2);
    world.syncfleet(&["sync", "--all", "--wait", "30"]).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success'"), 0);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 0);
}

#[test]
fn when_the_host_of_redis_vanishes_only_its_step_fails_and_the_next_sync_writes_everything() {
    let world = World::new();
    world.import(&crate::workers::accounts(1)).expect(0);
    let (proxy, through) = Proxy::in_front_of(&world.redis.url()).unwrap();
    let _worker = world.worker(&[("REDIS_URL", &through), ("RESULT_BACKEND_URL", "")]);
    world.sync("account-0");
    proxy.drop_packets();
    let begun = Instant::now();
    let results = world.sync("account-0");
    assert_eq!(results["status"], "partial_success", "{results}");
    assert_eq!(results["redis_sync"]["status"], "failed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    proxy.heal();
    assert_eq!(world.sync("account-0")["status"], "success");
}

#[test]
fn a_run_whose_connection_died_in_an_outage_that_is_over_gives_up_waiting() {
    let world = World::new();
    world.import(&crate::workers::accounts(1)).expect(0);
    let (proxy, through) = Proxy::in_front_of(&world.database.url()).unwrap();
    let _worker = world.worker(&[("DATABASE_URL", &through), ("WORKER_NAME", "far")]);
    let lock = world.hold_runs();
    world.syncfleet(&["sync", "account-0"]).expect(0);
    wait_for_blocked(&world, "far");
    // What was open stays dead, and nobody is told; everything else goes on at once, renewals of the lease among it.
    proxy.drop_packets();
    proxy.heal();
    drop(lock);
    let begun = Instant::now();
    world.wait_for_outcomes(1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(world.sql("SELECT status FROM tradingdb.sync_outcomes"), "partial_success");
    assert!(world.sql("SELECT report::text FROM tradingdb.sync_outcomes").contains("no answer within 20 s"));
    assert_eq!(world.sync("account-0")["status"], "success");
}

#[test]
fn when_the_host_of_postgresql_vanishes_under_a_beat_its_tick_is_published_when_it_is_back() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "604800");
    world.import(&crate::workers::accounts(3)).expect(0);
    let (proxy, through) = Proxy::in_front_of(&world.database.url()).unwrap();
    // Where it reads the accounts it waits for an answer that never comes.
    let lock = world.database.hold("LOCK TABLE tradingdb.brokerage_accounts").unwrap();
    let beat = world.beat(&[("DATABASE_URL", &through)]);
    wait_until("a claim", PATIENCE, || world.count("SELECT count(*) FROM tradingdb.ticks") == 1);
    proxy.drop_packets();
    drop(lock);
    beat.wait_for_line("not published, given back", PATIENCE).unwrap();
    proxy.heal();
    let published = "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL AND accounts = 3";
    world.wait_for_count(published, 1);
}
