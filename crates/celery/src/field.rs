//! Reading one loosely typed field of the headers (protocol 2) or of the body (protocol 1).
//!
//! Producers differ: integers come in any width, as floats or as text, absent is the same as null. What decides
//! about the run (`eta`, `expires`, `retries`, …) must make sense, everything else is let pass.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::body::QUOTE_LIMIT;
use crate::repr::repr;
use crate::time::parse_time;
use crate::{DecodeError, Reason};

/// The header in which our producers say when they enqueued a job; Celery has none for it.
pub const ENQUEUED_AT: &str = "syncfleet-enqueued-at";

/// The header that says when a dead letter was made a job again.
pub const REPLAYED_AT: &str = "syncfleet-replayed-at";

/// Ids and names end up in AMQP short strings, which hold no more.
const NAME_LIMIT: usize = 255;

/// The field, `None` where absent or null.
pub(crate) fn get<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// Whether `text` can be an id or a task name everywhere we store one (PostgreSQL refuses NUL, logs would be
/// forged by line ends).
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_LIMIT && !text.chars().any(char::is_control)
}

/// A mandatory id or name; `missing` is the reason when there is none.
pub(crate) fn name(fields: &Map<String, Value>, field: &str, missing: Reason) -> Result<String, DecodeError> {
    match get(fields, field) {
        None => Err(DecodeError::new(missing, format!("no {field}"))),
        Some(Value::String(text)) if text.is_empty() => {
            Err(DecodeError::new(missing, format!("an empty {field}")))
        }
        Some(Value::String(text)) if is_name(text) => Ok(text.clone()),
        Some(Value::String(text)) if text.len() > NAME_LIMIT => {
            let detail = format!("{field} has {} bytes, the limit is {NAME_LIMIT}", text.len());
            Err(DecodeError::new(Reason::BadHeaders, detail))
        }
        Some(other) => Err(bad(field, other)),
    }
}

/// A string that is only passed on: anything else counts as absent.
pub(crate) fn text(fields: &Map<String, Value>, field: &str) -> Option<String> {
    get(fields, field).and_then(Value::as_str).map(str::to_owned)
}

/// An optional number that is only passed on: anything else counts as absent.
pub(crate) fn index(fields: &Map<String, Value>, field: &str) -> Option<u64> {
    get(fields, field).and_then(integer).and_then(|number| u64::try_from(number).ok())
}

/// A count; absent is 0.
pub(crate) fn count(fields: &Map<String, Value>, field: &str) -> Result<u32, DecodeError> {
    match get(fields, field) {
        None => Ok(0),
        Some(value) => {
            integer(value).and_then(|number| u32::try_from(number).ok()).ok_or_else(|| bad(field, value))
        }
    }
}

/// A flag, also as 0 or 1.
pub(crate) fn flag(fields: &Map<String, Value>, field: &str) -> Result<Option<bool>, DecodeError> {
    match get(fields, field) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(value) => match integer(value) {
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            _ => Err(bad(field, value)),
        },
    }
}

/// An instant as text. A number is refused, as Celery does: nobody could say in which unit it is.
pub(crate) fn instant(
    fields: &Map<String, Value>,
    field: &str,
) -> Result<Option<DateTime<Utc>>, DecodeError> {
    match get(fields, field) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(parse_time) {
            Some(instant) => Ok(Some(instant)),
            None => Err(bad(field, value)),
        },
    }
}

/// The hard and the soft time limit, in seconds on the wire. A limit of 0 is none, as in Celery.
pub(crate) fn time_limits(
    fields: &Map<String, Value>,
) -> Result<(Option<Duration>, Option<Duration>), DecodeError> {
    const FIELD: &str = "timelimit";
    match get(fields, FIELD) {
        None => Ok((None, None)),
        Some(value @ Value::Array(limits)) => {
            let limit = |at: usize| seconds(limits.get(at)).map_err(|()| bad(FIELD, value));
            Ok((limit(0)?, limit(1)?))
        }
        Some(other) => Err(bad(FIELD, other)),
    }
}

fn seconds(value: Option<&Value>) -> Result<Option<Duration>, ()> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or(())?;
    Ok((!duration.is_zero()).then_some(duration))
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A float as the integer it stands for; beyond 2^53 floats stand for no single one.
fn integral(number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(number as i64)
}

fn bad(field: &str, value: &Value) -> DecodeError {
    DecodeError::new(Reason::BadHeaders, format!("{field} is {}", repr(value, QUOTE_LIMIT)))
}
