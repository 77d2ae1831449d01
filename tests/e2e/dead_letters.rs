use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::wait_until;

const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
/// Makes every step of a sync fail: rows can neither be read nor written.
const BREAK: &str = "ALTER TABLE tradingdb.orders RENAME TO orders_away;
    ALTER VIEW tradingdb.executions RENAME TO executions_away";
const MEND: &str = "ALTER TABLE tradingdb.orders_away RENAME TO orders;
    ALTER VIEW tradingdb.executions_away RENAME TO executions";

fn dead(world: &World, words: &[&str]) -> Value {
    let words = [&["dead"], words, &["--json"]].concat();
    world.syncfleet(&words).expect(0).json()
}

/// Waits until so many letters are listed.
fn listed(world: &World, count: usize) -> Vec<Value> {
    wait_until(&format!("{count} dead letters"), Duration::from_secs(60), || {
        world.vhost.queue_depth("periodic.dead").is_ok_and(|(ready, _)| ready == count as u64)
    });
    let letters = dead(world, &["list"]).as_array().expect("a list").clone();
    assert_eq!(letters.len(), count, "{letters:?}");
    letters
}

fn rubbish(world: &World, id: &str, body: &[u8]) {
    let properties = json!({"message_id": id, "content_type": "application/json", "content_encoding": "utf-8",
                            "headers": {"id": id, "task": TASK}});
    assert!(world.vhost.publish("", "periodic", &properties, body).expect("a publication"));
}

#[test]
fn a_job_that_failed_to_the_end_is_found_and_succeeds_when_it_is_replayed() {
    let world = World::new().with("RETRY_MAX", "1").with("RETRY_JITTER", "0");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Asha", 2, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    world.sql(BREAK);
    world.syncfleet(&["sync", "Raghu", "Asha", "--wait", "60", "--json"]).expect(1);
    let letters = listed(&world, 2);
    let raghu = letters.iter().find(|letter| letter["account"] == "Raghu").unwrap();
    let id = raghu["id"].as_str().unwrap();
    assert_eq!((&raghu["task"], &raghu["organization_id"]), (&json!(TASK), &json!("default")));
    assert_eq!((&raghu["reason"], &raghu["attempts"]), (&json!("retries_exhausted"), &json!(2)));
    assert!(raghu["error"].as_str().unwrap().contains("Position generation failed"), "{raghu}");
    assert!(raghu["first_failed_at"].as_str() < raghu["last_failed_at"].as_str(), "{raghu}");
    assert_eq!(raghu.as_object().unwrap().len(), 9);
    assert_eq!(
        world.sql(&format!("SELECT status FROM tradingdb.sync_outcomes WHERE sync_id = '{id}'")),
        "failed"
    );

    let groups = dead(&world, &["list", "--group"]);
    assert_eq!((&groups[0]["reason"], &groups[0]["count"]), (&json!("retries_exhausted"), &json!(2)));
    assert_eq!(groups[0].as_object().unwrap().len(), 5);
    let table = world.syncfleet(&["dead", "list"]).expect(0).out;
    assert!(
        table.contains(id) && table.contains(" comprehensive_account_sync ") && table.contains('…'),
        "{table}"
    );
    let shown = dead(&world, &["show", id]);
    assert_eq!(shown["headers"]["syncfleet-queue"], "adhoc");
    assert_eq!(shown["body"][0], json!(["default", "Raghu"]));
    let text = world.syncfleet(&["dead", "show", id]).expect(0).out;
    assert!(text.contains("syncfleet-worker: ") && text.contains("Position generation failed"), "{text}");

    world.sql(MEND);
    let answer = world.syncfleet(&["dead", "replay", "nobody", id, "--json"]).expect(1);
    assert_eq!(answer.json(), json!({"replayed": [id]}));
    assert!(answer.err.contains("no dead letter has the id nobody"), "{}", answer.err);
    let done =
        format!("SELECT count(*) FROM tradingdb.sync_outcomes WHERE sync_id = '{id}' AND status = 'success'");
    world.wait_for_count(&done, 1);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes"), 2);
    wait_until("its result", Duration::from_secs(30), || {
        world.redis.command(&format!("GET celery-task-meta-{id}")).unwrap().contains("SUCCESS")
    });
    assert_eq!(world.show("Raghu")["status"], "success");
    assert_eq!(listed(&world, 1)[0]["account"], "Asha");

    assert_eq!(
        dead(&world, &["replay", "--error", "Position generation"])["replayed"].as_array().unwrap().len(),
        1
    );
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'", 2);
    assert_eq!(listed(&world, 0), Vec::<Value>::new());
}

