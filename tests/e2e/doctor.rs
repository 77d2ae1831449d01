//! `syncfleet doctor`, on servers that are well and on servers that are not.

mod hanging;

use std::time::{Duration, Instant};

use e2e::World;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A world whose management API is known as well.
fn managed() -> World {
    let world = World::new();
    let url = world.vhost.management_url().to_owned();
    world.with("RABBITMQ_MANAGEMENT_URL", &url)
}

/// The findings, and the exit code.
fn doctor(world: &World) -> (Vec<Value>, Option<i32>) {
    let begun = Instant::now();
    let answer = world.syncfleet(&["doctor", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let findings = answer.json().as_array().expect("findings").clone();
    for finding in &findings {
        let (status, mend) = (&finding["status"], &finding["mend"]);
        assert!(["ok", "warning", "serious"].contains(&status.as_str().expect("a status")), "{finding}");
        assert_eq!(mend.is_null(), status == "ok", "a mend for each thing to mend: {finding}");
    }
    (findings, answer.code)
}

#[track_caller]
fn status<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {findings:#?}"))
}

fn serious(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["status"] == "serious").collect()
}

fn tick(world: &World) {
    let beat = world.beat(&[("SYNC_INTERVAL_SECONDS", "3600")]);
    beat.wait_for_line("jobs published", PATIENCE).expect("a tick");
    beat.terminate().expect("an end");
    beat.wait(PATIENCE).expect("an end");
}

#[test]
fn a_fleet_that_is_well_has_nothing_serious_and_its_canaries_come_back() {
    let world = managed();
    tick(&world);
    let (findings, code) = doctor(&world);
    assert_eq!((code, serious(&findings).len()), (Some(0), 0), "{findings:#?}");
    for check in [
        "migrations",
        "topology",
        "rabbitmq_permissions",
        "canary",
        "confirms",
        "delivery_limit",
        "ticks",
        "redis_mode",
        "clock_postgresql",
        "clock_redis",
    ] {
        assert_eq!(status(&findings, check)["status"], "ok", "{check}: {findings:#?}");
    }
    assert!(
        status(&findings, "canary")["finding"].as_str().unwrap().starts_with("10 messages"),
        "{findings:#?}"
    );
    assert!(
        status(&findings, "rabbitmq")["finding"].as_str().unwrap().starts_with("RabbitMQ 3."),
        "{findings:#?}"
    );
    assert_eq!(status(&findings, "workers")["status"], "warning", "none was started");
    // Nothing of it is left behind.
    assert!(world.vhost.queues().unwrap().iter().all(|queue| !queue.starts_with("amq.gen")));
    let words = world.syncfleet(&["doctor"]).expect(0).out;
    assert!(words.contains("ok       migrations") && words.contains("0 serious"), "{words}");
}

#[test]
fn a_database_without_migrations_and_a_rabbitmq_without_queues_are_serious() {
    let world = World::empty();
    let (findings, code) = doctor(&world);
    assert_eq!(code, Some(1));
    assert!(status(&findings, "migrations")["mend"].as_str().unwrap().contains("syncfleet migrate"));
    let missing = status(&findings, "missing_queues");
    assert!(
        missing["status"] == "serious"
            && missing["finding"].as_str().unwrap().contains("syncfleet.delay.512s"),
        "{missing}"
    );
    assert!(!world.vhost.queues().unwrap().contains(&"periodic".to_owned()), "a look creates nothing");
}

#[test]
fn what_is_not_as_declared_is_found_with_what_it_should_be() {
    let world = managed();
    world.syncfleet(&["queue", "status"]).expect(0);
    // A classic queue that Celery left, a step that holds messages for another time, an exchange that a restart takes away.
    world.vhost.delete_queue("adhoc").unwrap();
    world.vhost.declare_queue("adhoc", &json!({})).unwrap();
    world.vhost.delete_queue("syncfleet.delay.4s").unwrap();
    world
        .vhost
        .declare_queue(
            "syncfleet.delay.4s",
            &json!({"x-queue-type": "quorum", "x-message-ttl": 5000, "x-dead-letter-exchange": "",
                        "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}),
        )
        .unwrap();
    let name = world.vhost.name().to_owned();
    world.vhost.api("DELETE", &format!("/api/exchanges/{name}/sync_notifications"), None).unwrap();
    let brittle = json!({"type": "topic", "durable": false});
    world.vhost.api("PUT", &format!("/api/exchanges/{name}/sync_notifications"), Some(&brittle)).unwrap();
    let (findings, code) = doctor(&world);
    assert_eq!(code, Some(1));
    assert_eq!(status(&findings, "queue_adhoc")["status"], "warning");
    let step = status(&findings, "queue_syncfleet.delay.4s");
    assert!(
        step["status"] == "serious" && step["finding"].as_str().unwrap().contains("x-message-ttl"),
        "{step}"
    );
    assert_eq!(status(&findings, "exchange_sync_notifications")["status"], "serious");
    // Both new queues lost their bindings with the old ones.
    assert_eq!(status(&findings, "binding_adhoc")["status"], "serious");
    assert_eq!(status(&findings, "canary_syncfleet.delay.4s")["status"], "serious", "{findings:#?}");
}

#[test]
fn a_policy_that_drops_jobs_and_messages_that_go_nowhere_are_warnings() {
    let world = managed();
    tick(&world);
    let name = world.vhost.name().to_owned();
    let policy = json!({"pattern": "^periodic$", "definition": {"delivery-limit": 5}, "apply-to": "queues"});
    world.vhost.api("PUT", &format!("/api/policies/{name}/limits"), Some(&policy)).unwrap();
    // A message whose work queue is not there when its time has come.
    world.vhost.publish("syncfleet.delay.1s", "nowhere", &json!({"delivery_mode": 2}), b"lost").unwrap();
    testbed::wait_until("the warnings", PATIENCE, || {
        let (findings, code) = doctor(&world);
        let warning = |check: &str| {
            let found = findings.iter().find(|finding| finding["check"] == check)?;
            (found["status"] == "warning").then(|| found["mend"].as_str().unwrap().to_owned())
        };
        assert_eq!(code, Some(0), "{findings:#?}");
        warning("delivery_limit").is_some()
            && warning("delay_steps_routing").is_some_and(|mend| {
                mend.contains("[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].")
            })
    });
}

#[test]
fn a_user_who_may_not_do_what_he_must_is_told_what() {
    let world = World::new();
    world.syncfleet(&["queue", "status"]).expect(0);
    let name = world.vhost.name().to_owned();
    let url = url_parts(&world.variable("RABBITMQ_URL"));
    let rights = json!({"configure": ".*", "write": "^amq\\..*", "read": "^(?!periodic$).*"});
    world.vhost.api("PUT", &format!("/api/permissions/{name}/{}", url.0), Some(&rights)).unwrap();
    let (findings, code) = doctor(&world);
    assert_eq!(code, Some(1));
    let finding = status(&findings, "rabbitmq_permissions")["finding"].as_str().unwrap().to_owned();
    assert!(finding.contains("write: sync_notifications") && finding.contains("read: periodic"), "{finding}");
    assert_eq!(status(&findings, "canary_syncfleet.delay.1s")["status"], "serious");
}

#[test]
fn a_right_to_topics_is_tried_with_a_key_such_as_notifications_have() {
    let world = World::new();
    world.syncfleet(&["queue", "status"]).expect(0);
    let path = {
        let user = url_parts(&world.variable("RABBITMQ_URL")).0;
        format!("/api/topic-permissions/{}/{user}", world.vhost.name())
    };
    for (write, status_wanted) in [(r"^account\..*\.sync_completed$", "ok"), ("^others$", "serious")] {
        let rights = json!({"exchange": "sync_notifications", "write": write, "read": ".*"});
        world.vhost.api("PUT", &path, Some(&rights)).unwrap();
        let (findings, _) = doctor(&world);
        let finding = status(&findings, "rabbitmq_permissions");
        assert_eq!(finding["status"], status_wanted, "{write}: {finding}");
        let is_told = finding["finding"].as_str().unwrap().contains("topics such as account.");
        assert_eq!(is_told, status_wanted == "serious", "{finding}");
    }
}

#[test]
fn tables_of_others_in_the_schema_need_no_rights_and_ours_do() {
    let world = World::new();
    let role = format!("r_{}", world.database.name());
    world.sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA tradingdb TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tradingdb TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA tradingdb TO {role}; GRANT SELECT ON _sqlx_migrations TO {role};
         CREATE TABLE tradingdb.somebody_elses (id serial); CREATE VIEW tradingdb.a_view AS SELECT 1"
    ));
    let url = world.variable("DATABASE_URL").replacen("//syncfleet@", &format!("//{role}@"), 1);
    assert!(url.contains(&role), "{url}");
    let world = world.with("DATABASE_URL", &url);
    let permissions = || status(&doctor(&world).0, "postgresql_permissions").clone();
    let before = permissions();
    // An identity's sequence needs no right, another one does.
    world.sql(&format!(
        "REVOKE DELETE ON tradingdb.orders, tradingdb.ticks FROM {role}; REVOKE SELECT ON tradingdb.executions FROM {role};
         REVOKE USAGE ON SEQUENCE tradingdb.orders_id_seq, tradingdb.opening_lots_id_seq FROM {role}"
    ));
    let after = permissions();
    world.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(before["status"], "ok", "{before}");
    let text = after["finding"].as_str().unwrap();
    assert!(text.ends_with("rights on: executions, orders, orders_id_seq, ticks"), "{after}");
}

/// User and the rest.
fn url_parts(url: &str) -> (String, String) {
    let rest = url.split_once("://").expect("a URL").1;
    let (user, rest) = rest.split_once(':').expect("a user");
    (user.to_owned(), rest.to_owned())
}

#[test]
fn servers_that_are_away_are_serious_each_for_itself() {
    let world = World::new()
        .with("DATABASE_URL", "postgres://syncfleet@127.0.0.1:1/syncfleet")
        .with("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:1/%2f")
        .with("REDIS_URL", "redis://127.0.0.1:1/0");
    let (findings, code) = doctor(&world);
    assert_eq!(code, Some(1));
    for check in ["postgresql", "rabbitmq", "redis"] {
        assert_eq!(status(&findings, check)["status"], "serious", "{findings:#?}");
    }
}

#[test]
fn a_cluster_that_is_wanted_and_away_is_serious_and_hanging_servers_are_not_waited_for() {
    let world = World::new().with("ENVIRONMENT", "production").with("REDIS_CLUSTER_HOSTS", "127.0.0.1:1");
    let (findings, code) = doctor(&world);
    assert_eq!((code, &status(&findings, "redis_mode")["status"]), (Some(1), &json!("serious")));
    world.redis.freeze().unwrap();
    let (findings, _) = doctor(&world);
    assert!(serious(&findings).iter().any(|finding| finding["check"] == "redis"), "{findings:#?}");
    world.redis.thaw().unwrap();
}

#[test]
fn a_beat_that_publishes_nothing_any_more_is_a_warning_and_triggers_that_are_off_are_serious() {
    let world = World::new();
    assert_eq!(status(&doctor(&world).0, "ticks")["status"], "warning");
    world.sql("ALTER TABLE tradingdb.orders DISABLE TRIGGER note_inserted");
    let (findings, code) = doctor(&world);
    assert_eq!((code, &status(&findings, "order_changes")["status"]), (Some(1), &json!("serious")));
    assert!(
        status(&findings, "order_changes")["finding"].as_str().unwrap().contains("note_inserted on orders")
    );
}

#[test]
fn a_step_in_use_is_judged_by_its_arguments() {
    let world = World::new();
    tick(&world);
    world
        .vhost
        .publish("syncfleet.delay.512s", "periodic", &json!({"delivery_mode": 2}), b"a job that waits")
        .unwrap();
    testbed::wait_until("a step in use", PATIENCE, || {
        let (findings, code) = doctor(&world);
        assert_eq!(code, Some(0), "{findings:#?}");
        findings.iter().any(|finding| {
            finding["check"] == "delay_steps_in_use"
                && finding["finding"].as_str().is_some_and(|text| text.contains("512s"))
        })
    });
}
