use std::process::Command;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::{Process, wait_until};

use super::PATIENCE;

/// Every line as the object that it is.
#[track_caller]
fn objects(output: &str) -> Vec<Value> {
    let objects = output.lines().map(|line| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message", "target"] {
            assert!(object[field].is_string(), "no {field}: {line}");
        }
        object
    });
    objects.collect()
}

/// The first line whose message has these words.
#[track_caller]
fn line<'a>(lines: &'a [Value], words: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(words)));
    found.unwrap_or_else(|| panic!("no line with {words:?} in {lines:#?}"))
}

fn said(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("a command that starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_line_is_one_object_that_says_whose_job_it_is_of_and_no_secret() {
    let world = World::new().with("LOG_FORMAT", "json").with("RETRY_MAX", "1");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    world.add_kite("Raghu", "http://127.0.0.1:1");
    let worker = world.worker(&[("RUST_LOG", "debug,hyper_util=info")]);
    let beat = world.beat(&[]);
    world.wait_for_outcomes(1);
    world.sql("ALTER TABLE tradingdb.orders RENAME TO orders_away; ALTER VIEW tradingdb.executions RENAME TO executions_away");
    world.syncfleet(&["sync", "Raghu", "--force", "--wait", "60"]).expect(1);
    for process in [&worker, &beat] {
        process.terminate().unwrap();
        process.wait(PATIENCE).unwrap();
    }
    assert!(line(&objects(&beat.output()), "jobs published")["tick"].is_string());
    let lines = objects(&worker.output());
    // What ran, what failed, and what came of it belong to a job.
    for (words, queue) in [
        ("synced: ", "periodic"),
        ("attempt failed, retry 1 of 1", "adhoc"),
        ("dead: retries_exhausted", "adhoc"),
    ] {
        let span = &line(&lines, words)["span"];
        assert_eq!((&span["name"], &span["queue"]), (&json!("job"), &json!(queue)), "{words}");
        assert_eq!(span["account"], "default/Raghu", "{words}");
        assert!(span["id"].as_str().is_some_and(|id| id.len() == 36), "{words}: {span}");
    }
    for output in [worker.output(), beat.output()] {
        assert!(!output.contains("top-secret-token") && !output.contains(":testbed@"), "{output}");
    }
}

#[test]
fn a_bad_setting_a_missing_server_and_a_panic_are_objects_too() {
    let world = World::new().with("LOG_FORMAT", "json");
    let mut command = world.command("syncfleet-worker", &[]);
    command.env("SYNC_INTERVAL_SECONDS", "soon");
    let (code, text) = said(command);
    assert_eq!(code, Some(78));
    assert!(line(&objects(&text), "SYNC_INTERVAL_SECONDS")["level"] == "ERROR");

    let mut command = world.command("syncfleet-beat", &[]);
    command.env("DATABASE_URL", "postgres://127.0.0.1:9/x").env("GIVE_UP_SECONDS", "1");
    let (code, text) = said(command);
    assert_eq!(code, Some(69));
    line(&objects(&text), "PostgreSQL");

    // Its own words are for people, what it logs is not.
    let mut command = world.command("syncfleet", &["account", "list"]);
    command.env("RUST_LOG", "debug");
    let (code, text) = said(command);
    assert_eq!(code, Some(0));
    objects(&text);

    let worker = Process::spawn(world.command("panicking_worker", &[])).unwrap();
    let headers = json!({"task": "any", "id": "panics"});
    let properties = json!({"content_type": "application/json", "content_encoding": "utf-8",
                            "delivery_mode": 2, "correlation_id": "panics", "headers": headers});
    wait_until("a queue", PATIENCE, || {
        let published = world.vhost.publish("", "periodic", &properties, br#"[["now"], {}, {}]"#);
        published.is_ok_and(|is_routed| is_routed)
    });
    world.dead_letters(1);
    let lines = objects(&worker.output());
    let panic = line(&lines, "panicked: told to panic");
    assert!(panic["place"].as_str().is_some_and(|place| place.contains("panicking_worker.rs")), "{panic}");
    assert_eq!(panic["span"]["id"], "panics");
}
