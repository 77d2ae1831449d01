//! Servers that accept and never answer: what was found all the same is told, and in time.

use std::time::Duration;

use e2e::World;
use serde_json::json;
use testbed::{Proxy, RabbitMq};

use super::{PATIENCE, doctor, managed, status, tick};

#[test]
fn a_management_api_that_hangs_costs_nothing_of_what_amqp_tells() {
    let world = World::new();
    tick(&world);
    let (proxy, url) = Proxy::in_front_of(world.vhost.management_url()).expect("a proxy");
    proxy.drop_packets();
    let world = world.with("RABBITMQ_MANAGEMENT_URL", &url);
    let (findings, code) = doctor(&world);
    assert_eq!(code, Some(0), "{findings:#?}");
    let management = status(&findings, "management");
    assert!(management["finding"].as_str().unwrap().contains("within 4 s"), "{management}");
    for check in ["topology", "rabbitmq_permissions", "canary", "migrations", "redis_mode"] {
        assert_eq!(status(&findings, check)["status"], "ok", "{check}: {findings:#?}");
    }
}

#[test]
fn each_server_that_accepts_and_never_answers_is_told_and_the_others_are_looked_at() {
    for (variable, check, others) in [
        ("RABBITMQ_URL", "rabbitmq", ["migrations", "redis_mode"]),
        ("DATABASE_URL", "postgresql", ["topology", "redis_mode"]),
        ("REDIS_URL", "redis", ["topology", "migrations"]),
    ] {
        let world = managed();
        world.syncfleet(&["queue", "status"]).expect(0);
        let (proxy, url) = Proxy::in_front_of(&world.variable(variable)).expect("a proxy");
        proxy.drop_packets();
        let (findings, code) = doctor(&world.with(variable, &url));
        assert_eq!(
            (code, &status(&findings, check)["status"]),
            (Some(1), &json!("serious")),
            "{findings:#?}"
        );
        for other in others {
            assert_eq!(status(&findings, other)["status"], "ok", "{variable}, {other}: {findings:#?}");
        }
        // Over the management API RabbitMQ still tells what it can.
        assert_eq!(status(&findings, "delivery_limit")["status"], "ok", "{findings:#?}");
    }
}

#[test]
fn a_node_of_a_cluster_that_hangs_is_passed_over() {
    let world = World::new();
    tick(&world);
    let url = world.variable("RABBITMQ_URL");
    let (proxy, hanging) = Proxy::in_front_of(&url).expect("a proxy");
    proxy.drop_packets();
    let (findings, code) = doctor(&world.with("RABBITMQ_URL", &format!("{hanging},{hanging},{url}")));
    assert_eq!((code, &status(&findings, "canary")["status"]), (Some(0), &json!("ok")), "{findings:#?}");
}

#[test]
fn what_was_found_before_rabbitmq_hung_is_kept_and_canaries_on_their_way_keep_their_queue() {
    let world = World::new();
    tick(&world);
    let (proxy, url) = Proxy::in_front_of(&world.variable("RABBITMQ_URL")).expect("a proxy");
    // So slow that there is time to see the private queue before its canaries are there.
    proxy.slow_down(Duration::from_millis(100));
    let world = world.with("RABBITMQ_URL", &url);
    let private = || {
        let queues = world.vhost.queues().unwrap();
        queues.into_iter().find(|queue| queue.starts_with("amq.gen"))
    };
    let (findings, code) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| doctor(&world));
        testbed::wait_until("the private queue", PATIENCE, || private().is_some());
        proxy.drop_packets();
        looking.join().expect("findings")
    });
    assert_eq!(code, Some(1));
    for check in ["topology", "rabbitmq_permissions"] {
        assert_eq!(status(&findings, check)["status"], "ok", "{check}: {findings:#?}");
    }
    assert!(
        findings.iter().any(|finding| {
            let check = finding["check"].as_str().unwrap();
            check.starts_with("canary_") || (check == "rabbitmq_answers" && finding["status"] == "serious")
        }),
        "{findings:#?}"
    );
    let queue = private().expect("the queue of canaries that may still come");
    let found = world.vhost.api("GET", &format!("/api/queues/{}/{queue}", world.vhost.name()), None).unwrap();
    assert_eq!((&found["durable"], &found["type"]), (&json!(true), &json!("classic")), "{found}");
    assert!(found["arguments"]["x-expires"].as_u64().is_some(), "{found}");
}

#[test]
fn a_rabbitmq_that_takes_no_messages_is_told_with_what_could_be_seen_all_the_same() {
    let world = World::on_rabbitmq(RabbitMq::start().expect("a RabbitMQ"));
    tick(&world);
    let rabbitmq = world.rabbitmq.as_ref().expect("a RabbitMQ");
    rabbitmq.set_memory_alarm(true).expect("an alarm");
    let (findings, code) = doctor(&world);
    rabbitmq.set_memory_alarm(false).expect("no alarm");
    assert_eq!(code, Some(1));
    assert_eq!(status(&findings, "topology")["status"], "ok", "{findings:#?}");
    for check in ["rabbitmq_alarm", "rabbitmq_answers"] {
        assert_eq!(status(&findings, check)["status"], "serious", "{findings:#?}");
    }
    assert_eq!(doctor(&world).1, Some(0), "once it is over");
}
