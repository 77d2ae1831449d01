use proptest::prelude::*;

use super::*;

const NODE: &str = "syncfleet@host-1";

fn decode(body: &str) -> Result<Option<ControlRequest>, DecodeError> {
    decode_bytes(body.as_bytes())
}

fn decode_bytes(body: &[u8]) -> Result<Option<ControlRequest>, DecodeError> {
    let headers = json!({"clock": 7, "expires": 1_795_353_353.37});
    decode_control(
        &Envelope {
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            correlation_id: None,
            headers: headers.as_object().unwrap(),
            body,
        },
        NODE,
    )
}

#[test]
fn a_request_as_celery_sends_it_is_read() {
    let request = decode(
        r#"{"method": "revoke", "arguments": {"task_id": "eaf5", "terminate": true, "signal": "SIGKILL"},
            "destination": null, "pattern": null, "matcher": null, "ticket": "981d",
            "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "8a10"}}"#,
    );
    let request = request.unwrap().unwrap();
    assert_eq!((request.method.as_str(), request.clock), ("revoke", Some(7)));
    assert_eq!(request.arguments["signal"], "SIGKILL");
    let answer_to = AnswerTo { routing_key: "8a10".to_owned(), ticket: "981d".to_owned() };
    assert_eq!(request.answer_to, Some(answer_to));
}

#[test]
fn a_cast_wants_no_answer() {
    let request = decode(r#"{"method": "heartbeat", "arguments": {}, "destination": null}"#);
    assert_eq!(request.unwrap().unwrap().answer_to, None);
}

#[test]
fn a_request_is_for_the_nodes_it_names_or_that_match_or_for_all() {
    for (addressed, expected) in [
        (json!({}), true),
        (json!({"destination": []}), true),
        (json!({"destination": [NODE]}), true),
        (json!({"destination": ["w1@h", NODE]}), true),
        (json!({"destination": ["w1@h"]}), false),
        (json!({"destination": NODE}), true),
        (json!({"destination": "syncfleet"}), false),
        (json!({"pattern": "syncfleet@*", "matcher": "glob"}), true),
        (json!({"pattern": "celery@*", "matcher": "glob"}), false),
        (json!({"destination": ["w1@h"], "pattern": "*", "matcher": "glob"}), false),
    ] {
        let mut request = addressed.clone();
        request["method"] = json!("ping");
        assert_eq!(decode(&request.to_string()).unwrap().is_some(), expected, "{addressed}");
    }
}

#[test]
fn answers_go_to_celerys_own_exchange_only() {
    for reply_to in [
        json!({"exchange": "", "routing_key": "periodic"}),
        json!({"exchange": "sync_notifications", "routing_key": "x"}),
        json!({"exchange": "reply.celery.pidbox"}),
        json!({"exchange": "reply.celery.pidbox", "routing_key": 7}),
        json!("somewhere"),
    ] {
        let request = json!({"method": "ping", "ticket": "t", "reply_to": reply_to}).to_string();
        assert!(decode(&request).is_err(), "{request}");
    }
    let unnamed =
        r#"{"method": "ping", "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "q"}}"#;
    assert!(decode(unnamed).is_err());
}

#[test]
fn rubbish_is_an_error_that_says_what_was_expected() {
    for (body, said) in [
        ("[]", "the request should be an object"),
        ("nonsense", "expected"),
        ("{}", "method should be a name"),
        (r#"{"method": ["ping"]}"#, "method should be a name"),
        (r#"{"method": ""}"#, "method should be a name"),
        (r#"{"method": "ping", "arguments": []}"#, "arguments should be an object"),
        (r#"{"method": "ping", "destination": 7}"#, "destination should be a list"),
        (r#"{"method": "ping", "pattern": "(a+)+$", "matcher": "pcre"}"#, "matcher should be glob"),
    ] {
        let error = decode(body).expect_err(body).to_string();
        assert!(error.contains(said), "{body}: {error}");
    }
}

#[test]
fn an_answer_is_read_as_it_is_written() {
    let body = encode_answer(NODE, &json!({"ok": "pong"}));
    let headers = Map::new();
    let envelope = Envelope {
        content_type: Some("application/json"),
        content_encoding: Some("utf-8"),
        correlation_id: None,
        headers: &headers,
        body: &body,
    };
    assert_eq!(decode_answer(&envelope).unwrap()[NODE], json!({"ok": "pong"}));
}

#[test]
fn a_request_of_ours_is_one_that_we_read() {
    let answer_to = AnswerTo { routing_key: "q".to_owned(), ticket: "t".to_owned() };
    let destination = [NODE.to_owned()];
    let body = encode_control("revoke", &json!({"task_id": "a"}), Some(&destination), Some(&answer_to));
    let request = decode_bytes(&body).unwrap().unwrap();
    assert_eq!((request.method.as_str(), request.answer_to), ("revoke", Some(answer_to)));
    assert_eq!(request.arguments["task_id"], "a");
}

#[test]
fn every_captured_request_is_read() {
    let samples = include_str!("../../tests/captures/control_requests.json");
    let samples: Vec<Value> = serde_json::from_str(samples).unwrap();
    assert!(samples.len() > 20);
    for sample in &samples {
        let envelope = captured(sample);
        let body: Value = serde_json::from_str(sample["body_raw"].as_str().unwrap()).unwrap();
        let destination = &body["destination"];
        let node = destination[0].as_str().unwrap_or(NODE);
        let request = decode_control(&envelope, node).unwrap().expect("for this node");
        assert_eq!(request.method, sample["method"].as_str().unwrap());
        assert!(request.clock.is_some());
    }
}

#[test]
fn every_captured_answer_is_read() {
    let samples = include_str!("../../tests/captures/control_replies.json");
    let samples: Vec<Value> = serde_json::from_str(samples).unwrap();
    assert!(samples.len() > 20);
    for sample in &samples {
        let envelope = captured(sample);
        assert_eq!(decode_answer(&envelope).unwrap().len(), 1, "{sample}");
    }
}

fn captured(sample: &Value) -> Envelope<'_> {
    let properties = &sample["properties"];
    Envelope {
        content_type: properties["content_type"].as_str(),
        content_encoding: properties["content_encoding"].as_str(),
        correlation_id: None,
        headers: properties["headers"].as_object().unwrap(),
        body: sample["body_raw"].as_str().unwrap().as_bytes(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("reply.celery.pidbox")),
        Just(json!("ping")),
        Just(json!("glob")),
        Just(json!(NODE)),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..6)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_bytes(&body);
    }

    #[test]
    fn any_fields_are_read_or_refused_and_never_answered_elsewhere(
        fields in prop::collection::vec((prop::sample::select(vec![
            "method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to",
        ]), any_json()), 0..8)
    ) {
        let request: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if let Ok(Some(request)) = decode_bytes(Value::from(request).to_string().as_bytes()) {
            prop_assert!(!request.method.is_empty());
            if let Some(AnswerTo { routing_key, ticket }) = request.answer_to {
                prop_assert!(routing_key.len() <= 255 && ticket.len() <= 255);
            }
        }
    }
}
