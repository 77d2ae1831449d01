//! What a stranger may send to the exchange of remote control.

use std::time::Duration;

use e2e::{RawMessage, RawPublisher, RawTable, World, fill, free_address, get, jsonl};
use serde_json::{Value, json};
use testbed::wait_until;

use super::generator::Generator;
use super::{MEMORY_MAX, PATIENCE, memory, sums};

const HOSTILE: usize = 3000;
const EXCHANGE: &str = "celery.pidbox";

#[test]
fn hostile_requests_of_remote_control_are_refused_with_a_reason_while_the_worker_serves_and_answers_on() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let address = free_address();
    let worker = world.worker(&[("METRICS_ADDR", &address), ("WORKER_NAME", "one@host")]);
    wait_until("an answer", PATIENCE, || world.syncfleet(&["worker", "ping", "one@host"]).code == Some(0));
    let requests = |outcome: &str| {
        let told = get(&address, "/metrics");
        sums(&told, "syncfleet_control_requests_total", "outcome").get(outcome).copied().unwrap_or(0)
    };
    let refused_before = requests("refused");
    let mut generator = Generator::new(4711);
    let mut publisher = RawPublisher::connect(&world.vhost.url());
    let spoilt = spoilt_requests();
    for number in 0..HOSTILE {
        // Half of them are what also comes into the work queues: any bytes, bombs, deep tables.
        let message = match number % 2 {
            0 => generator.message(),
            _ => request(&spoilt[number / 2 % spoilt.len()]),
        };
        publisher.publish_to(EXCHANGE, "", &message);
        if number == HOSTILE / 2 {
            world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
        }
    }
    publisher.wait_for_confirms();
    // A ping comes after all of them.
    wait_until("an answer", PATIENCE, || world.syncfleet(&["worker", "ping", "one@host"]).code == Some(0));
    assert_eq!(requests("refused"), refused_before + HOSTILE);

    let pinged = world.syncfleet(&["worker", "ping", "one@host", "--json"]).expect(0).json();
    assert_eq!(pinged, json!([{"name": "one@host", "answers": true}]));
    let listed = world.syncfleet(&["worker", "list", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    assert!(get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
    let output = worker.output();
    let told = output.matches("a remote-control request is refused: ").count();
    assert!(told >= HOSTILE, "{told} reasons");
    assert!(!output.contains("connection for remote control lost"), "a session ended");
    let memory = memory(&worker);
    assert!(memory < MEMORY_MAX, "{memory} MiB");
    // Nothing was answered into a queue of work.
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
    worker.terminate().unwrap();
    assert_eq!(worker.wait(Duration::from_secs(30)).unwrap().code(), Some(0));
}

/// Requests that are well-formed JSON and must not be done.
fn spoilt_requests() -> Vec<Value> {
    let everybody = json!({"exchange": "reply.celery.pidbox", "routing_key": "x"});
    let large = "x".repeat(100_000);
    vec![
        json!({"method": "nope", "arguments": {}}),
        json!({"method": "__class__"}),
        json!({"method": large}),
        json!({"method": "ping", "ticket": "t", "reply_to": {"exchange": "", "routing_key": "periodic"}}),
        json!({"method": "ping", "ticket": "t", "reply_to": {"exchange": "sync_notifications", "routing_key": "account.x.sync_completed"}}),
        json!({"method": "ping", "ticket": large, "reply_to": everybody}),
        json!({"method": "ping", "destination": {"one@host": true}}),
        json!({"method": "ping", "pattern": "(a+)+$", "matcher": "pcre"}),
        json!({"method": "ping", "pattern": large, "matcher": "glob"}),
        json!({"method": "revoke", "arguments": {"task_id": {"a": 1}}}),
        json!({"method": "revoke", "arguments": {"task_id": large}}),
        json!({"method": "revoke", "arguments": {"task_id": ["a", "line\nend"]}}),
        json!({"method": "terminate", "arguments": {}}),
        json!({"method": "rate_limit", "arguments": {"task_name": "nope", "rate_limit": "1/h"}}),
        json!({"method": "rate_limit", "arguments": {"task_name": ACCOUNT_SYNC, "rate_limit": "1e999/s"}}),
        json!({"method": "rate_limit", "arguments": {"task_name": ACCOUNT_SYNC, "rate_limit": {"a": "b"}}}),
        json!({"method": "time_limit", "arguments": {"task_name": ACCOUNT_SYNC, "hard": -1}}),
        json!({"method": "time_limit", "arguments": {"task_name": ACCOUNT_SYNC, "hard": 1e300}}),
        json!({"method": "pool_grow", "arguments": {"n": 1_000_000_000}}),
        json!({"method": "pool_grow", "arguments": {"n": -1}}),
        json!({"method": "pool_grow", "arguments": {"n": u64::MAX}}),
        json!({"method": "pool_shrink", "arguments": {"n": 1000}}),
        json!({"method": "add_consumer", "arguments": {"queue": "periodic.dead"}}),
        json!({"method": "add_consumer", "arguments": {"queue": "'; DROP TABLE tradingdb.orders; --"}}),
        json!({"method": "cancel_consumer", "arguments": {"queue": 7}}),
        json!({"method": "autoscale", "arguments": {"max": 1000}}),
        json!({"method": "ping", "arguments": [1, 2]}),
        json!([{"method": "shutdown"}]),
        json!("shutdown"),
    ]
}

const ACCOUNT_SYNC: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

fn request(body: &Value) -> RawMessage {
    let mut headers = RawTable::default();
    headers.push(b"clock", b'l', &i64::MAX.to_be_bytes());
    RawMessage::new(body.to_string().into_bytes())
        .short("content_type", b"application/json")
        .short("content_encoding", b"utf-8")
        .headers(&headers)
}
