use serde_json::{Map, Value};

use crate::body::{self, QUOTE_LIMIT};
use crate::repr::repr;
use crate::time::parse_time;
use crate::{DecodeError, ENQUEUED_AT, Embed, Envelope, REPLAYED_AT, Reason, TaskMessage, field};

/// Headers that [`decode`] looks at. Of what a producer sends they are less than half.
const HEADERS: [&str; 14] = [
    "task",
    "id",
    "retries",
    "eta",
    "expires",
    "root_id",
    "parent_id",
    "group",
    "group_index",
    "ignore_result",
    "timelimit",
    "compression",
    ENQUEUED_AT,
    REPLAYED_AT,
];

/// Whether [`decode`] looks at a header of this name: an envelope needs no others.
pub fn reads_header(name: &str) -> bool {
    HEADERS.contains(&name)
}

/// Decodes one delivery as a Celery task message.
///
/// With a `task` header it is protocol 2 (everything but the arguments in headers, body `[args, kwargs, embed]`),
/// without one protocol 1 (everything in a body object). Only `task` and `id` are required; unknown fields are
/// ignored.
///
/// # Errors
///
/// A [`DecodeError`] for anything else, with id and task name where they are known. It never panics, reads at most
/// [`BODY_LIMIT`](crate::BODY_LIMIT) bytes and keeps its error texts short.
pub fn decode(envelope: &Envelope<'_>) -> Result<TaskMessage, DecodeError> {
    let outcome = body::parse(envelope).and_then(|body| {
        if field::get(envelope.headers, "task").is_some() {
            decode_protocol_2(envelope.headers, body)
        } else {
            decode_protocol_1(envelope.headers, body)
        }
    });
    outcome.map_err(|error| {
        let mut error = identify(error, envelope.headers);
        error.id =
            error.id.or_else(|| envelope.correlation_id.filter(|id| field::is_name(id)).map(str::to_owned));
        error
    })
}

/// Adds the id and task name that `fields` know to an error that lacks them.
fn identify(mut error: DecodeError, fields: &Map<String, Value>) -> DecodeError {
    let name = |field: &str| field::text(fields, field).filter(|name| field::is_name(name));
    error.id = error.id.or_else(|| name("id"));
    error.task = error.task.or_else(|| name("task"));
    error
}

fn decode_protocol_2(headers: &Map<String, Value>, body: Value) -> Result<TaskMessage, DecodeError> {
    // First the headers: a message without an id is told so even when its body is wrong as well.
    let message = from_fields(headers, headers)?;
    let Value::Array(parts) = body else {
        return Err(bad_body("the body", "a list", &body));
    };
    let parts: [Value; 3] = parts.try_into().map_err(|parts: Vec<Value>| {
        let detail = format!("the body has {} elements, not args, kwargs and embed", parts.len());
        DecodeError::new(Reason::BadBody, detail)
    })?;
    let [args, kwargs, embed] = parts;
    Ok(TaskMessage {
        args: list("args", args)?,
        kwargs: object("kwargs", kwargs)?,
        embed: embedded(&mut nullable_object("embed", embed)?)?,
        ..message
    })
}

fn decode_protocol_1(headers: &Map<String, Value>, body: Value) -> Result<TaskMessage, DecodeError> {
    let Value::Object(mut fields) = body else {
        return Err(DecodeError::new(Reason::NoTask, "no task header and no body of protocol 1"));
    };
    from_body(&mut fields, headers).map_err(|error| identify(error, &fields))
}

fn from_body(
    fields: &mut Map<String, Value>,
    headers: &Map<String, Value>,
) -> Result<TaskMessage, DecodeError> {
    // A copy of ours (a retry, a replay) says in headers what has changed since.
    for name in ["retries", "eta", "expires"] {
        if let Some(value) = headers.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let message = from_fields(fields, headers)?;
    Ok(TaskMessage {
        args: nullable_list("args", take(fields, "args"))?,
        kwargs: nullable_object("kwargs", take(fields, "kwargs"))?,
        embed: embedded(fields)?,
        ..message
    })
}

/// The message without its arguments. What only we write is a header in either protocol.
fn from_fields(
    fields: &Map<String, Value>,
    headers: &Map<String, Value>,
) -> Result<TaskMessage, DecodeError> {
    let task = field::name(fields, "task", Reason::NoTask)?;
    let id = field::name(fields, "id", Reason::NoId)?;
    let (time_limit, soft_time_limit) = field::time_limits(fields)?;
    Ok(TaskMessage {
        id,
        task,
        args: Vec::new(),
        kwargs: Map::new(),
        retries: field::count(fields, "retries")?,
        eta: field::instant(fields, "eta")?,
        expires: field::instant(fields, "expires")?,
        root_id: field::text(fields, "root_id"),
        parent_id: field::text(fields, "parent_id"),
        group: field::text(fields, "group"),
        group_index: field::index(fields, "group_index"),
        ignore_result: field::flag(fields, "ignore_result")?,
        time_limit,
        soft_time_limit,
        embed: Embed::default(),
        enqueued_at: field::text(headers, ENQUEUED_AT).as_deref().and_then(parse_time),
        replayed_at: field::text(headers, REPLAYED_AT).as_deref().and_then(parse_time),
    })
}

fn embedded(fields: &mut Map<String, Value>) -> Result<Embed, DecodeError> {
    Ok(Embed {
        callbacks: nullable_list("callbacks", take(fields, "callbacks"))?,
        errbacks: nullable_list("errbacks", take(fields, "errbacks"))?,
        chain: nullable_list("chain", take(fields, "chain"))?,
        chord: Some(take(fields, "chord")).filter(|chord| !chord.is_null()),
    })
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Value {
    fields.remove(name).unwrap_or(Value::Null)
}

fn list(what: &str, value: Value) -> Result<Vec<Value>, DecodeError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(bad_body(what, "a list", &other)),
    }
}

fn nullable_list(what: &str, value: Value) -> Result<Vec<Value>, DecodeError> {
    if value.is_null() { Ok(Vec::new()) } else { list(what, value) }
}

fn object(what: &str, value: Value) -> Result<Map<String, Value>, DecodeError> {
    match value {
        Value::Object(entries) => Ok(entries),
        other => Err(bad_body(what, "an object", &other)),
    }
}

fn nullable_object(what: &str, value: Value) -> Result<Map<String, Value>, DecodeError> {
    if value.is_null() { Ok(Map::new()) } else { object(what, value) }
}

fn bad_body(what: &str, expected: &str, value: &Value) -> DecodeError {
    let detail = format!("{what} should be {expected}, not {}", repr(value, QUOTE_LIMIT));
    DecodeError::new(Reason::BadBody, detail)
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
