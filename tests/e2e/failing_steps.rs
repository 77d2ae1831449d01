use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::FakeKite;

#[test]
fn a_sync_with_redis_stopped_is_partial_success_and_the_message_says_why() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    world.redis.stop().unwrap();
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "40", "--json"]).expect(1).json();
    assert_eq!(answer["partial_success"], 1, "{answer}");
    let messages = world.notifications();
    assert_eq!(messages.len(), 1);
    let body: Value = serde_json::from_slice(&messages[0].payload).unwrap();
    assert_eq!(body["summary"]["status"], "partial_success");
    assert_eq!(body["summary"]["redis_status"], "failed");
    assert_eq!(body["full_results"]["position_generation"]["regenerated"], true);
    let error = body["full_results"]["errors"][0].as_str().unwrap();
    assert!(error.starts_with("Redis sync failed: "), "{error}");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.positions WHERE net_quantity = 75"), 1);

    world.redis.restart().unwrap();
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "40", "--json"]).expect(0).json();
    assert_eq!(answer["results"][0]["redis_sync"]["status"], "success");
    let rows = world.cached("Raghu:positions");
    assert_eq!(rows[0]["net_quantity"], 75, "{rows}");
}

#[test]
fn a_brokerage_that_fails_fails_only_its_step() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let kite = FakeKite::start().unwrap();
    kite.respond(
        500,
        json!({"status": "error", "message": "oops", "error_type": "GeneralException"}).to_string(),
    );
    world.add_kite("Raghu", &kite.base_url());
    let worker = world.worker(&[]);
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "40", "--json"]).expect(1).json();
    assert_eq!(answer["partial_success"], 1, "{answer}");
    let result = &answer["results"][0];
    assert_eq!(result["external_detection"]["status"], "failed");
    assert!(result["errors"][0].as_str().unwrap().starts_with("External order detection failed: "));
    assert_eq!(result["redis_sync"]["status"], "success");
    assert_eq!(kite.last_authorization().as_deref(), Some("token top-secret-token:top-secret-token"));
    assert!(!worker.output().contains("top-secret"), "a secret was logged");
}

#[test]
fn an_expired_login_skips_the_step_and_says_so() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let kite = FakeKite::start().unwrap();
    let body = json!({"status": "error", "message": "Incorrect `api_key` or `access_token`.", "error_type": "TokenException"});
    kite.respond(403, body.to_string());
    world.add_kite("Raghu", &kite.base_url());
    let _worker = world.worker(&[]);
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "40", "--json"]).expect(0).json();
    let detection = &answer["results"][0]["external_detection"];
    assert_eq!(detection["status"], "skipped");
    assert!(detection["reason"].as_str().unwrap().contains("login needed"), "{detection}");
}

#[test]
fn an_account_without_a_brokerage_and_without_rows_is_a_success_with_empty_keys() {
    let world = World::new();
    let _worker = world.worker(&[]);
    let answer = world.syncfleet(&["sync", "nobody", "--wait", "40", "--json"]).expect(0).json();
    let result = &answer["results"][0];
    assert_eq!(
        result["external_detection"],
        json!({"status": "skipped", "reason": "the account has no brokerage"})
    );
    assert_eq!(world.redis.command("GET trade_data:default:nobody:positions").unwrap().trim(), "[]");
}
