//! Python producers, Rust workers, Python callers.

use std::time::Duration;

use e2e::{Python, World};
use serde_json::{Value, json};
use testbed::wait_until;

use super::{PATIENCE, list, world};
use crate::workers::accounts;

#[track_caller]
fn assert_synced(answer: &Value, account: &str) {
    assert_eq!((&answer["status"], &answer["account"]), (&json!("success"), &json!(account)), "{answer}");
}

/// What the Python worker's `team.note` was called with, as Python shows it.
fn noted(world: &World) -> Vec<String> {
    list(world, "noted")
}

#[test]
fn whatever_python_producers_send_is_run_and_answered() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::from_secs(20));
    let _worker = world.worker(&[]);
    for scenario in ["by_position", "by_name", "of_protocol_1"] {
        assert_synced(&python.produce(&world, &[scenario]), "account-0");
    }
    let all = python.produce(&world, &["of_everything"]);
    assert_eq!((&all["status"], &all["accounts_queued"]), (&json!("success"), &json!(3)), "{all}");
    let compressed = python.produce(&world, &["compressed"]);
    assert_synced(&compressed["zlib"], "account-0");
    assert_synced(&compressed["bzip2"], "account-0");

    let counted_down = python.produce(&world, &["counted_down"]);
    assert_synced(&counted_down["answer"], "account-0");
    let seconds = counted_down["seconds"].as_f64().unwrap();
    assert!((3.5..10.0).contains(&seconds), "{seconds}");

    let expired = python.produce(&world, &["expired"]);
    assert_eq!(
        (&expired["raised"], &expired["text"]),
        (&json!("TaskRevokedError"), &json!("expired")),
        "{expired}"
    );
    let wrong = python.produce(&world, &["with_wrong_arguments"]);
    assert_eq!(wrong["raised"], "TypeError");
    assert!(wrong["text"].as_str().unwrap().contains("pseudo_account"), "{wrong}");
    assert_eq!(python.produce(&world, &["with_an_unknown_task"])["raised"], "NotRegistered");
}

#[test]
fn time_limits_states_and_terminations_are_seen_from_python() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::from_secs(8));
    let world =
        world.with("RESULT_TRACK_STARTED", "true").with("RETRY_MAX", "1").with("WORKER_NAME", "rust@host");
    let _worker = world.worker(&[]);
    let limited = python.produce(&world, &["with_a_time_limit"]);
    assert_eq!(limited["raised"], "SyncFailed");
    assert!(limited["text"].as_str().unwrap().contains("time limit of 2 s"), "{limited}");
    let started = python.produce(&world, &["started"]);
    assert_eq!(
        (&started["state"], &started["info"]["hostname"]),
        (&json!("STARTED"), &json!("rust@host")),
        "{started}"
    );
    assert_eq!(started["answer"]["account"], "slow", "{started}");
    let revoked = python.produce(&world, &["revoked_while_it_runs"]);
    assert_eq!(
        (&revoked["raised"], &revoked["text"]),
        (&json!("TaskRevokedError"), &json!("terminated")),
        "{revoked}"
    );
}

#[test]
fn chains_groups_and_callbacks_go_on_between_rust_and_python() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let _worker = world.worker(&[]);
    let _theirs = python.worker(&world, "py@host", "theirs");
    let chained = python.produce(&world, &["chained"]);
    // A note returns how many arguments it got: the result before it, and its own.
    assert_eq!(chained, json!({"last": 2, "before": "account-1", "first": "account-0"}));
    assert_eq!(python.produce(&world, &["grouped"]), json!(["account-0", "account-1"]));
    assert_synced(&python.produce(&world, &["linked"]), "account-0");
    wait_until("both notes", PATIENCE, || noted(&world).len() == 2);
    let notes = noted(&world);
    assert!(notes[0].contains("'account': 'account-1'") && notes[0].ends_with("'last')"), "{notes:?}");
    assert!(notes[1].contains("'account': 'account-0'") && notes[1].ends_with("'linked')"), "{notes:?}");
    let chord = python.produce(&world, &["of_a_chord"]);
    assert!(chord["text"].as_str().unwrap().contains("chords are not supported"), "{chord}");
}

#[test]
fn a_failure_is_raised_in_python_with_what_went_wrong_also_for_those_further_down_the_chain() {
    let Some(python) = Python::new() else { return };
    let world = World::new().with("RETRY_MAX", "1").with("RETRY_JITTER", "0");
    world.import(&accounts(2)).expect(0);
    let _worker = world.worker(&[]);
    let _theirs = python.worker(&world, "py@host", "theirs");
    world.sql("ALTER TABLE tradingdb.orders RENAME TO orders_away; ALTER VIEW tradingdb.executions RENAME TO executions_away");
    let failed = python.produce(&world, &["of_a_failing_account"]);
    let states: Vec<&str> = failed["states"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(states, ["PENDING", "RETRY", "FAILURE"], "{failed}");
    for answer in [&failed["answer"], &python.produce(&world, &["chained_and_failing"])] {
        assert_eq!(answer["raised"], "SyncFailed", "{answer}");
        assert!(answer["text"].as_str().unwrap().contains("Position generation failed"), "{answer}");
    }
    assert_eq!(python.produce(&world, &["linked_and_failing"])["raised"], "SyncFailed");
    wait_until("the errback", PATIENCE, || noted(&world).len() == 1);
    assert!(noted(&world)[0].ends_with("'failed')"), "{:?}", noted(&world));
}

#[test]
fn answers_come_through_rabbitmq_where_celery_has_no_redis() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let world = world.with("RESULT_BACKEND_URL", "rpc://");
    let _worker = world.worker(&[]);
    let rpc = [("BACKEND", "rpc://")];
    assert_synced(&python.produce_with(&world, &["by_position"], &rpc), "account-0");
    assert_eq!(python.produce_with(&world, &["with_wrong_arguments"], &rpc)["raised"], "TypeError");
    assert_eq!(world.redis.command("KEYS celery-task-meta-*").unwrap().trim(), "*0");
}
