//! The examples in `deploy/consumers`, on a real fleet: both do the same, so they are shown the same.

use std::process::Command;
use std::time::Duration;

use e2e::{Python, World, fill, jsonl};
use serde_json::{Value, json};
use testbed::{FakeKite, Message, Process, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/consumers/python/consumer.py");
const EXCHANGE: &str = "sync_notifications";

/// One of the two programs.
enum Program {
    Python(Python),
    Rust,
}

impl Program {
    /// Starts it, and waits until it is bound: from now on no message passes it.
    #[track_caller]
    fn start(&self, world: &World, memory: &str, queue: &str, key: &str) -> Process {
        let arguments = [memory, queue, key];
        let command: Command = match self {
            Self::Python(python) => python.command(world, "python", &[&[PYTHON][..], &arguments].concat()),
            Self::Rust => {
                let mut command = world.command("syncfleet-consumer", &arguments);
                command.current_dir(world.folder());
                command
            }
        };
        let process = Process::spawn(command).expect("a consumer");
        process.wait_for_line(&format!("consuming {queue}"), PATIENCE).expect("a bound consumer");
        process
    }
}

/// The lines of messages that were taken.
fn taken(consumer: &Process) -> Vec<String> {
    consumer.output().lines().filter(|line| line.starts_with("default/")).map(str::to_owned).collect()
}

/// Waits for the line of a message, and says that there is one.
#[track_caller]
fn took(consumer: &Process, beginning: &str, id: &str) {
    let line = consumer.wait_for_line(&format!(" {id}"), PATIENCE).expect("a line of the message");
    assert!(line.starts_with(beginning) && line.ends_with(id), "{line}");
    assert_eq!(taken(consumer).iter().filter(|line| line.ends_with(id)).count(), 1, "{}", consumer.output());
}

#[track_caller]
fn dropped(consumer: &Process, reason: &str, id: &str) {
    consumer.wait_for_line(&format!("dropped, {reason}: {id}"), PATIENCE).expect("a dropped message");
}

/// Publishes a message as it was.
#[track_caller]
fn publish(world: &World, message: &Message) {
    let mut properties = message.properties.clone();
    properties["headers"] = message.headers.clone();
    let routed = world.vhost.publish(EXCHANGE, &message.routing_key, &properties, &message.payload);
    assert!(routed.expect("a publication"));
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("JSON")
}

fn id(message: &Message) -> String {
    message.properties["message_id"].as_str().expect("a message_id").to_owned()
}

/// An outcome of the account `Zed`, such as a worker would have told.
#[track_caller]
fn tell(world: &World, original: &Message, id: &str, sequence: u64) {
    let mut body = body(original);
    (body["account"], body["full_results"]["account"]) = (json!("Zed"), json!("Zed"));
    body["full_results"]["sync_id"] = json!(id);
    let mut message = original.clone();
    message.routing_key = "account.Zed.sync_completed".to_owned();
    message.properties["message_id"] = json!(id);
    message.headers["sequence"] = json!(sequence);
    message.payload = body.to_string().into_bytes();
    publish(world, &message);
}

/// A job of `Zed` that was given up without a report, and so without a sequence.
#[track_caller]
fn give_up(world: &World, id: &str) {
    let at = "2025-06-17T10:30:00Z";
    let skipped = json!({"status": "skipped", "reason": "not reached"});
    let body = json!({
        "type": "sync_completed", "account": "Zed", "timestamp": at,
        "summary": {"status": "failed", "external_orders": 0, "redis_status": "skipped", "errors": 1,
            "position_generation": {"regenerated": false, "positions_updated": 0, "holdings_updated": 0}},
        "full_results": {"status": "failed", "timestamp": at, "account": "Zed", "organization_id": "default",
            "sync_id": id, "external_detection": skipped, "redis_sync": skipped, "errors": ["crashed"],
            "position_generation": {"regenerated": false, "reason": "not reached", "last_generation": null}},
    });
    let properties = json!({"content_type": "application/json", "delivery_mode": 2, "message_id": id,
        "type": "sync_completed", "app_id": "syncfleet", "headers": {"organization_id": "default"}});
    let body = body.to_string();
    let routed = world.vhost.publish(EXCHANGE, "account.Zed.sync_completed", &properties, body.as_bytes());
    assert!(routed.expect("a publication"));
}

fn each_outcome_is_printed_once(program: &Program) {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Asha", 2, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    let desk = program.start(&world, "desk.memory", "desk", "account.*.sync_completed");
    let raghu = program.start(&world, "raghu.memory", "raghu", "account.Raghu.*");
    for account in ["Raghu", "Asha", "Raghu"] {
        let results = world.sync(account);
        let id = results["sync_id"].as_str().expect("an id");
        took(&desk, &format!("default/{account} success sequence="), id);
    }
    let told = world.notifications();
    assert_eq!((told.len(), taken(&desk).len()), (3, 3));

    // Twice, and late: the first of Raghu's is both.
    told.iter().for_each(|message| publish(&world, message));
    told.iter().for_each(|message| dropped(&desk, "duplicate", &id(message)));
    tell(&world, &told[0], "new", 9);
    tell(&world, &told[0], "late", 8);
    tell(&world, &told[0], "newer", 10);
    took(&desk, "default/Zed success sequence=9", "new");
    dropped(&desk, "older than what was seen", "late");
    took(&desk, "default/Zed success sequence=10", "newer");

    // A dead letter that is replayed keeps its id.
    give_up(&world, "replayed");
    tell(&world, &told[0], "replayed", 11);
    give_up(&world, "replayed");
    tell(&world, &told[0], "after", 12);
    took(&desk, "default/Zed success sequence=12", "after");
    let of_it: Vec<String> = taken(&desk).into_iter().filter(|line| line.ends_with(" replayed")).collect();
    assert_eq!(
        of_it,
        ["default/Zed failed sequence=None replayed", "default/Zed success sequence=11 replayed"]
    );

    // Cut while it holds messages that it has not acked: they come again.
    desk.stop().expect("a signal");
    (0..3).for_each(|number| tell(&world, &told[0], &format!("cut-{number}"), 13 + number));
    wait_until("three messages on their way", PATIENCE, || {
        world.vhost.queue_depth("desk").is_ok_and(|(ready, unacked)| ready == 0 && unacked >= 3)
    });
    assert!(world.vhost.close_all_connections().expect("closed connections") >= 3);
    desk.cont().expect("a signal");
    desk.wait_for_line("no connection, again in", PATIENCE).expect("a lost connection");
    tell(&world, &told[0], "after-the-cut", 16);
    took(&desk, "default/Zed success sequence=16", "after-the-cut");
    (0..3).for_each(|number| took(&desk, "default/Zed success", &format!("cut-{number}")));

    // Not there for a while; then it knows what it had before.
    desk.terminate().expect("a signal");
    assert_eq!(desk.wait(PATIENCE).expect("its end").code(), Some(0), "{}", desk.output());
    let meanwhile = world.sync("Asha");
    tell(&world, &told[0], "cut-2", 15);
    tell(&world, &told[0], "late", 8);
    tell(&world, &told[0], "too-late", 8);
    let desk = program.start(&world, "desk.memory", "desk", "account.*.sync_completed");
    took(&desk, "default/Asha success", meanwhile["sync_id"].as_str().expect("an id"));
    for (reason, id) in [("duplicate", "cut-2"), ("older than what was seen", "too-late")] {
        dropped(&desk, reason, id);
    }
    assert_eq!(taken(&desk).len(), 1, "{}", desk.output());

    // Killed, and given what it cannot understand; it goes on.
    desk.kill().expect("a signal");
    desk.wait(PATIENCE).expect("its end");
    for rubbish in ["{", "[]", "5", "{\"type\": \"sync_completed\"}", "{\"type\": \"another\"}"] {
        assert!(world.vhost.publish("", "desk", &json!({}), rubbish.as_bytes()).expect("a publication"));
    }
    tell(&world, &told[0], "after-the-kill", 17);
    let desk = program.start(&world, "desk.memory", "desk", "account.*.sync_completed");
    took(&desk, "default/Zed success sequence=17", "after-the-kill");
    assert_eq!(taken(&desk).len(), 1, "{}", desk.output());
    assert_eq!(desk.output().matches("dropped, not understood").count(), 5, "{}", desk.output());
    desk.interrupt().expect("a signal");
    assert_eq!(desk.wait(PATIENCE).expect("its end").code(), Some(0), "{}", desk.output());

    // The other one was told of Raghu alone.
    let of_raghu = taken(&raghu);
    assert!(
        of_raghu.len() == 2 && of_raghu.iter().all(|line| line.starts_with("default/Raghu ")),
        "{of_raghu:?}"
    );
    assert!(!raghu.output().contains("Zed") && !raghu.output().contains("Asha"), "{}", raghu.output());
}

fn each_external_order_is_printed_once(program: &Program) {
    let world = World::new();
    let kite = FakeKite::start().expect("a brokerage");
    let order = testbed::kite::order("e1", "SBIN", chrono::Utc::now() - chrono::Duration::minutes(5));
    let orders = vec![order.on("NSE", "CNC").buy(10).filled(10, 800.5).into()];
    kite.with_book("top-secret-token", |book| book.orders = orders);
    world.add_kite("Raghu", &kite.base_url());
    let _worker = world.worker(&[]);
    let orders = program.start(&world, "orders", "orders", "account.*.external_order_detected");
    let all = program.start(&world, "all", "all", "account.#");
    let completed = world.sync("Raghu");
    let told = world.notifications();
    let order = told.iter().find(|message| message.routing_key.ends_with(".external_order_detected"));
    let order = order.expect("an external order");
    let line = "default/Raghu external order BUY 10 NSE SBIN sequence=";
    took(&orders, line, &id(order));
    took(&all, "default/Raghu success", completed["sync_id"].as_str().expect("an id"));
    took(&all, line, &id(order));

    publish(&world, order);
    dropped(&orders, "duplicate", &id(order));
    dropped(&all, "duplicate", &id(order));
    // An order is no state of which only the newest counts: one that comes late is told all the same.
    world.sync("Raghu");
    let mut late = order.clone();
    late.properties["message_id"] = json!("late");
    publish(&world, &late);
    took(&all, line, "late");
    took(&orders, line, "late");
    assert_eq!((taken(&orders).len(), taken(&all).len()), (2, 4), "{}", all.output());
}

#[test]
fn the_rust_consumer_prints_each_outcome_once_whatever_happens_on_the_way() {
    each_outcome_is_printed_once(&Program::Rust);
}

#[test]
fn the_python_consumer_prints_each_outcome_once_whatever_happens_on_the_way() {
    Python::new().into_iter().for_each(|python| each_outcome_is_printed_once(&Program::Python(python)));
}

#[test]
fn the_rust_consumer_prints_each_external_order_once_however_late() {
    each_external_order_is_printed_once(&Program::Rust);
}

#[test]
fn the_python_consumer_prints_each_external_order_once_however_late() {
    Python::new()
        .into_iter()
        .for_each(|python| each_external_order_is_printed_once(&Program::Python(python)));
}
