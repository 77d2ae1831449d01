use e2e::{World, fill, jsonl};
use serde_json::{Value, json};

const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

fn properties(headers: &Value) -> Value {
    json!({"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2, "headers": headers})
}

#[test]
fn every_malformed_message_is_a_dead_letter_with_its_reason_and_the_worker_lives_on() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let worker = world.worker(&[]);
    let good = properties(&json!({"id": "x", "task": TASK}));
    let body = |args: Value, kwargs: Value| json!([args, kwargs, {}]).to_string().into_bytes();
    let mut huge = body(json!(["default", "Raghu"]), json!({"pad": "x"}));
    huge.splice(huge.len() - 1..huge.len() - 1, vec![b' '; 2 * 1024 * 1024]);
    let cases: Vec<(&str, Value, Vec<u8>)> = vec![
        ("not_json", good.clone(), b"{nonsense".to_vec()),
        ("bad_body", good.clone(), br#"[[], {}]"#.to_vec()),
        ("bad_body", good.clone(), br#"{"a": 1}"#.to_vec()),
        ("no_id", properties(&json!({"task": TASK})), body(json!([]), json!({}))),
        ("no_task", properties(&json!({"id": "x"})), body(json!([]), json!({}))),
        (
            "unknown_task",
            properties(&json!({"id": "x", "task": "app.tasks.mystery"})),
            body(json!([]), json!({})),
        ),
        ("bad_arguments", good.clone(), body(json!(["default"]), json!({}))),
        ("bad_arguments", good.clone(), body(json!(["default", 7]), json!({}))),
        ("bad_arguments", good.clone(), body(json!(["default", "a"]), json!({"colour": "red"}))),
        (
            "bad_headers",
            properties(&json!({"id": "x", "task": TASK, "eta": "soon"})),
            body(json!(["o", "a"]), json!({})),
        ),
        (
            "bad_headers",
            properties(&json!({"id": "x", "task": TASK, "eta": "9999-12-31T23:59:59+00:00"})),
            body(json!(["o", "a"]), json!({})),
        ),
        (
            "unsupported_content_type",
            json!({"content_type": "application/x-python-serialize", "headers": {"id": "x", "task": TASK}}),
            body(json!(["o", "a"]), json!({})),
        ),
        ("too_large", good, huge),
    ];
    for (_, properties, payload) in &cases {
        assert!(world.vhost.publish("", "periodic", properties, payload).unwrap());
    }
    let letters = world.dead_letters(cases.len());
    assert_eq!(letters.len(), cases.len());
    for (reason, properties, payload) in &cases {
        let letter = letters
            .iter()
            .find(|letter| letter.payload == *payload && letter.headers["syncfleet-reason"] == *reason)
            .unwrap_or_else(|| {
                panic!(
                    "no dead letter for {reason} {properties}: {:?}",
                    letters.iter().map(|l| &l.headers).collect::<Vec<_>>()
                )
            });
        assert!(!letter.headers["syncfleet-error"].as_str().unwrap().is_empty());
        assert!(
            letter.headers["syncfleet-worker"].is_string() && letter.headers["syncfleet-queue"] == "periodic"
        );
    }
    // Nothing comes back for ever, and the worker still works.
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    assert!(worker.try_wait().unwrap().is_none(), "{}", worker.output());
    testbed::wait_until("nothing left", std::time::Duration::from_secs(10), || {
        world.vhost.queue_depth("periodic").unwrap() == (0, 0)
    });
}

#[test]
fn hostile_headers_and_names_are_dead_letters_and_block_nobody() {
    let world = World::new();
    let worker = world.worker(&[("RETRY_MAX", "0"), ("WORKER_CONCURRENCY", "2")]);
    let body = |args: Value| json!([args, {}, {}]).to_string().into_bytes();
    // Read by recursion: with an ordinary stack a few hundred levels end the process.
    let deep = (0..800).fold(json!({}), |inner, _| json!({"a": inner}));
    let cases: Vec<(&str, Value, Vec<u8>)> = vec![
        // Any one of these, copied as it is, would make RabbitMQ close the connection for publishing.
        (
            "bad_headers",
            properties(&json!({"id": "x".repeat(120_000), "task": TASK})),
            body(json!(["o", "a"])),
        ),
        (
            "unknown_task",
            properties(&json!({"id": "x", "task": "t", "syncfleet-x": "y".repeat(120_000)})),
            body(json!([])),
        ),
        (
            "bad_arguments",
            properties(&json!({"id": "x", "task": TASK})),
            body(json!(["o".repeat(150_000), "a"])),
        ),
        ("unknown_task", properties(&json!({"id": "x", "task": "t", "deep": deep})), body(json!([]))),
        (
            "unknown_task",
            properties(&json!({"id": "x", "task": "t", "retries": 4_294_967_295u32})),
            body(json!([])),
        ),
        (
            "bad_arguments",
            properties(
                &json!({"id": "x", "task": "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive"}),
            ),
            body(json!(["surplus"])),
        ),
        (
            "unsupported_callbacks",
            properties(&json!({"id": "x", "task": TASK})),
            json!([["o", "a"], {}, {"chain": [{"task": "celery.chord"}]}]).to_string().into_bytes(),
        ),
    ];
    for (_, properties, payload) in &cases {
        assert!(world.vhost.publish("", "periodic", properties, payload).unwrap());
    }
    let letters = world.dead_letters(cases.len());
    let mut reasons: Vec<&str> =
        letters.iter().filter_map(|letter| letter.headers["syncfleet-reason"].as_str()).collect();
    let mut expected: Vec<&str> = cases.iter().map(|(reason, ..)| *reason).collect();
    reasons.sort_unstable();
    expected.sort_unstable();
    assert_eq!(reasons, expected, "{}", worker.output());
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    assert!(!worker.output().contains("connection for publishing lost"), "{}", worker.output());
}

#[test]
fn a_job_as_python_sends_it_is_run_and_its_result_can_be_read() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    let headers = json!({"lang": "py", "task": TASK, "id": "e79f01d8-317b-45c5-bb9f-5c94f1906aa5", "retries": 0,
                         "argsrepr": "['default', 'Raghu']", "kwargsrepr": "{}", "origin": "gen16000@vm",
                         "root_id": "e79f01d8-317b-45c5-bb9f-5c94f1906aa5", "replaced_task_nesting": 0});
    let body = json!([["default", "Raghu"], {"force_position_regeneration": true},
                      {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]);
    assert!(
        world
            .vhost
            .publish("periodic", "periodic", &properties(&headers), body.to_string().as_bytes())
            .unwrap()
    );
    world.wait_for_outcomes(1);
    testbed::wait_until("a result", std::time::Duration::from_secs(10), || {
        let result =
            world.redis.command("GET celery-task-meta-e79f01d8-317b-45c5-bb9f-5c94f1906aa5").unwrap();
        result.contains("\"status\":\"SUCCESS\"") && result.contains("\"sync_id\"")
    });
}
