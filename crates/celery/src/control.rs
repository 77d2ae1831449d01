use serde_json::{Map, Value, json};
use wildmatch::WildMatch;

use crate::body::{self, QUOTE_LIMIT};
use crate::repr::repr;
use crate::{DecodeError, Envelope, Reason, field};

/// The fanout exchange by which requests reach every worker.
pub const CONTROL_EXCHANGE: &str = "celery.pidbox";
/// The direct exchange by which answers reach whoever asked.
pub const ANSWER_EXCHANGE: &str = "reply.celery.pidbox";

/// A request of `celery inspect`, `celery control` and their like that a worker should carry out.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlRequest {
    /// What is to be done, such as `ping`.
    pub method: String,
    /// By name; unchecked.
    pub arguments: Map<String, Value>,
    /// Where the answer goes, if one is wanted.
    pub answer_to: Option<AnswerTo>,
    /// The sender's logical clock.
    pub clock: Option<u64>,
}

/// The queue of whoever asked, and the ticket by which the answer is known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTo {
    /// Routing key on [`ANSWER_EXCHANGE`].
    pub routing_key: String,
    /// Goes into the answer's header `ticket`.
    pub ticket: String,
}

/// Decodes a request; `None` when it is for other workers only.
///
/// # Errors
///
/// [`Reason::BadBody`] and those of a body that cannot be read. An answer to another exchange than Celery's is refused:
/// else a stranger could make every worker publish wherever it likes.
pub fn decode_control(envelope: &Envelope<'_>, node: &str) -> Result<Option<ControlRequest>, DecodeError> {
    let request = match body::parse(envelope)? {
        Value::Object(request) => request,
        other => return Err(bad("the request", "an object", &other)),
    };
    if !is_for(&request, node)? {
        return Ok(None);
    }
    let method = match request.get("method") {
        Some(Value::String(method)) if field::is_name(method) => method.clone(),
        other => return Err(bad("method", "a name", other.unwrap_or(&Value::Null))),
    };
    let arguments = match request.get("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(other) => return Err(bad("arguments", "an object", other)),
    };
    let clock = envelope.headers.get("clock").and_then(Value::as_u64);
    Ok(Some(ControlRequest { method, arguments, answer_to: answer_to(&request)?, clock }))
}

/// The body of a node's answer.
pub fn encode_answer(node: &str, payload: &Value) -> Vec<u8> {
    json!({ node: payload }).to_string().into_bytes()
}

/// The body of a request to these nodes, or to all; with `answer_to` they answer.
pub fn encode_control(
    method: &str,
    arguments: &Value,
    destination: Option<&[String]>,
    answer_to: Option<&AnswerTo>,
) -> Vec<u8> {
    let mut request = json!({"method": method, "arguments": arguments, "destination": destination,
                             "pattern": null, "matcher": null});
    if let Some(AnswerTo { routing_key, ticket }) = answer_to {
        request["ticket"] = json!(ticket);
        request["reply_to"] = json!({"exchange": ANSWER_EXCHANGE, "routing_key": routing_key});
    }
    request.to_string().into_bytes()
}

/// What the nodes of an answer say; usually one.
///
/// # Errors
///
/// As [`decode_control`].
pub fn decode_answer(envelope: &Envelope<'_>) -> Result<Map<String, Value>, DecodeError> {
    match body::parse(envelope)? {
        Value::Object(nodes) => Ok(nodes),
        other => Err(bad("the answer", "an object", &other)),
    }
}

/// As kombu decides it: a list of nodes comes first, then a pattern, and without either all are meant.
fn is_for(request: &Map<String, Value>, node: &str) -> Result<bool, DecodeError> {
    match request.get("destination") {
        None | Some(Value::Null) => {}
        Some(Value::String(only)) if only.is_empty() => {}
        Some(Value::String(only)) => return Ok(only == node),
        Some(Value::Array(nodes)) if nodes.is_empty() => {}
        Some(Value::Array(nodes)) => return Ok(nodes.iter().any(|named| named.as_str() == Some(node))),
        Some(other) => return Err(bad("destination", "a list", other)),
    }
    let text = |name: &str| request.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(pattern), Some(matcher)) = (text("pattern"), text("matcher")) else { return Ok(true) };
    match matcher {
        "glob" if field::is_name(pattern) => Ok(WildMatch::new(pattern).matches(node)),
        "glob" => Err(bad("pattern", "a short pattern", &json!(pattern))),
        other => Err(bad("matcher", "glob, the only one that is known here", &json!(other))),
    }
}

fn answer_to(request: &Map<String, Value>) -> Result<Option<AnswerTo>, DecodeError> {
    let Some(reply_to) = request.get("reply_to").filter(|reply_to| !reply_to.is_null()) else {
        return Ok(None);
    };
    let text = |value: &Value| value.as_str().filter(|text| field::is_name(text)).map(str::to_owned);
    if reply_to["exchange"] != ANSWER_EXCHANGE {
        return Err(bad("the exchange of reply_to", ANSWER_EXCHANGE, &reply_to["exchange"]));
    }
    let routing_key = text(&reply_to["routing_key"]);
    let ticket = request.get("ticket").and_then(text);
    match (routing_key, ticket) {
        (Some(routing_key), Some(ticket)) => Ok(Some(AnswerTo { routing_key, ticket })),
        _ => Err(bad("reply_to", "a routing key, with a ticket beside it", reply_to)),
    }
}

fn bad(what: &str, expected: &str, value: &Value) -> DecodeError {
    let detail = format!("{what} should be {expected}, not {}", repr(value, QUOTE_LIMIT));
    DecodeError::new(Reason::BadBody, detail)
}

#[cfg(test)]
mod tests;
