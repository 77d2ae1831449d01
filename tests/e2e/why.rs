//! `syncfleet account why`, in each of its states.

use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::{Answer, FakeKite, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
/// Makes every step of a sync fail: rows can neither be read nor written.
const BREAK: &str = "ALTER TABLE tradingdb.orders RENAME TO orders_away;
    ALTER VIEW tradingdb.executions RENAME TO executions_away";
const MEND: &str = "ALTER TABLE tradingdb.orders_away RENAME TO orders;
    ALTER VIEW tradingdb.executions_away RENAME TO executions";
/// Long enough that only one tick falls into a test.
const HOURLY: &[(&str, &str)] = &[("SYNC_INTERVAL_SECONDS", "3600"), ("BEAT_CATCH_UP", "latest")];

fn raghu() -> World {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    world
}

fn why(world: &World) -> Value {
    world.syncfleet(&["account", "why", "Raghu", "--json"]).expect(0).json()
}

/// Waits for a state, and returns what is said of it.
#[track_caller]
fn why_is(world: &World, state: &str) -> Value {
    let mut last = Value::Null;
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        last = why(world);
        if last["state"] == state {
            return last;
        }
    }
    panic!("never {state}: {last:#}");
}

/// A beat that has published a tick, and ended.
fn tick(world: &World, variables: &[(&str, &str)]) {
    let beat = world.beat(&[HOURLY, variables].concat());
    beat.wait_for_line("jobs published", PATIENCE).expect("a tick");
    beat.terminate().expect("an end");
    beat.wait(PATIENCE).expect("an end");
}

fn text(said: &Value, name: &str) -> String {
    said[name].as_str().unwrap_or_default().to_owned()
}

#[test]
fn nobody_has_heard_of_an_account_without_orders_and_brokerage() {
    let world = raghu();
    let answer = world.syncfleet(&["account", "why", "Raghuu"]).expect(1);
    assert!(
        answer.out.contains("nobody has heard of it") && answer.out.contains("account list"),
        "{answer:?}"
    );
}

#[test]
fn without_a_beat_the_missing_tick_is_the_reason() {
    let world = raghu();
    let said = why_is(&world, "no_tick");
    assert!(
        text(&said, "verdict").contains("never synced") && text(&said, "mend").contains("syncfleet-beat"),
        "{said}"
    );
    tick(&world, &[]);
    // As if it had been long ago, and nobody had published one since.
    world.sql("UPDATE tradingdb.ticks SET tick_at = tick_at - interval '3 hours', published_at = published_at - interval '3 hours'");
    let _worker = world.worker(&[]);
    world.wait_for_outcomes(1);
    // Somebody brings jobs, and it need not be a beat of ours.
    let said = why_is(&world, "idle");
    assert!(text(&said, "verdict").contains("no syncfleet-beat publishes ticks"), "{said}");
    world.sql("UPDATE tradingdb.sync_outcomes SET finished_at = finished_at - interval '3 hours'");
    let said = why_is(&world, "no_tick");
    assert!(text(&said, "verdict").contains("no beat has published one since"), "{said}");
}

#[test]
fn an_account_that_fails_since_its_last_success_is_as_stale_as_that_is_old() {
    let world = raghu().with("RETRY_MAX", "0");
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(0);
    world.sql(
        "UPDATE tradingdb.account_sync_state SET last_sync_at = now() - interval '3 hours',
             last_success_at = now() - interval '3 hours'",
    );
    world.sql(BREAK);
    world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(1);
    world.sql(MEND);
    let stale =
        |limit| world.syncfleet(&["account", "list", "--stale-over", limit, "--json"]).expect(0).json();
    let listed = stale("2h");
    assert_eq!(
        (&listed[0]["account"], &listed[0]["status"]),
        (&json!("Raghu"), &json!("failed")),
        "{listed}"
    );
    assert!(listed[0]["staleness_seconds"].as_i64().is_some_and(|seconds| seconds >= 3 * 3600), "{listed}");
    assert!(text(&listed[0], "last_success_at") < text(&listed[0], "last_sync_at"), "{listed}");
    assert_eq!(stale("4h"), json!([]));
    let said = why_is(&world, "dead");
    assert!(text(&said, "verdict").contains("failed; in order until "), "{said}");
    let nobody = world.syncfleet(&["account", "list", "--stale-over", "4h"]).expect(0).out;
    assert!(nobody.contains("syncfleet account list"), "{nobody}");
}

