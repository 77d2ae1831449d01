use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::Value;

/// Seconds of the `… in N s:` of each retry in a worker's log.
fn delays(log: &str) -> Vec<f64> {
    log.lines()
        .filter(|line| line.contains("attempt failed, retry"))
        .filter_map(|line| line.split(" in ").nth(1)?.split(' ').next()?.parse().ok())
        .collect()
}

#[test]
fn a_job_that_fails_until_its_retries_end_comes_back_later_and_later_and_then_is_a_dead_letter() {
    let world = World::new().with("RETRY_MAX", "3").with("RETRY_JITTER", "0");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let worker = world.worker(&[]);
    // Every step fails: rows can neither be read nor written.
    world.sql("ALTER TABLE tradingdb.orders RENAME TO orders_away; ALTER VIEW tradingdb.executions RENAME TO executions_away");
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "60", "--json"]).expect(1).json();
    assert_eq!(answer["failed"], 1, "{answer}\n{}", worker.output());

    let delays = delays(&worker.output());
    assert_eq!(delays, [1.0, 2.0, 4.0], "{}", worker.output());
    let letters = world.dead_letters(1);
    assert_eq!(letters.len(), 1);
    let headers = &letters[0].headers;
    assert_eq!(headers["syncfleet-reason"], "retries_exhausted");
    assert_eq!(headers["syncfleet-attempts"], 4);
    assert_eq!(headers["retries"], 3);
    assert!(headers["syncfleet-error"].as_str().unwrap().contains("Position generation failed"), "{headers}");
    assert!(headers["syncfleet-first-failed-at"].as_str() < headers["syncfleet-last-failed-at"].as_str());
    assert!(letters[0].properties["expiration"].is_null());

    let messages = world.notifications();
    assert_eq!(messages.len(), 1, "one failure is told, at the end");
    let body: Value = serde_json::from_slice(&messages[0].payload).unwrap();
    assert_eq!(body["summary"]["status"], "failed");
    assert_eq!(world.sql("SELECT status FROM tradingdb.sync_outcomes"), "failed");
    let id = headers["id"].as_str().unwrap();
    let result = world.redis.command(&format!("GET celery-task-meta-{id}")).unwrap();
    assert!(result.contains("FAILURE"), "{result}");

    world.sql("ALTER TABLE tradingdb.orders_away RENAME TO orders; ALTER VIEW tradingdb.executions_away RENAME TO executions");
    world.syncfleet(&["sync", "Raghu", "--wait", "30", "--json"]).expect(0);
}

#[test]
fn a_job_whose_database_is_back_before_its_retries_end_succeeds() {
    let world = World::new().with("RETRY_JITTER", "0");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let worker = world.worker(&[]);
    world.sql("ALTER TABLE tradingdb.account_sync_state RENAME TO state_away");
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    worker.wait_for_line("attempt failed, retry 2", Duration::from_secs(30)).unwrap();
    world.sql("ALTER TABLE tradingdb.state_away RENAME TO account_sync_state");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'", 1);
    assert!(world.count("SELECT retries FROM tradingdb.sync_outcomes") >= 2);
}

#[test]
fn a_job_that_takes_longer_than_its_time_limit_is_tried_again() {
    let world = World::new().with("JOB_TIME_LIMIT_SECONDS", "2");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let kite = testbed::FakeKite::start().unwrap();
    kite.respond(200, r#"{"status":"success","data":[]}"#);
    kite.delay(Duration::from_secs(6));
    world.add_kite("Raghu", &kite.base_url());
    let worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    worker.wait_for_line("time limit of 2 s exceeded", Duration::from_secs(30)).unwrap();
    kite.delay(Duration::ZERO);
    world.wait_for_count(
        "SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success' AND retries > 0",
        1,
    );
}