#[test]
fn a_replayed_job_that_fails_again_is_a_dead_letter_again_and_told_again() {
    let world = World::new().with("RETRY_MAX", "0");
    let _worker = world.worker(&[]);
    world.sql(BREAK);
    world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(1);
    let first = listed(&world, 1).remove(0);
    let finished = || world.sql("SELECT finished_at FROM tradingdb.sync_outcomes");
    let before = finished();
    assert_eq!(dead(&world, &["replay", "--all"]), json!({"replayed": [first["id"]]}));
    wait_until("a newer outcome", Duration::from_secs(60), || finished() != before);
    let second = listed(&world, 1).remove(0);
    assert_eq!((&second["id"], &second["attempts"]), (&first["id"], &json!(1)));
    assert!(second["first_failed_at"].as_str() > first["last_failed_at"].as_str(), "{first} {second}");
    let told = world.notifications();
    assert_eq!(told.len(), 2);
    world.sql(MEND);
    dead(&world, &["replay", "--all"]);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'", 1);
}

#[test]
fn a_job_that_killed_its_workers_runs_again_when_it_is_replayed() {
    let world = World::new().with("CRASH_LIMIT", "0");
    let kite = testbed::FakeKite::start().unwrap();
    kite.always("/orders", Some(testbed::Answer::silence()));
    world.add_kite("Raghu", &kite.base_url());
    let worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("the look", Duration::from_secs(60), || !kite.log().is_empty());
    worker.kill().unwrap();
    let _worker = world.worker(&[]);
    assert_eq!(listed(&world, 1)[0]["reason"], "crash_loop");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'failed'", 1);
    kite.always("/orders", None);
    dead(&world, &["replay", "--all"]);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'failed'", 1);
}

#[test]
fn rubbish_is_listed_and_purged_only_by_those_who_mean_it() {
    let world = World::new();
    let _worker = world.worker(&[]);
    rubbish(&world, "one", b"{nonsense");
    rubbish(&world, "two", br#"[["default"], {}, {}]"#);
    rubbish(&world, "three", br#"[[], {"pseudo_account": "Raghu", "colour": 1}, {}]"#);
    let letters = listed(&world, 3);
    let of = |id: &str| letters.iter().find(|letter| letter["id"] == id).unwrap();
    assert_eq!((&of("one")["reason"], &of("one")["account"]), (&json!("not_json"), &Value::Null));
    assert_eq!(
        (&of("two")["reason"], &of("two")["organization_id"]),
        (&json!("bad_arguments"), &json!("default"))
    );
    assert_eq!(of("three")["account"], "Raghu");
    assert_eq!(dead(&world, &["show", "one"])["body"], "{nonsense");
    world.syncfleet(&["dead", "show", "four"]).expect(1);

    let mut unasked = world.command("syncfleet", &["dead", "purge", "--all"]);
    let unasked = unasked.stdin(Stdio::from(File::open("/dev/null").unwrap())).output().unwrap();
    assert_eq!(unasked.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    world.syncfleet(&["dead", "purge"]).expect(2);
    assert_eq!(listed(&world, 3).len(), 3);

    let answer = world.syncfleet(&["dead", "replay", "two", "--json"]).expect(0);
    assert!(answer.err.contains("note: two was refused (bad_arguments)"), "{}", answer.err);
    let again = || dead(&world, &["list"]).as_array().unwrap().len() == 3;
    wait_until("it comes back", Duration::from_secs(60), again);
    assert_eq!(dead(&world, &["purge", "one", "--yes"]), json!({"purged": ["one"]}));
    assert_eq!(dead(&world, &["purge", "--error", "pseudo_account", "--yes"]), json!({"purged": ["two"]}));
    assert_eq!(dead(&world, &["purge", "--all", "--yes"]), json!({"purged": ["three"]}));
    assert_eq!(world.syncfleet(&["dead", "list"]).expect(0).out.trim(), "no dead letters");
}

#[test]
fn without_rabbitmq_the_dead_letters_are_unavailable() {
    let world = World::empty().with("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:1");
    let answer = world.syncfleet(&["dead", "list"]).expect(69);
    assert!(answer.err.contains("RabbitMQ"), "{}", answer.err);
}
