//! Workers that die or hang at the worst moment.

use std::time::Duration;

use e2e::World;
use testbed::{Answer, wait_until};

use super::{PATIENCE, slow_accounts, tick, wait_for_blocked, wait_for_running};

#[test]
fn a_worker_that_was_stopped_and_wakes_up_late_changes_nothing_and_is_charged_nothing() {
    let world = World::new();
    let kite = slow_accounts(&world, 1, Duration::from_secs(4));
    // RabbitMQ takes a silent client for dead after twice the heartbeat.
    let url = format!("{}?heartbeat=2", world.vhost.url());
    let sleeper = world.worker(&[("WORKER_NAME", "sleeper"), ("RABBITMQ_URL", &url)]);
    world.syncfleet(&["sync", "account-0"]).expect(0);
    wait_until("the look", PATIENCE, || !kite.log().is_empty());
    sleeper.stop().unwrap();
    kite.delay(Duration::ZERO);
    let _other = world.worker(&[("WORKER_NAME", "other")]);
    world.wait_for_outcomes(1);
    assert_eq!(world.sql("SELECT worker FROM tradingdb.sync_outcomes"), "other");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 1, "it was taken for dead");
    let state = "SELECT row(s.fence, s.last_sync_at, s.last_external_check_at, p.id, p.timestamp)
                 FROM tradingdb.account_sync_state s, tradingdb.positions p";
    let (before, redis) = (world.sql(state), world.redis.command("DBSIZE").unwrap());
    let version = world.redis.command("GET trade_data:default:account-0:snapshot").unwrap();

    sleeper.cont().unwrap();
    sleeper.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    world.wait_for_count("SELECT count(*) FROM tradingdb.job_crashes", 0);
    assert_eq!(world.sql(state), before);
    assert_eq!(world.redis.command("DBSIZE").unwrap(), redis);
    assert_eq!(world.redis.command("GET trade_data:default:account-0:snapshot").unwrap(), version);
    assert_eq!(world.notifications().len(), 1);
    // It is well again.
    sleeper.wait_for_line("consuming from", PATIENCE).unwrap();
    world.sync("account-0");
}

#[test]
fn a_worker_that_dies_between_its_notification_and_its_outcome_is_told_of_twice_with_one_id() {
    let world = World::new();
    let first = world.worker(&[("WORKER_NAME", "first")]);
    // No outcome can be written; everything before it can.
    let lock = world.database.hold("LOCK TABLE tradingdb.sync_outcomes IN EXCLUSIVE MODE").unwrap();
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_for_blocked(&world, "first");
    let told = world.notifications();
    assert_eq!(told.len(), 1);
    first.kill().unwrap();
    // PostgreSQL does not notice that its client is gone while it waits for the lock.
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'first' AND datname = current_database()",
    );
    drop(lock);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes"), 0);

    let _second = world.worker(&[("WORKER_NAME", "second")]);
    world.wait_for_outcomes(1);
    wait_until("the second telling", PATIENCE, || {
        world.vhost.queue_depth("seen").is_ok_and(|(ready, _)| ready == 1)
    });
    let again = world.notifications();
    assert_eq!(told[0].properties["message_id"], again[0].properties["message_id"]);
    assert!(told[0].headers["sequence"].as_i64() < again[0].headers["sequence"].as_i64());
}

#[test]
fn the_jobs_of_a_hanging_worker_are_done_by_another() {
    let world = World::new();
    let _kite = slow_accounts(&world, 4, Duration::from_secs(3));
    let url = format!("{}?heartbeat=2", world.vhost.url());
    let hanging = world.worker(&[("RABBITMQ_URL", &url), ("WORKER_CONCURRENCY", "4")]);
    super::tick(&world);
    wait_for_running(&world, 4);
    hanging.stop().unwrap();
    let _other = world.worker(&[("WORKER_NAME", "other")]);
    world.wait_for_count(
        "SELECT count(*) FROM tradingdb.sync_outcomes WHERE worker = 'other' AND status = 'success'",
        4,
    );
}

#[test]
fn a_job_that_runs_too_long_is_cut_short_and_retried_and_those_beside_it_go_on() {
    let world = World::new().with("JOB_TIME_LIMIT_SECONDS", "6");
    let kite = slow_accounts(&world, 3, Duration::ZERO);
    kite.next("/orders", vec![Answer::silence()]);
    let worker = world.worker(&[("WORKER_CONCURRENCY", "3")]);
    tick(&world);
    world.wait_for_outcomes(2);
    let line = worker.wait_for_line("attempt failed, retry 1", PATIENCE).unwrap();
    assert!(line.contains("time limit"), "{line}");
    world.wait_for_outcomes(3);
    let retries =
        "SELECT string_agg(status || ' ' || retries, ', ' ORDER BY retries) FROM tradingdb.sync_outcomes";
    assert_eq!(world.sql(retries), "success 0, success 0, success 1");
}
