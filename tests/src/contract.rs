//! What every notification is: the schemas in `deploy/schema`, which consumers go by, and its AMQP properties.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use testbed::Message;

/// Each message's type with its schema.
const SCHEMAS: [(&str, &str); 2] = [
    ("sync_completed", include_str!("../../deploy/schema/sync_completed.schema.json")),
    ("external_order_detected", include_str!("../../deploy/schema/external_order_detected.schema.json")),
];

static VALIDATORS: LazyLock<Vec<(&str, Validator)>> = LazyLock::new(|| {
    let compile = |(kind, text)| {
        let schema: Value = serde_json::from_str(text).expect("a schema that is JSON");
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        (kind, options.build(&schema).expect("a schema that holds together"))
    };
    SCHEMAS.into_iter().map(compile).collect()
});

/// The kinds of findings that the schema names, though it leaves them open.
static KINDS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMAS[0].1).expect("a schema that is JSON");
    let kinds = schema.pointer("/$defs/discrepancies/items/properties/kind/examples");
    kinds.and_then(Value::as_array).expect("kinds of findings").clone()
});

/// What a body says that the schema of its type refuses, a line each.
pub fn refused(body: &Value) -> Vec<String> {
    let kind = body["type"].as_str().unwrap_or_default();
    match VALIDATORS.iter().find(|(known, _)| *known == kind) {
        Some((_, validator)) => {
            validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
        }
        None => vec![format!("no message is of the type {}", body["type"])],
    }
}

/// What a collected message has that consumers were not promised, or lacks: in its body, its properties, and between the two.
pub fn violations(message: &Message) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(&message.payload) else {
        return vec!["the body is not JSON".to_owned()];
    };
    let mut found = refused(&body);
    let (properties, headers) = (&message.properties, &message.headers);
    let is_completion = body["type"] == "sync_completed";
    let full = &body["full_results"];
    let organization = if is_completion { &full["organization_id"] } else { &body["organization_id"] };
    let mut expect = |what: &str, value: &Value, expected: &Value| {
        if value != expected {
            found.push(format!("{what} is {value}, not {expected}"));
        }
    };
    expect("exchange", &json!(message.exchange), &json!("sync_notifications"));
    expect("type", &properties["type"], &body["type"]);
    expect("app_id", &properties["app_id"], &json!("syncfleet"));
    expect("content_type", &properties["content_type"], &json!("application/json"));
    expect("delivery_mode", &properties["delivery_mode"], &json!(2));
    expect("header organization_id", &headers["organization_id"], organization);
    if is_completion {
        expect("message_id", &properties["message_id"], &full["sync_id"]);
        for field in ["status", "account", "timestamp"] {
            let outer = if field == "status" { &body["summary"][field] } else { &body[field] };
            expect(&format!("full_results.{field}"), &full[field], outer);
        }
        let errors = full["errors"].as_array().map(Vec::len);
        expect("summary.errors", &body["summary"]["errors"], &json!(errors));
        expect("redis_sync.status", &full["redis_sync"]["status"], &body["summary"]["redis_status"]);
    } else {
        expect("order.pseudo_account", &body["order"]["pseudo_account"], &body["account"]);
        expect("order.organization_id", &body["order"]["organization_id"], &body["organization_id"]);
        if properties["message_id"].as_str().is_none_or(str::is_empty) {
            found.push("there is no message_id".to_owned());
        }
    }
    found.extend(sequence_violation(&headers["sequence"], &body));
    found.extend(key_violation(&message.routing_key, &body));
    found.extend(unknown_kinds(full));
    found
}

/// It is there and counts from 1; only a job that was given up without a report has none.
fn sequence_violation(sequence: &Value, body: &Value) -> Option<String> {
    let is_given_up = body["summary"]["status"] == "failed"
        && body["full_results"]["position_generation"]["reason"] == "not reached";
    let is_well = match sequence {
        Value::Null => is_given_up,
        sequence => sequence.as_u64().is_some_and(|sequence| sequence > 0),
    };
    (!is_well).then(|| format!("header sequence is {sequence}"))
}

/// Three words, of which the account's is plain where the name is.
fn key_violation(key: &str, body: &Value) -> Option<String> {
    let words: Vec<&str> = key.split('.').collect();
    let account = body["account"].as_str().unwrap_or_default();
    let is_plain = account.len() < 200 && account.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_well = words.len() == 3
        && words[0] == "account"
        && (words[1] == account || !is_plain)
        && Some(words[2]) == body["type"].as_str();
    (!is_well).then(|| format!("routing key {key} of the account {account}"))
}

/// A kind that the schema does not name nobody would learn of.
fn unknown_kinds(full: &Value) -> Vec<String> {
    (["position_generation", "external_detection"].iter())
        .flat_map(|step| full[*step]["discrepancies"].as_array().into_iter().flatten())
        .map(|finding| &finding["kind"])
        .filter(|kind| !KINDS.contains(kind))
        .map(|kind| format!("a finding of the kind {kind}, which the schema does not name"))
        .collect()
}
