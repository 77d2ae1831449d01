use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::repr::repr;
use crate::{ENQUEUED_AT, Embed, format_time};

/// How long `argsrepr` and `kwargsrepr` may be: they are for display only and cost a header.
const REPR_LIMIT: usize = 1024;

/// A task to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// The task id, also the message's `correlation_id`.
    pub id: String,
    /// The task name.
    pub task: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// Not to be run before this instant.
    pub eta: Option<DateTime<Utc>>,
    /// Not to be run after this instant.
    pub expires: Option<DateTime<Utc>>,
    /// Whether nobody will ask for the result; `None` leaves that to the task's own default.
    pub ignore_result: Option<bool>,
    /// The hard time limit, in seconds.
    pub time_limit: Option<f64>,
    /// The soft time limit, in seconds.
    pub soft_time_limit: Option<f64>,
    /// The name that monitors show instead of the task's.
    pub shadow: Option<String>,
    /// The first task of its tree; `None`: itself.
    pub root_id: Option<String>,
    /// The task that sends it.
    pub parent_id: Option<String>,
    /// The group it is a member of.
    pub group: Option<String>,
    /// Its place in that group.
    pub group_index: Option<u64>,
    /// What is to follow it.
    pub embed: Embed,
    /// Who sends it, for display: `gen<pid>@<host>` in Celery.
    pub origin: String,
    /// When it was enqueued, by PostgreSQL's clock.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// Further headers, such as `traceparent`. They never replace one that this crate writes.
    pub extra_headers: Map<String, Value>,
}

impl NewTask {
    /// A task with nothing but an id, a name and who sends it; result wanted, nothing else set.
    pub fn new(id: impl Into<String>, task: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            task: task.into(),
            args: Vec::new(),
            kwargs: Map::new(),
            eta: None,
            expires: None,
            ignore_result: Some(false),
            time_limit: None,
            soft_time_limit: None,
            shadow: None,
            root_id: None,
            parent_id: None,
            group: None,
            group_index: None,
            embed: Embed::default(),
            origin: origin.into(),
            enqueued_at: None,
            extra_headers: Map::new(),
        }
    }
}

/// The headers and body of a task message. The publisher adds the properties `content_type` `application/json`,
/// `content_encoding` `utf-8`, `delivery_mode` 2 and `correlation_id` = the task id; Celery workers die of a message
/// without the first two.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The message headers, every one that a Celery 5.7 producer sets.
    pub headers: Map<String, Value>,
    /// `[args, kwargs, embed]` as JSON.
    pub body: Vec<u8>,
}

/// Encodes a task as a protocol 2 message.
pub fn encode(task: &NewTask) -> Encoded {
    let (args, kwargs) = (Value::from(task.args.clone()), Value::from(task.kwargs.clone()));
    let mut headers = task.extra_headers.clone();
    let own = [
        ("lang", json!("rs")),
        ("task", json!(task.task)),
        ("id", json!(task.id)),
        ("shadow", json!(task.shadow)),
        ("eta", json!(task.eta.map(format_time))),
        ("expires", json!(task.expires.map(format_time))),
        ("group", json!(task.group)),
        ("group_index", json!(task.group_index)),
        ("retries", json!(0)),
        ("timelimit", json!([task.time_limit, task.soft_time_limit])),
        ("root_id", json!(task.root_id.as_ref().unwrap_or(&task.id))),
        ("parent_id", json!(task.parent_id)),
        ("argsrepr", json!(repr(&args, REPR_LIMIT))),
        ("kwargsrepr", json!(repr(&kwargs, REPR_LIMIT))),
        ("origin", json!(task.origin)),
        ("ignore_result", json!(task.ignore_result)),
        ("replaced_task_nesting", json!(0)),
        ("stamped_headers", Value::Null),
        ("stamps", json!({})),
    ];
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(instant) = task.enqueued_at {
        headers.insert(ENQUEUED_AT.to_owned(), json!(format_time(instant)));
    }
    let body = Value::Array(vec![args, kwargs, task.embed.to_json()]);
    Encoded { headers, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Envelope, TaskMessage, decode, parse_time};

    fn task() -> NewTask {
        let mut task = NewTask::new("job-1", "app.tasks.sync", "syncfleet@host");
        task.args = vec![json!("org1"), json!("Raghu")];
        task.kwargs.insert("force_position_regeneration".to_owned(), json!(true));
        task
    }

    fn decoded(encoded: &Encoded) -> TaskMessage {
        decode(&Envelope {
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            correlation_id: Some("job-1"),
            headers: &encoded.headers,
            body: &encoded.body,
        })
        .unwrap()
    }

    #[test]
    fn the_wire_form_is_that_of_a_celery_producer() {
        let encoded = encode(&task());
        assert_eq!(
            Value::from(encoded.headers),
            json!({
                "lang": "rs", "task": "app.tasks.sync", "id": "job-1", "shadow": null, "eta": null, "expires": null,
                "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "job-1",
                "parent_id": null, "argsrepr": "['org1', 'Raghu']",
                "kwargsrepr": "{'force_position_regeneration': True}", "origin": "syncfleet@host",
                "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {},
            })
        );
        let body = r#"[["org1","Raghu"],{"force_position_regeneration":true},{"callbacks":null,"chain":null,"chord":null,"errbacks":null}]"#;
        assert_eq!(String::from_utf8(encoded.body).unwrap(), body);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let mut task = task();
        task.eta = parse_time("2026-11-22T13:14:58.822443Z");
        task.expires = parse_time("2026-11-22T13:19:58Z");
        task.enqueued_at = parse_time("2026-11-22T13:14:00.5Z");
        task.ignore_result = Some(true);
        let encoded = encode(&task);
        assert_eq!(encoded.headers["eta"], "2026-11-22T13:14:58.822443+00:00");
        assert_eq!(encoded.headers["expires"], "2026-11-22T13:19:58+00:00");
        let message = decoded(&encoded);
        assert_eq!((&message.id, &message.task), (&task.id, &task.task));
        assert_eq!((&message.args, &message.kwargs), (&task.args, &task.kwargs));
        assert_eq!(
            (message.eta, message.expires, message.enqueued_at),
            (task.eta, task.expires, task.enqueued_at)
        );
        assert_eq!((message.ignore_result, message.retries), (Some(true), 0));
        assert_eq!(message.root_id.as_deref(), Some("job-1"));
        assert!(message.embed.is_empty());
    }

    #[test]
    fn extra_headers_are_added_but_never_replace_ours() {
        let mut task = task();
        task.extra_headers.insert("traceparent".to_owned(), json!("00-1-2-01"));
        task.extra_headers.insert("id".to_owned(), json!("other"));
        let encoded = encode(&task);
        assert_eq!(
            (&encoded.headers["traceparent"], &encoded.headers["id"]),
            (&json!("00-1-2-01"), &json!("job-1"))
        );
    }

    #[test]
    fn the_reprs_stay_short_whatever_the_arguments() {
        let mut task = task();
        task.args = vec![json!("x".repeat(100_000))];
        task.kwargs.insert("y".to_owned(), json!(vec!["\u{0}"; 10_000]));
        let encoded = encode(&task);
        for header in ["argsrepr", "kwargsrepr"] {
            let text = encoded.headers[header].as_str().unwrap();
            assert!(text.len() < 1_100 && text.ends_with("..."), "{header}");
        }
        assert_eq!(decoded(&encoded).args, task.args);
    }
}
