use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{Answer, wait_until};

use super::{PATIENCE, TOKEN, at_kite, bought, put_orders};

/// The step's status, and its reason or error.
fn step(results: &Value) -> (String, String) {
    let detection = &results["external_detection"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let why = if detection["reason"].is_string() { &detection["reason"] } else { &detection["error"] };
    (text(&detection["status"]), text(why))
}

#[test]
fn a_login_that_ran_out_is_not_tried_again_until_the_secret_changes() {
    let (world, server) = at_kite();
    let _worker = world.worker(&[]);
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    server.expire_login(TOKEN);
    let results = world.sync("Raghu");
    let (status, reason) = step(&results);
    assert_eq!((status.as_str(), results["status"].as_str()), ("skipped", Some("success")), "{results}");
    assert!(reason.starts_with("login needed at kite: "), "{reason}");
    assert_eq!(server.requests(), 1, "a refusal is not tried twice");

    let results = world.sync("Raghu");
    assert!(step(&results).1.contains("not tried again until the secret changes"), "{results}");
    assert_eq!(server.requests(), 1);
    let listed = world.syncfleet(&["account", "list", "--json"]).expect(0).json();
    assert_eq!(
        [&listed[0]["login_needed"], &listed[0]["brokerage"]],
        [&json!(true), &json!("kite")],
        "{listed}"
    );
    assert!(world.syncfleet(&["account", "list"]).expect(0).out.contains("login needed for "));
    let due = "SELECT last_external_check_at IS NULL FROM tradingdb.account_sync_state";
    assert_eq!(world.sql(due), "t", "a look that was not had stays due");

    // A new login each morning: the file is written anew, nobody restarts anything.
    server.set_book("fresh", testbed::KiteBook { orders: vec![bought("e1").into()], ..Default::default() });
    let file = world.sql("SELECT access_token_ref FROM tradingdb.brokerage_accounts");
    fs::write(file.strip_prefix("file:").unwrap(), "fresh\n").unwrap();
    let results = world.sync("Raghu");
    assert_eq!(step(&results).0, "completed", "{results}");
    assert_eq!(world.syncfleet(&["account", "list", "--json"]).expect(0).json()[0]["login_needed"], false);
}

#[test]
fn bad_answers_fail_the_step_and_never_look_like_an_empty_book() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    let _worker = world.worker(&[]);
    assert_eq!(step(&world.sync("Raghu")).0, "completed");
    let whole = json!({"status": "success", "data": [Value::from(bought("e1"))]});
    let bad: [(&str, Vec<Answer>, usize, &str); 6] = [
        (
            "a fault",
            vec![
                Answer::json(
                    503,
                    json!({"status": "error", "message": "OMS", "error_type": "NetworkException"})
                );
                2
            ],
            2,
            "brokerage unavailable: OMS (NetworkException)",
        ),
        (
            "a gateway's page",
            vec![Answer::html(502), Answer::html(502)],
            2,
            "brokerage unavailable: HTTP 502",
        ),
        (
            "a cut answer",
            vec![Answer::json(200, whole.clone()).cut(40), Answer::json(200, whole.clone()).cut(40)],
            2,
            "brokerage unavailable: ",
        ),
        (
            "no list",
            vec![Answer::json(200, json!({"status": "success", "data": null}))],
            1,
            "answer not understood: ",
        ),
        (
            "a refusal",
            vec![Answer::json(
                400,
                json!({"status": "error", "message": "No.", "error_type": "InputException"}),
            )],
            1,
            "request refused: No. (InputException)",
        ),
        (
            "half an order",
            vec![Answer::json(200, json!({"status": "success", "data": [{"order_id": "x"}]}))],
            1,
            "answer not understood: orders[0]",
        ),
    ];
    for (what, answers, requests, expected) in bad {
        let before = server.requests();
        server.next("/orders", answers);
        let results = world.sync("Raghu");
        let (status, error) = step(&results);
        assert_eq!(
            (status.as_str(), results["status"].as_str()),
            ("failed", Some("partial_success")),
            "{what}: {results}"
        );
        assert!(error.contains(expected), "{what}: {error}");
        assert!(
            results["errors"][0].as_str().unwrap().starts_with("External order detection failed: "),
            "{results}"
        );
        assert_eq!(server.requests() - before, requests, "{what}");
        assert_eq!(world.sql("SELECT count(*), min(status) FROM tradingdb.orders"), "1|COMPLETE", "{what}");
    }
    // The second quick try may succeed.
    server.next("/orders", vec![Answer::hang_up()]);
    assert_eq!(step(&world.sync("Raghu")).0, "completed");
}

#[test]
fn a_slow_brokerage_costs_the_step_ten_seconds_and_no_more() {
    let (world, server) = at_kite();
    let _worker = world.worker(&[]);
    server.always("/orders", Some(Answer::silence()));
    let begun = Instant::now();
    let (status, error) = step(&world.sync("Raghu"));
    assert_eq!(status, "failed", "{error}");
    assert!(error.contains("no answer"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
}

#[test]
fn too_many_requests_hold_the_fleet_back_for_as_long_as_the_brokerage_says() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    let _worker = world.worker(&[]);
    let refusal = Answer::json(
        429,
        json!({"status": "error", "message": "Too many", "error_type": "NetworkException"}),
    );
    server.next("/orders", vec![refusal.clone().header("Retry-After", "4")]);
    let begun = Instant::now();
    let (status, error) = step(&world.sync("Raghu"));
    assert_eq!((status.as_str(), error.as_str()), ("failed", "too many requests, wait 4 s"));
    let results = world.sync("Raghu");
    assert_eq!(step(&results).0, "completed", "{results}");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(4) && waited < Duration::from_secs(20), "{waited:?}");
    assert_eq!(
        world.sql("SELECT max(retries) FROM tradingdb.sync_outcomes"),
        "0",
        "waiting spends no attempt"
    );

    server.next("/orders", vec![refusal]);
    assert_eq!(step(&world.sync("Raghu")).1, "too many requests");
    assert_eq!(step(&world.sync("Raghu")).0, "completed");
}

#[test]
fn a_brokerage_that_keeps_failing_is_left_alone_by_the_fleet_until_one_probe_succeeds() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    let _workers = [world.worker(&[]), world.worker(&[])];
    server.always("/orders", Some(Answer::html(502)));
    for _ in 0..5 {
        assert_eq!(step(&world.sync("Raghu")).0, "failed");
    }
    let asked = server.requests();
    for _ in 0..3 {
        let results = world.sync("Raghu");
        let (status, reason) = step(&results);
        assert_eq!((status.as_str(), results["status"].as_str()), ("skipped", Some("success")), "{results}");
        assert!(reason.contains("left alone") && reason.contains("HTTP 502"), "{reason}");
    }
    assert_eq!(server.requests(), asked);
    server.always("/orders", None);
    wait_until("the probe", PATIENCE, || step(&world.sync("Raghu")).0 == "completed");
    assert_eq!(step(&world.sync("Raghu")).0, "completed", "the breaker is closed");
}

#[test]
fn a_login_refused_halfway_leaves_what_was_read_before() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    server.next(
        "/user/margins",
        vec![Answer::json(
            403,
            json!({"status": "error", "message": "no", "error_type": "PermissionException"}),
        )],
    );
    let _worker = world.worker(&[]);
    let results = world.sync("Raghu");
    assert_eq!(step(&results).0, "completed", "{results}");
    assert_eq!(
        results["external_detection"]["missing"],
        json!(["margins: login refused: no (PermissionException)"])
    );
    assert_eq!(step(&world.sync("Raghu")).0, "completed", "the login is good for the rest");
}
