//! Shapes that are known to kill Celery workers, or to be lost by them.

use std::time::Duration;

use e2e::{Python, World};
use serde_json::{Value, json};
use testbed::wait_until;

use super::{PATIENCE, until_answered, world};

const NAME: &str = "rust@host";
const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
const BODY: &str = r#"[["default", "account-0"], {}, {}]"#;

struct Shape {
    id: &'static str,
    /// The status of its result; `None`: nobody could be told.
    told: Option<&'static str>,
    properties: Value,
    body: String,
}

fn shape(id: &'static str, told: &'static str, headers: Value, body: &str) -> Shape {
    let mut all = json!({"task": TASK, "id": id});
    all.as_object_mut().unwrap().extend(headers.as_object().unwrap().clone());
    let properties = json!({"content_type": "application/json", "content_encoding": "utf-8", "headers": all});
    Shape { id, told: Some(told), properties, body: body.to_owned() }
}

fn of_content_type(id: &'static str, content_type: Option<&str>) -> Shape {
    let mut shape = shape(id, "FAILURE", json!({}), BODY);
    match content_type {
        Some(content_type) => shape.properties["content_type"] = json!(content_type),
        None => {
            let properties = shape.properties.as_object_mut().unwrap();
            properties.remove("content_type");
            properties.remove("content_encoding");
        }
    }
    shape
}

fn of_protocol_1(id: &'static str, told: &'static str, body: Value) -> Shape {
    let mut shape = shape(id, told, json!({}), &body.to_string());
    shape.properties["headers"] = json!({});
    shape
}

