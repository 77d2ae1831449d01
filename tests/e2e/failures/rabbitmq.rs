//! RabbitMQ dies, refuses, or takes something away.

use std::time::Duration;

use e2e::{World, free_address, get};
use serde_json::json;
use testbed::{Answer, RabbitMq, wait_until};

use super::{PATIENCE, assert_done_and_uncharged, slow_accounts, tick, wait_for_running};

#[test]
fn when_rabbitmq_is_killed_and_comes_back_every_job_is_done_and_nothing_is_charged() {
    let world = World::on_rabbitmq(RabbitMq::start().unwrap());
    let _kite = slow_accounts(&world, 12, Duration::from_secs(2));
    let workers = [("one", "4"), ("two", "4")]
        .map(|(name, slots)| world.worker(&[("WORKER_NAME", name), ("WORKER_CONCURRENCY", slots)]));
    tick(&world);
    wait_for_running(&world, 8);
    let rabbitmq = world.rabbitmq.as_ref().unwrap();
    rabbitmq.kill().unwrap();
    for worker in &workers {
        worker.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    }
    rabbitmq.restart().unwrap();
    assert_done_and_uncharged(&world, 12);
}

#[test]
fn a_job_that_outlasts_the_consumer_timeout_runs_again_uncharged() {
    let settings = "{consumer_timeout, 2000}, {channel_tick_interval, 500}";
    let world = World::on_rabbitmq(RabbitMq::start_with(settings).unwrap());
    let kite = slow_accounts(&world, 1, Duration::ZERO);
    kite.next("/orders", vec![Answer::silence(), Answer::silence()]);
    let worker = world.worker(&[]);
    tick(&world);
    let line = worker.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    assert!(line.contains("PRECONDITION"), "{line}");
    kite.next("/orders", Vec::new());
    assert_done_and_uncharged(&world, 1);
}

#[test]
fn while_rabbitmq_takes_no_messages_jobs_wait_and_are_told_afterwards() {
    let world = World::on_rabbitmq(RabbitMq::start().unwrap());
    let _kite = slow_accounts(&world, 3, Duration::from_secs(2));
    let address = free_address();
    let worker = world.worker(&[("METRICS_ADDR", &address)]);
    // None tells anything before the alarm.
    let lock = world.hold_runs();
    tick(&world);
    wait_for_running(&world, 3);
    let rabbitmq = world.rabbitmq.as_ref().unwrap();
    rabbitmq.set_memory_alarm(true).unwrap();
    drop(lock);
    wait_until("readiness that says why", PATIENCE, || {
        let ready = get(&address, "/health/ready");
        ready.starts_with("HTTP/1.1 503") && ready.contains("blocked")
    });
    // All but the telling is done: what RabbitMQ takes or not does not concern PostgreSQL and Redis.
    world.wait_for_count("SELECT count(*) FROM tradingdb.positions WHERE net_quantity = 75", 3);
    worker.wait_for_line("blocks publishers", PATIENCE).unwrap();
    // Longer than any confirm may take.
    let renewed = "SELECT count(*) FROM tradingdb.account_sync_state
                   WHERE lease_expires_at > lease_started_at + interval '65 seconds'";
    world.wait_for_count(renewed, 3);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes"), 0);
    rabbitmq.set_memory_alarm(false).unwrap();
    assert_done_and_uncharged(&world, 3);
    wait_until("ready", PATIENCE, || get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
    assert_eq!(world.notifications().len(), 3);
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE fence <> 1"),
        0,
        "each ran once"
    );
}

#[test]
fn a_queue_that_is_deleted_under_its_consumers_is_there_again() {
    let world = World::new();
    world.import(&crate::workers::accounts(3)).expect(0);
    let worker = world.worker(&[]);
    world.vhost.delete_queue("periodic").unwrap();
    worker.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    wait_until("the queue", PATIENCE, || world.vhost.queue_depth("periodic").is_ok());
    tick(&world);
    assert_done_and_uncharged(&world, 3);
}

#[test]
fn what_cannot_heal_ends_with_69_rather_than_sit_still() {
    let world = World::on_rabbitmq(RabbitMq::start().unwrap()).with("GIVE_UP_SECONDS", "4");
    let beat = world.beat(&[]);
    let worker = world.worker(&[]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    world.rabbitmq.as_ref().unwrap().kill().unwrap();
    for program in [&worker, &beat] {
        let ended = program.wait(PATIENCE).unwrap();
        assert_eq!(ended.code(), Some(69), "{}", program.output());
        assert!(program.output().contains("for 4s"), "{}", program.output());
    }
}

#[test]
fn a_copy_that_is_refused_is_offered_again_and_its_job_is_kept_until_it_is_taken() {
    let world = World::new();
    let worker = world.worker(&[]);
    // A full queue of dead letters.
    let policy = format!("/api/policies/{}/full", world.vhost.name());
    let full = json!({
        "pattern": "^periodic\\.dead$", "apply-to": "queues",
        "definition": { "max-length": 1, "overflow": "reject-publish" },
    });
    world.vhost.api("PUT", &policy, Some(&full)).unwrap();
    wait_until("a full queue", PATIENCE, || {
        world.vhost.publish("", "periodic.dead", &json!({}), b"an old letter").is_err()
    });
    world.vhost.publish("", "periodic", &json!({ "message_id": "rubbish" }), b"rubbish").unwrap();
    worker.wait_for_line("not taken, offered again each second", PATIENCE).unwrap();
    wait_until("the job kept", PATIENCE, || world.vhost.queue_depth("periodic").unwrap() == (0, 1));
    // RabbitMQ tells a channel that it is refused, but not that a limit was lifted.
    world.vhost.api("DELETE", &policy, None).unwrap();
    wait_until("the job gone", PATIENCE, || world.vhost.queue_depth("periodic").unwrap() == (0, 0));
    let letters = world.vhost.get("periodic.dead", 100).unwrap();
    let is_its =
        |letter: &&testbed::Message| letter.headers["syncfleet-reason"] == "unsupported_content_type";
    assert_eq!(letters.iter().filter(is_its).count(), 1, "{letters:?}");
}

#[test]
fn a_worker_that_is_given_nothing_while_messages_wait_says_so_and_builds_its_connection_anew() {
    let world = World::new().with("WORKER_CONCURRENCY", "1");
    // Somebody declared it so: RabbitMQ gives all its messages to the consumer that came first.
    let arguments = json!({ "x-queue-type": "quorum", "x-single-active-consumer": true });
    world.vhost.declare_queue("periodic", &arguments).unwrap();
    let kite = slow_accounts(&world, 25, Duration::from_secs(2));
    let first = world.worker(&[]);
    let address = free_address();
    let second = world.worker(&[("METRICS_ADDR", &address)]);
    tick(&world);
    second.wait_for_line("slots are free and nothing comes", PATIENCE).unwrap();
    wait_until("readiness that says why", PATIENCE, || {
        let ready = get(&address, "/health/ready");
        ready.starts_with("HTTP/1.1 503") && ready.contains("nothing comes")
    });
    // It goes on trying, and is there when its turn comes.
    kite.delay(Duration::ZERO);
    first.kill().unwrap();
    world.wait_for_outcomes(25);
    wait_until("ready", PATIENCE, || get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
}