#[test]
fn a_job_whose_message_is_lost_is_missing_until_another_one_has_run() {
    let world = raghu();
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    why_is(&world, "queued");
    assert_eq!(world.vhost.get("adhoc", 10).expect("the job").len(), 1);
    world.sql("UPDATE tradingdb.waiting_jobs SET noted_at = noted_at - interval '1 minute'");
    let said = why_is(&world, "missing");
    assert!(text(&said, "mend").contains("syncfleet sync Raghu"), "{said}");
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(0);
    let said = why_is(&world, "idle");
    assert_eq!(said["jobs"], json!([]), "{said}");
}

#[test]
fn a_job_that_rabbitmq_does_not_take_leaves_no_note() {
    let world = raghu();
    world.syncfleet(&["queue", "status"]).expect(0);
    let policy = format!("/api/policies/{}/full", world.vhost.name());
    let full = json!({
        "pattern": "^adhoc$", "apply-to": "queues",
        "definition": { "max-length": 1, "overflow": "reject-publish" },
    });
    world.vhost.api("PUT", &policy, Some(&full)).unwrap();
    wait_until("a full queue", PATIENCE, || {
        world.vhost.publish("", "adhoc", &json!({}), b"somebody's").is_err()
    });
    let refused = world.syncfleet(&["sync", "Raghu"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let notes = "SELECT count(*) FROM tradingdb.waiting_jobs";
    assert_eq!(world.sql(notes), "0", "{refused:?}");
    // Nor does a letter that stays one.
    let task = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
    let headers = json!({"id": "job-1", "task": task, "lang": "py", "syncfleet-queue": "adhoc",
        "syncfleet-reason": "retries_exhausted", "syncfleet-error": "away"});
    let properties = json!({"message_id": "job-1", "correlation_id": "job-1", "content_type": "application/json",
        "content_encoding": "utf-8", "delivery_mode": 2, "headers": headers});
    let body = json!([["default", "Raghu"], {}, {}]).to_string();
    assert!(world.vhost.publish("", "periodic.dead", &properties, body.as_bytes()).unwrap());
    let refused = world.syncfleet(&["dead", "replay", "job-1"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(world.sql(notes), "0", "{refused:?}");
}

#[test]
fn a_job_of_a_tick_is_queued_until_a_worker_takes_it_and_then_the_account_is_idle() {
    let world = raghu();
    tick(&world, &[]);
    let said = why_is(&world, "queued");
    assert_eq!((&said["job"]["queue"], &said["job"]["retries"]), (&json!("periodic"), &json!(0)), "{said}");
    assert_eq!(said["job"]["id"], said["last_tick"]["job"], "{said}");
    assert!(
        text(&said, "verdict").contains("nobody consumes")
            && text(&said, "mend").contains("syncfleet-worker"),
        "{said}"
    );
    let worker = world.worker(&[]);
    let said = why_is(&world, "idle");
    assert_eq!((&said["job"], &said["last_tick"]["outcome"]), (&Value::Null, &json!("success")), "{said}");
    assert_eq!(said["outcomes"][0]["status"], "success");
    assert!(text(&said, "verdict").contains("the next tick is at"), "{said}\n{}", worker.output());
    let words = world.syncfleet(&["account", "why", "Raghu"]).expect(0).out;
    assert!(
        words.starts_with("Raghu: last sync ") && words.contains("last tick") && words.contains("success"),
        "{words}"
    );
}

#[test]
fn a_new_account_waits_for_the_next_tick_to_find_it() {
    let world = raghu();
    tick(&world, &[]);
    let _worker = world.worker(&[]);
    world.wait_for_outcomes(1);
    world.import(&jsonl(&[fill("Asha", 2, 75, "100")])).expect(0);
    let said = world.syncfleet(&["account", "why", "Asha", "--json"]).expect(0).json();
    assert_eq!(said["state"], "new", "{said}");
}

#[test]
fn a_job_is_scheduled_until_its_place_in_the_spread_has_come() {
    let world = World::new();
    let orders: Vec<_> = (0..12).map(|number| fill(&format!("A{number}"), number + 1, 75, "100")).collect();
    world.import(&jsonl(&orders)).expect(0);
    tick(&world, &[("BEAT_SPREAD_SECONDS", "3500")]);
    // How long ago the tick was is chance, so which of them are still to come is as well.
    for number in 0..12 {
        let account = format!("A{number}");
        let said = world.syncfleet(&["account", "why", &account, "--json"]).expect(0).json();
        let (due, now) = (text(&said["last_tick"], "due_at"), text(&said, "now"));
        let state = if due > now { "scheduled" } else { "queued" };
        assert_eq!(said["state"], state, "{said}");
        assert_eq!(text(&said, "verdict").contains("its place in the spread"), due > now, "{said}");
    }
}

#[test]
fn a_job_that_an_operator_enqueued_is_queued_until_it_runs() {
    let world = raghu();
    let id = world.syncfleet(&["sync", "Raghu", "--json"]).expect(0).json()["jobs"][0]["sync_id"].clone();
    let said = why_is(&world, "queued");
    assert_eq!((&said["job"]["queue"], &said["job"]["id"]), (&json!("adhoc"), &id), "{said}");
    let _worker = world.worker(&[]);
    world.wait_for_outcomes(1);
    assert_ne!(why(&world)["state"], "queued");
}

#[test]
fn a_run_is_shown_with_its_worker_and_step_and_a_worker_that_died_is_found_out() {
    let (world, kite) = (raghu(), FakeKite::start().unwrap());
    kite.always("/orders", Some(Answer::silence()));
    world.add_kite("Raghu", &kite.base_url());
    let worker = world.worker(&[("WORKER_NAME", "syncfleet@one")]);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    let said = why_is(&world, "running");
    let id = text(&said["job"], "id");
    // After so many crashes it is parked for long enough to be seen.
    world.sql(&format!(
        "INSERT INTO tradingdb.job_crashes (job_id, organization_id, pseudo_account, fence)
         SELECT '{id}', 'default', 'Raghu', fence FROM generate_series(-4, -1) AS fence"
    ));
    assert_eq!(
        (&said["job"]["worker"], &said["job"]["step"]),
        (&json!("syncfleet@one"), &json!("external_detection")),
        "{said}"
    );
    assert!(text(&said, "verdict").contains("at the step external_detection"), "{said}");
    // Nobody takes it over, since no other worker is there.
    worker.kill().unwrap();
    let said = why_is(&world, "stuck");
    assert!(text(&said, "mend").contains("worker list"), "{said}");
    let _other = world.worker(&[]);
    let said = why_is(&world, "parked");
    assert_eq!(said["job"]["reason"], "crashed", "{said}");
}

#[test]
fn a_failed_job_waits_for_its_retry_with_its_error_and_is_dead_after_the_last_one() {
    let world = raghu().with("RETRY_INITIAL_SECONDS", "30").with("RETRY_JITTER", "0").with("RETRY_MAX", "2");
    let worker = world.worker(&[]);
    world.sql(BREAK);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    worker.wait_for_line("attempt failed, retry 1", PATIENCE).unwrap();
    world.sql(MEND);
    let said = why_is(&world, "retry");
    let job = &said["job"];
    assert_eq!(
        (&job["retries"], &job["retries_max"], &job["queue"]),
        (&json!(1), &json!(2), &json!("adhoc")),
        "{said}"
    );
    assert!(text(job, "error").contains("Position generation failed"), "{said}");
    let words = text(&said, "verdict");
    assert!(words.contains("waits for retry 1 of 2 at ") && words.contains("(in "), "{words}");
}

#[test]
fn a_dead_job_is_told_with_its_letter_and_a_replayed_one_is_queued_again() {
    let world = raghu().with("RETRY_MAX", "0");
    tick(&world, &[]);
    world.sql(BREAK);
    let worker = world.worker(&[]);
    world.wait_for_outcomes(1);
    world.sql(MEND);
    let said = why_is(&world, "dead");
    let id = text(&said["outcomes"][0], "sync_id");
    assert!(text(&said, "verdict").contains("retries_exhausted: Position generation failed"), "{said}");
    assert!(text(&said, "mend").contains(&format!("dead replay {id}")), "{said}");
    worker.terminate().unwrap();
    worker.wait(PATIENCE).unwrap();
    world.syncfleet(&["dead", "replay", &id]).expect(0);
    let said = why_is(&world, "queued");
    assert_eq!((&said["job"]["id"], &said["job"]["reason"]), (&json!(id), &json!("replayed")), "{said}");
    let _worker = world.worker(&[]);
    let said = why_is(&world, "idle");
    assert_eq!(said["status"], "success", "{said}");
}

#[test]
fn a_job_whose_account_another_run_holds_is_parked() {
    let (world, kite) = (raghu(), FakeKite::start().unwrap());
    kite.always("/orders", Some(Answer::silence()));
    world.add_kite("Raghu", &kite.base_url());
    let _worker = world.worker(&[("WORKER_QUEUES", "adhoc")]);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("the look", PATIENCE, || !kite.log().is_empty());
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("a held job that is parked", PATIENCE, || {
        let said = why(&world);
        let jobs = said["jobs"].as_array().expect("jobs").clone();
        said["state"] == "running"
            && jobs.iter().any(|job| job["state"] == "parked" && job["reason"] == "held")
    });
}

#[test]
fn a_job_for_whose_look_the_brokerage_has_no_room_is_parked() {
    let (world, kite) = (raghu(), FakeKite::start().unwrap());
    kite.delay(Duration::from_millis(300));
    // All of one API key, so that their looks wait for each other.
    for number in 0..40 {
        world.add_login(
            &format!("A{number}"),
            "kite",
            &kite.base_url(),
            "one-key",
            &format!("token-{number}"),
        );
    }
    world.add_login("Raghu", "kite", &kite.base_url(), "one-key", "token-r");
    let _worker = world.worker(&[("WORKER_CONCURRENCY", "60"), ("WORKER_QUEUES", "adhoc")]);
    world.syncfleet(&["sync", "--all"]).expect(0);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    let waits = "SELECT count(*) > 0 FROM tradingdb.waiting_jobs WHERE reason = 'rate_limit'";
    wait_until("jobs that wait for room", PATIENCE, || world.sql(waits) == "t");
    let account = world.sql("SELECT pseudo_account FROM tradingdb.waiting_jobs WHERE reason = 'rate_limit' ORDER BY due_at DESC LIMIT 1");
    let said = world.syncfleet(&["account", "why", &account, "--json"]).expect(0).json();
    assert_eq!((&said["state"], &said["job"]["reason"]), (&json!("parked"), &json!("rate_limit")), "{said}");
    assert!(text(&said, "verdict").contains("rate limits"), "{said}");
}

#[test]
fn a_paused_account_says_so_and_a_job_of_before_its_pause_is_still_found() {
    let world = raghu();
    world.syncfleet(&["account", "pause", "Raghu"]).expect(0);
    tick(&world, &[]);
    let said = why_is(&world, "paused");
    assert!(text(&said, "mend").contains("account resume Raghu"), "{said}");
    world.syncfleet(&["account", "resume", "Raghu"]).expect(0);
    // That tick published nothing for it.
    why_is(&world, "new");
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    world.syncfleet(&["account", "pause", "Raghu"]).expect(0);
    assert_eq!(why_is(&world, "queued")["paused"], true);
}

#[test]
fn a_job_that_waited_for_too_long_is_expired_in_its_queue_and_after_it() {
    let world = raghu();
    tick(&world, &[]);
    // The tick as it will look in two hours, when nobody has consumed: RabbitMQ keeps the message for twice as long.
    world.sql("UPDATE tradingdb.ticks SET interval_seconds = 0.001");
    let said = why(&world);
    assert!(said["state"] == "no_tick" && said["jobs"][0]["state"] == "expired", "{said}");
    world.sql("UPDATE tradingdb.ticks SET interval_seconds = 3600");
    why_is(&world, "queued");
}

#[test]
fn what_rabbitmq_does_not_say_postgresql_may_know() {
    let world = raghu().with("RETRY_INITIAL_SECONDS", "30").with("RETRY_JITTER", "0");
    let worker = world.worker(&[]);
    world.sql(BREAK);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    worker.wait_for_line("attempt failed, retry 1", PATIENCE).unwrap();
    world.sql(MEND);
    why_is(&world, "retry");
    let away = world.with("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    let answer = away.syncfleet(&["account", "why", "Raghu", "--json"]).expect(0);
    assert_eq!(answer.json()["state"], "retry");
    assert!(answer.err.contains("RabbitMQ does not answer"), "{}", answer.err);
}