/// Every row of what was tried on Celery workers by hand-made messages.
fn shapes() -> Vec<Shape> {
    let headers = |id, told, headers| shape(id, told, headers, BODY);
    let body = |id, told, body| shape(id, told, json!({}), body);
    let mut shapes = vec![
        headers("minimal", "SUCCESS", json!({})),
        body("embed null", "SUCCESS", r#"[["default", "account-0"], {}, null]"#),
        headers("eta with Z", "SUCCESS", json!({"eta": "2026-11-22T13:14:58Z"})),
        headers("eta in ms", "SUCCESS", json!({"eta": "2026-11-22T13:14:58.822+00:00"})),
        headers("retries as text", "SUCCESS", json!({"retries": "1"})),
        headers("time limits as text", "SUCCESS", json!({"timelimit": ["50", "30"]})),
        headers("stamps", "SUCCESS", json!({"stamped_headers": ["x"], "stamps": {"x": ["a"]}})),
        headers("expired", "REVOKED", json!({"expires": "2026-11-22T13:14:58+00:00"})),
        // The three that kill a Python worker, and the next one too.
        body("two elements", "FAILURE", r#"[["default", "account-0"], {}]"#),
        of_content_type("no content type", None),
        headers("eta garbage", "FAILURE", json!({"eta": "nope"})),
        headers("eta integer", "FAILURE", json!({"eta": 1_795_354_067})),
        headers("expires garbage", "FAILURE", json!({"expires": "zzz"})),
        of_content_type("pickle", Some("application/x-python-serialize")),
        of_content_type("yaml", Some("application/x-yaml")),
        of_content_type("text/json", Some("text/json")),
        of_content_type("charset", Some("application/json; charset=utf-8")),
        body("no json", "FAILURE", "{'a': 1}"),
        headers("plain but compressed", "FAILURE", json!({"compression": "application/x-gzip"})),
        headers("unknown compression", "FAILURE", json!({"compression": "br0"})),
        headers("unregistered", "FAILURE", json!({"task": "no.such.task"})),
        body("kwargs no mapping", "FAILURE", r#"[["default", "account-0"], 7, {}]"#),
        body("wrong count", "FAILURE", r#"[["default"], {}, {}]"#),
        body("large integer", "FAILURE", r#"[["default", 18446744073709551616], {}, {}]"#),
        body("NaN", "FAILURE", r#"[["default", NaN], {}, {}]"#),
        of_protocol_1(
            "v1",
            "SUCCESS",
            json!({"task": TASK, "id": "v1", "args": ["default", "account-0"], "kwargs": {}}),
        ),
        of_protocol_1("v1 minimal", "FAILURE", json!({"task": TASK, "id": "v1 minimal"})),
    ];
    let mut nameless = body("no id", "FAILURE", BODY);
    nameless.properties["headers"] = json!({"task": TASK});
    let garbage = of_protocol_1("garbage", "FAILURE", json!([1, 2]));
    shapes.extend([nameless, garbage].map(|shape| Shape { told: None, ..shape }));
    shapes
}

/// Events that kill a Celery worker which listens to its peers, end Flower's thread, or are only logged.
fn hostile_events() -> Vec<(&'static str, Value, &'static [u8])> {
    let properties = |headers: Value| json!({"content_type": "application/json", "content_encoding": "utf-8", "headers": headers});
    let named = || properties(json!({"hostname": "evil@host"}));
    vec![
        ("worker.heartbeat", named(), br#"{"hostname": "evil@host", "timestamp": 1795353354.37}"#),
        ("worker.online", properties(json!({})), br#"{"type": "worker-online", "timestamp": 1795353354.37}"#),
        (
            "worker.heartbeat",
            named(),
            br#"{"type": "worker-heartbeat", "hostname": "evil@host", "timestamp": 1, "clock": null}"#,
        ),
        (
            "worker.heartbeat",
            named(),
            br#"{"type": "worker-heartbeat", "hostname": "evil@host", "timestamp": 1, "clock": "x"}"#,
        ),
        ("worker.heartbeat", named(), b"[]"),
        ("task.multi", named(), b"{'no': json"),
        ("task.succeeded", json!({"headers": {}}), b"\xff\xfe"),
        ("task.received", json!({"content_type": "application/x-msgpack", "headers": {}}), b"\x80"),
    ]
}

fn result(world: &World, id: &str) -> Option<String> {
    let text = world.redis.command(&format!("GET \"celery-task-meta-{id}\"")).unwrap();
    let meta: Option<Value> = serde_json::from_str(&text).ok();
    meta.map(|meta| meta["status"].as_str().unwrap().to_owned())
}

#[test]
fn hand_made_messages_and_events_that_kill_celery_workers_leave_both_fleets_alive() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let world = world.with("WORKER_NAME", NAME).with("RETRY_MAX", "1");
    let worker = world.worker(&[]);
    until_answered(&world, NAME);
    let theirs = python.worker(&world, "py@host", "theirs");
    for (routing_key, properties, body) in hostile_events() {
        world.vhost.publish("celeryev", routing_key, &properties, body).unwrap();
    }
    let shapes = shapes();
    for shape in &shapes {
        assert!(world.vhost.publish("", "periodic", &shape.properties, shape.body.as_bytes()).unwrap());
    }
    for shape in &shapes {
        let Some(told) = shape.told else { continue };
        let found = || result(&world, shape.id);
        wait_until(&format!("{} is {told}, not {:?}", shape.id, found()), PATIENCE, || {
            found().as_deref() == Some(told)
        });
    }
    let refused = shapes.iter().filter(|shape| shape.told.is_none_or(|told| told == "FAILURE")).count();
    assert_eq!(world.dead_letters(refused).len(), refused);

    let alive = python.celery(&world, &["inspect", "ping", "--json", "-t", "5"]).expect(0).json();
    let alive: Vec<&str> = alive.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(alive, ["py@host", NAME]);
    assert_eq!(python.produce(&world, &["by_position"])["status"], "success");
    for (process, name) in [(&worker, "rust"), (&theirs, "python")] {
        assert!(process.try_wait().unwrap().is_none(), "{name}: {}", process.output());
    }
}

#[test]
fn python_workers_that_listen_to_their_peers_outlive_every_event_of_a_rust_worker() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let world = world.with("WORKER_NAME", NAME).with("RETRY_MAX", "0");
    let words = ["worker", "-n", "py@host", "-Q", "theirs", "-c", "1", "-l", "DEBUG"];
    let theirs = python.start(&world, &words, " ready.");
    let worker = world.worker(&[]);
    theirs.wait_for_line(&format!("{NAME} joined the party"), PATIENCE).unwrap();
    python.celery(&world, &["control", "enable_events"]).expect(0);
    for scenario in ["by_position", "expired", "with_wrong_arguments"] {
        python.produce(&world, &[scenario]);
    }
    worker.terminate().unwrap();
    theirs.wait_for_line(&format!("{NAME} left"), PATIENCE).unwrap();
    let log = theirs.output();
    assert!(theirs.try_wait().unwrap().is_none(), "{log}");
    assert!(!log.contains("Unrecoverable") && !log.contains("Traceback"), "{log}");
}
