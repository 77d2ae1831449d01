use std::io::Write;
use std::time::Duration;

use flate2::{Compression, write::ZlibEncoder};
use serde_json::json;

use super::*;

const SYNC: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

/// What `send_task` of Celery 5.7.0 put on the wire.
pub(super) const SEND_TASK_HEADERS: &str = r#"{"lang":"py","task":"app.tasks.comprehensive_sync_task.comprehensive_account_sync",
 "id":"e79f01d8-317b-45c5-bb9f-5c94f1906aa5","shadow":null,"eta":null,"expires":null,"group":null,"group_index":null,
 "retries":0,"timelimit":[null,null],"root_id":"e79f01d8-317b-45c5-bb9f-5c94f1906aa5","parent_id":null,
 "argsrepr":"['org1', 'Raghu']","kwargsrepr":"{'force_position_regeneration': True}","origin":"gen16000@vm",
 "ignore_result":null,"replaced_task_nesting":0,"stamped_headers":null,"stamps":{}}"#;
pub(super) const SEND_TASK_BODY: &str = r#"[["org1", "Raghu"], {"force_position_regeneration": true}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]"#;

/// The same with `task_protocol = 1`.
pub(super) const PROTOCOL_1_BODY: &str = r#"{"task": "app.tasks.comprehensive_sync_task.comprehensive_account_sync",
 "id": "92310f89-0000-4000-8000-000000000000", "args": ["org1", "Raghu"], "kwargs": {"force_position_regeneration": true},
 "group": null, "group_index": null, "retries": 0, "eta": null, "expires": null, "utc": true, "callbacks": null,
 "errbacks": null, "timelimit": [null, null], "taskset": null, "chord": null}"#;

/// Decodes a message, and makes sure that it needs no header that it says it does not look at.
pub(super) fn decode_with(headers: &Value, body: &[u8]) -> Result<TaskMessage, DecodeError> {
    let envelope = Envelope {
        content_type: Some("application/json"),
        content_encoding: Some("utf-8"),
        correlation_id: None,
        headers: headers.as_object().unwrap(),
        body,
    };
    let decoded = decode(&envelope);
    let mut read = envelope.headers.clone();
    read.retain(|name, _| reads_header(name));
    assert_eq!(decode(&Envelope { headers: &read, ..envelope }), decoded, "{headers}");
    decoded
}

/// A message with the headers `task` and `id` and these ones.
fn decode_headers(more: Value) -> Result<TaskMessage, DecodeError> {
    let mut headers = json!({"task": "app.tasks.add", "id": "1"});
    headers.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    decode_with(&headers, b"[[], {}, {}]")
}

pub(super) fn decode_body(body: &str) -> Result<TaskMessage, DecodeError> {
    decode_with(&json!({"task": "app.tasks.add", "id": "1"}), body.as_bytes())
}

pub(super) fn reason<T: std::fmt::Debug>(outcome: Result<T, DecodeError>) -> &'static str {
    outcome.unwrap_err().reason.as_str()
}

pub(super) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_message_of_send_task_decodes() {
    let headers = serde_json::from_str(SEND_TASK_HEADERS).unwrap();
    let message = decode_with(&headers, SEND_TASK_BODY.as_bytes()).unwrap();
    assert_eq!((message.task.as_str(), message.id.as_str()), (SYNC, "e79f01d8-317b-45c5-bb9f-5c94f1906aa5"));
    assert_eq!(message.args, [json!("org1"), json!("Raghu")]);
    assert_eq!(Value::from(message.kwargs), json!({"force_position_regeneration": true}));
    assert_eq!((message.retries, message.eta, message.expires, message.time_limit), (0, None, None, None));
    assert_eq!((message.ignore_result, message.enqueued_at), (None, None));
    assert_eq!(message.root_id.as_deref(), Some("e79f01d8-317b-45c5-bb9f-5c94f1906aa5"));
    assert!(message.embed.is_empty());
}

