use std::collections::BTreeMap;

use queue::DEAD_QUEUE;
use serde_json::{Value, json};

use crate::support::{Bed, Script, TASK, finished};

const GOOD_BODY: &[u8] = b"[[],{},{}]";

fn properties(headers: Value) -> Value {
    json!({"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2, "headers": headers})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_run_lands_among_the_dead_letters_and_later_jobs_still_run() {
    let bed = Bed::new().await;
    let headers = |id: &str| json!({"task": TASK, "id": id});
    let foreign = |id: &str| {
        let mut foreign = properties(headers(id));
        foreign["content_type"] = json!("application/x-python-serialize");
        foreign
    };
    let binary = |id: &str| {
        let mut binary = properties(headers(id));
        binary["content_encoding"] = json!("binary");
        binary
    };
    let two_mib = format!("[[\"{}\"],{{}},{{}}]", "x".repeat(2 << 20)).into_bytes();
    let chord = br#"[[],{},{"chord":{"task":"t"}}]"#.as_slice();
    let chain = br#"[[],{},{"callbacks":[{"task":"t","options":{"exchange":"e"}}]}]"#.as_slice();
    let unknown = |id: &str| properties(json!({"task": "tests.unknown", "id": id}));
    let cases: Vec<(&str, Value, &[u8])> = vec![
        ("not_json", properties(headers("not_json")), b"{'a': 1}"),
        ("bad_body", properties(headers("bad_body")), b"[[],{}]"),
        ("no_id", properties(json!({"task": TASK})), GOOD_BODY),
        ("no_task", properties(json!({"id": "no_task"})), GOOD_BODY),
        ("bad_headers", properties(json!({"task": TASK, "id": "bad_headers", "eta": "soon"})), GOOD_BODY),
        ("unknown_task", unknown("unknown_task"), GOOD_BODY),
        ("unsupported_content_type", foreign("unsupported_content_type"), GOOD_BODY),
        ("unsupported_encoding", binary("unsupported_encoding"), GOOD_BODY),
        ("too_large", properties(headers("too_large")), &two_mib),
        ("unsupported_chord", properties(headers("unsupported_chord")), chord),
        ("unsupported_callbacks", properties(headers("unsupported_callbacks")), chain),
    ];
    for (_, properties, body) in &cases {
        assert!(bed.vhost.publish("", "periodic", properties, body).unwrap());
    }
    bed.enqueue("later").await;

    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    let letters = bed.dead_letters(cases.len() as u64);
    let script = bed.done(worker).await;
    assert_eq!(script.ids(), ["later"]);

    let letters: BTreeMap<&str, &testbed::Message> =
        letters.iter().map(|letter| (letter.headers["syncfleet-reason"].as_str().unwrap(), letter)).collect();
    for (reason, properties, body) in &cases {
        let letter =
            letters.get(reason).unwrap_or_else(|| panic!("no letter for {reason}: {:?}", letters.keys()));
        assert_eq!(letter.payload, *body, "{reason}: the body is kept");
        assert_eq!(letter.properties["content_type"], properties["content_type"], "{reason}");
        assert!(!letter.headers["syncfleet-error"].as_str().unwrap().is_empty(), "{reason}");
        assert_eq!(letter.headers["syncfleet-worker"], "worker-1", "{reason}");
        assert!(
            letter.properties["message_id"].as_str().is_some_and(|id| !id.is_empty()),
            "{reason}: it has an id"
        );
    }

    // Who waits for an id is told: of what could be decoded by its job, of the rest by its id alone.
    let concluded: Vec<_> = script.concluded().iter().map(|end| end["reason"].clone()).collect();
    assert_eq!(json!(concluded), json!(["unknown_task", "unsupported_chord", "unsupported_callbacks"]));
    let mut told = script.results();
    let last = told.pop().map(|(waiting, result)| (waiting.id, result["status"].clone()));
    assert_eq!(last, Some(("later".to_owned(), json!("SUCCESS"))));
    assert!(told.iter().all(|(_, result)| result["status"] == "FAILURE"), "{told:?}");
    let told: Vec<_> = told.into_iter().map(|(waiting, _)| waiting.id).collect();
    let expected = [
        "not_json",
        "bad_body",
        "no_task",
        "bad_headers",
        "unknown_task",
        "unsupported_content_type",
        "unsupported_encoding",
        "too_large",
        "unsupported_chord",
        "unsupported_callbacks",
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_acts_no_more() {
    let bed = Bed::new().await;
    let mut properties = properties(json!({
        "task": "tests.unknown", "id": "a", "x-delivery-count": 9, "x-death": [{"queue": "periodic", "count": 3}],
        "x-first-death-queue": "q", "tenant": "acme", "BCC": ["periodic"],
    }));
    properties["expiration"] = json!("60000");
    assert!(bed.vhost.publish("", "periodic", &properties, GOOD_BODY).unwrap());
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    let letter = bed.dead_letters(1).remove(0);
    bed.done(worker).await;
    assert_eq!(letter.headers["tenant"], "acme");
    let gone = ["x-death", "x-first-death-queue", "BCC", "CC"];
    assert!(gone.iter().all(|name| letter.headers.get(*name).is_none()), "{:?}", letter.headers);
    // Not the forged one: the queue of dead letters itself says that this is its first delivery.
    assert_eq!(letter.headers["x-delivery-count"], 0);
    assert!(letter.properties.get("expiration").is_none(), "an expiration would delete it");
    assert_eq!(bed.vhost.get(DEAD_QUEUE, 10).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_nearly_fill_a_frame_do_not_break_the_copy() {
    let bed = Bed::new().await;
    let long = "y".repeat(60_000);
    let headers = json!({"task": "tests.unknown", "id": "a", "argsrepr": long, "tenant": long});
    assert!(bed.vhost.publish("", "periodic", &properties(headers), GOOD_BODY).unwrap());
    bed.enqueue("later").await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    let letter = bed.dead_letters(1).remove(0);
    assert_eq!((&letter.headers["id"], &letter.headers["tenant"]), (&json!("a"), &json!(long)));
    worker.script.wait_for_runs(1);
    bed.done(worker).await;
}