#[test]
fn a_message_of_protocol_1_decodes() {
    let message = decode_with(&json!({}), PROTOCOL_1_BODY.as_bytes()).unwrap();
    assert_eq!((message.task.as_str(), message.args.len(), message.kwargs.len()), (SYNC, 2, 1));
    assert_eq!(message.id, "92310f89-0000-4000-8000-000000000000");
    let minimal = decode_with(&json!({}), br#"{"task": "a", "id": "1", "retries": 2}"#).unwrap();
    assert_eq!((minimal.args.len(), minimal.retries), (0, 2));
    assert_eq!(reason(decode_with(&json!({}), br#"{"task": "a"}"#)), "no_id");
    assert_eq!(reason(decode_with(&json!({}), br#"{"id": "1"}"#)), "no_task");
    assert_eq!(reason(decode_with(&json!({}), br#"{"task": "a", "id": "1", "args": 1}"#)), "bad_body");
    let error = decode_with(&json!({}), br#"{"task": "a", "id": "1", "eta": 1}"#).unwrap_err();
    assert_eq!((error.id.as_deref(), error.task.as_deref()), (Some("1"), Some("a")));
}

#[test]
fn every_captured_message_decodes() {
    let frames: Vec<Value> = serde_json::from_str(include_str!("../../tests/captures/tasks.json")).unwrap();
    assert!(frames.len() >= 40, "{}", frames.len());
    let mut refused = Vec::new();
    for frame in &frames {
        match decode_frame(frame) {
            Ok(message) => assert!(!message.id.is_empty() && !message.task.is_empty()),
            Err(error) => refused.push((frame["label"].as_str().unwrap(), error.reason.as_str())),
        }
    }
    // As a Celery worker does, unless it is told to trust them.
    assert_eq!(
        refused,
        [("serializer=pickle", "unsupported_content_type"), ("serializer=yaml", "unsupported_content_type"),]
    );
}

fn decode_frame(frame: &Value) -> Result<TaskMessage, DecodeError> {
    let (properties, none) = (&frame["properties"], Map::new());
    let raw = frame["body_raw"].as_str().unwrap();
    let body = match raw.strip_prefix("hex:") {
        Some(hex) => {
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
        }
        None => raw.as_bytes().to_vec(),
    };
    decode(&Envelope {
        content_type: properties["content_type"].as_str(),
        content_encoding: properties["content_encoding"].as_str(),
        correlation_id: properties["correlation_id"].as_str(),
        headers: properties["headers"].as_object().unwrap_or(&none),
        body: &body,
    })
}

#[test]
fn the_content_type_is_exactly_json_and_the_encoding_a_text_one() {
    let headers = json!({"task": "a", "id": "1"});
    let with = |content_type, content_encoding| {
        decode(&Envelope {
            content_type,
            content_encoding,
            correlation_id: None,
            headers: headers.as_object().unwrap(),
            body: b"[[],{},{}]",
        })
    };
    for encoding in [None, Some(""), Some("utf-8"), Some("UTF-8"), Some("us-ascii")] {
        assert!(with(Some("application/json"), encoding).is_ok(), "{encoding:?}");
    }
    for encoding in ["binary", "base64", "latin-1"] {
        assert_eq!(reason(with(Some("application/json"), Some(encoding))), "unsupported_encoding");
    }
    for content_type in [
        None,
        Some("text/json"),
        Some("application/json; charset=utf-8"),
        Some("application/x-python-serialize"),
    ] {
        assert_eq!(reason(with(content_type, Some("utf-8"))), "unsupported_content_type");
    }
}

#[test]
fn a_missing_or_unusable_id_or_task_is_told_apart() {
    let body = b"[[],{},{}]";
    let long = "x".repeat(256);
    for (headers, expected) in [
        (json!({}), "no_task"),
        (json!({"id": "1"}), "no_task"),
        (json!({"id": "1", "task": null}), "no_task"),
        (json!({"id": "1", "task": ""}), "no_task"),
        (json!({"id": "1", "task": 7}), "bad_headers"),
        (json!({"task": "a"}), "no_id"),
        (json!({"task": "a", "id": null}), "no_id"),
        (json!({"task": "a", "id": ""}), "no_id"),
        (json!({"task": "a", "id": 7}), "bad_headers"),
        (json!({"task": "a", "id": ["1"]}), "bad_headers"),
        (json!({"task": "a", "id": long}), "bad_headers"),
        (json!({"task": "a", "id": "one\ntwo"}), "bad_headers"),
        (json!({"task": "a", "id": "nul\u{0}"}), "bad_headers"),
    ] {
        assert_eq!(reason(decode_with(&headers, body)), expected, "{headers}");
    }
    let fits = json!({"task": "a", "id": "x".repeat(255)});
    assert!(decode_with(&fits, body).is_ok());
}

#[test]
fn an_error_names_the_job_wherever_it_is_known() {
    let error = decode_with(&json!({"task": "a", "id": "1"}), b"{").unwrap_err();
    assert_eq!((error.id.as_deref(), error.task.as_deref()), (Some("1"), Some("a")));
    let headers = json!({"task": "a", "id": "x".repeat(300)});
    let error = decode(&Envelope {
        content_type: None,
        content_encoding: None,
        correlation_id: Some("from-correlation"),
        headers: headers.as_object().unwrap(),
        body: b"",
    })
    .unwrap_err();
    assert_eq!((error.id.as_deref(), error.task.as_deref()), (Some("from-correlation"), Some("a")));
    assert_eq!(error.to_string(), "unsupported_content_type: no content type");
}

#[test]
fn bodies_of_another_shape_are_refused() {
    let deep = format!("[[{}{}], {{}}, {{}}]", "[".repeat(200_000), "]".repeat(200_000));
    for (body, expected) in [
        ("", "not_json"),
        ("{", "not_json"),
        ("\u{feff}[[],{},{}]", "not_json"),
        ("[[NaN], {}, {}]", "not_json"),
        ("[[], {}, {}] x", "not_json"),
        (deep.as_str(), "not_json"),
        ("{}", "bad_body"),
        ("null", "bad_body"),
        ("[[], {}]", "bad_body"),
        ("[[], {}, {}, {}]", "bad_body"),
        ("[{}, {}, {}]", "bad_body"),
        ("[null, {}, {}]", "bad_body"),
        ("[[], [], {}]", "bad_body"),
        ("[[], null, {}]", "bad_body"),
        ("[[], {}, []]", "bad_body"),
        (r#"[[], {}, {"callbacks": {}}]"#, "bad_body"),
        (r#"[[], {}, {"chain": "x"}]"#, "bad_body"),
    ] {
        assert_eq!(reason(decode_body(body)), expected, "{}", &body[..body.len().min(60)]);
    }
    assert_eq!(reason(decode_with(&json!({"task": "a", "id": "1"}), b"[[\"\xff\"], {}, {}]")), "not_json");
}

#[test]
fn embedded_signatures_are_kept_as_they_came() {
    assert!(decode_body("[[], {}, null]").unwrap().embed.is_empty());
    let message = decode_body(
        r#"[[], {}, {"callbacks": [{"task": "b"}], "errbacks": [{"task": "e"}], "chain": [{"task": "c"}],
            "chord": {"task": "d"}, "later": 1}]"#,
    );
    let embed = message.unwrap().embed;
    assert_eq!((embed.callbacks[0]["task"].as_str(), embed.errbacks.len()), (Some("b"), 1));
    assert_eq!((embed.chain.len(), embed.has_chord(), embed.is_empty()), (1, true, false));
}

#[test]
fn numbers_in_arguments_keep_their_digits() {
    let message = decode_body("[[18446744073709551616, 0.10000000000000000001], {}, {}]").unwrap();
    assert_eq!(message.args[0].to_string(), "18446744073709551616");
    assert_eq!(message.args[1].to_string(), "0.10000000000000000001");
}

#[test]
fn headers_of_any_width_and_wording_are_understood() {
    for retries in [json!(3), json!(3.0), json!("3"), json!(" 3 ")] {
        assert_eq!(decode_headers(json!({"retries": retries})).unwrap().retries, 3);
    }
    assert_eq!(decode_headers(json!({"retries": null})).unwrap().retries, 0);
    for limits in [json!([300, 240]), json!(["300", "240"]), json!([300.0, 240.0])] {
        let message = decode_headers(json!({"timelimit": limits})).unwrap();
        assert_eq!(message.time_limit, Some(Duration::from_secs(300)));
        assert_eq!(message.soft_time_limit, Some(Duration::from_secs(240)));
    }
    for limits in [json!(null), json!([]), json!([null, null]), json!([0, 0])] {
        assert_eq!(decode_headers(json!({"timelimit": limits})).unwrap().time_limit, None);
    }
    let message = decode_headers(json!({
        "group": "g", "group_index": "2", "parent_id": 5, "root_id": {}, "ignore_result": 1, "stamps": [1],
        "eta": "2026-11-22T13:14:58.822443+00:00", "expires": "2026-11-22T18:44:58+05:30",
        "syncfleet-enqueued-at": "2026-11-22T13:14:58Z", "syncfleet-replayed-at": "2026-11-22T14:00:00Z",
        "x-death": [{"count": 1}],
    }))
    .unwrap();
    assert_eq!((message.group.as_deref(), message.group_index), (Some("g"), Some(2)));
    assert_eq!((message.parent_id, message.root_id, message.ignore_result), (None, None, Some(true)));
    assert_eq!(message.eta, parse_time("2026-11-22T13:14:58.822443Z"));
    assert_eq!(message.expires, message.enqueued_at);
    assert_eq!(message.replayed_at, parse_time("2026-11-22T14:00:00Z"));
    assert_eq!(decode_headers(json!({"syncfleet-enqueued-at": 5})).unwrap().enqueued_at, None);
}

#[test]
fn headers_that_decide_about_the_run_must_make_sense() {
    for header in [
        json!({"eta": "nope"}),
        json!({"eta": ""}),
        json!({"eta": 1_795_354_067}),
        json!({"expires": "zzz"}),
        json!({"expires": 30}),
        json!({"expires": 30.5}),
        json!({"retries": -1}),
        json!({"retries": 1.5}),
        json!({"retries": 4_294_967_296_u64}),
        json!({"retries": "many"}),
        json!({"retries": true}),
        json!({"timelimit": 300}),
        json!({"timelimit": [-1, null]}),
        json!({"timelimit": ["inf", null]}),
        json!({"timelimit": [null, "x"]}),
        json!({"timelimit": [1e300, null]}),
        json!({"ignore_result": "yes"}),
    ] {
        assert_eq!(reason(decode_headers(header.clone())), "bad_headers", "{header}");
    }
}

#[test]
fn an_error_stays_short_whatever_was_sent() {
    let huge = "é".repeat(100_000);
    for outcome in [
        decode_headers(json!({ "eta": huge })),
        decode_headers(json!({ "timelimit": [huge] })),
        decode_headers(json!({ "compression": {"x": huge} })),
        decode_body(&json!([huge, {}, {}]).to_string()),
        decode_with(&json!({"task": huge, "id": "1"}), b"[[],{},{}]"),
    ] {
        let error = outcome.unwrap_err();
        assert!(error.to_string().len() < 300, "{}", error.to_string().len());
    }
}
