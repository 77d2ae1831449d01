//! Answers spoilt at random, and what may be made of them.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::tests::answer;

/// One way to spoil an answer.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    /// The value at some place is gone, with its name.
    Remove(Index),
    /// The value at some place is another one.
    Replace(Index, Value),
    /// The body ends early.
    Cut(Index),
    /// Some bits of a byte of the body are turned.
    Turn(Index, u8),
    /// The status is another one.
    Status(u16),
    /// The content type is another one, or none if empty.
    ContentType(&'static str),
}

/// Up to three of them at once.
pub(crate) fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let index = any::<Index>;
    let one = prop_oneof![
        4 => index().prop_map(Spoil::Remove),
        8 => (index(), select(others())).prop_map(|(at, other)| Spoil::Replace(at, other)),
        2 => index().prop_map(Spoil::Cut),
        4 => (index(), 1..=255_u8).prop_map(|(at, bits)| Spoil::Turn(at, bits)),
        1 => select(vec![201, 204, 206, 302, 400, 401, 403, 404, 429, 500, 502, 503]).prop_map(Spoil::Status),
        1 => select(vec!["", "text/html", "text/plain", "application/json; charset=utf-8"])
            .prop_map(Spoil::ContentType),
    ];
    prop::collection::vec(one, 1..=3)
}

fn others() -> Vec<Value> {
    let numbers = ["0", "-1", "1.5", "1e400", "-1e-400", "99999999999999999999999999999999", "9e18", "7e28"];
    let mut others: Vec<Value> = numbers.map(|number| serde_json::from_str(number).unwrap()).to_vec();
    others.extend([
        json!(null),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{}]),
        json!([null]),
    ]);
    others.extend(
        ["", " ", "0", "-7", "x", "\0", "success", "2025-06-17", "9999-12-31 23:59:59", "é"].map(Value::from),
    );
    others.push(json!("long".repeat(51)));
    others
}

/// The answer that is left of a whole one.
pub(crate) fn spoilt(whole: &Value, spoils: &[Spoil]) -> Answer {
    let mut body = whole.clone();
    for spoil in spoils {
        match spoil {
            Spoil::Remove(at) => drop(change(&mut body, at, None)),
            Spoil::Replace(at, other) => drop(change(&mut body, at, Some(other.clone()))),
            _ => {}
        }
    }
    let mut spoilt = answer(200, "application/json", &body.to_string());
    for spoil in spoils {
        match spoil {
            Spoil::Cut(at) => spoilt.body.truncate(at.index(spoilt.body.len() + 1)),
            Spoil::Turn(at, bits) if !spoilt.body.is_empty() => {
                let at = at.index(spoilt.body.len());
                spoilt.body[at] ^= bits;
            }
            Spoil::Status(status) => spoilt.status = (*status).try_into().unwrap(),
            Spoil::ContentType(declared) => spoilt.content_type = answer(200, declared, "").content_type,
            _ => {}
        }
    }
    spoilt
}

/// Puts another value, or none, at some place of a document.
fn change(document: &mut Value, at: &Index, other: Option<Value>) -> Option<Value> {
    let places = places(document, "");
    let place = at.get(&places);
    match (place.rsplit_once('/'), other) {
        (None, other) => Some(std::mem::replace(document, other.unwrap_or_default())),
        (Some(_), Some(other)) => Some(std::mem::replace(document.pointer_mut(place)?, other)),
        (Some((parent, name)), None) => match document.pointer_mut(parent)? {
            Value::Object(fields) => fields.remove(name),
            Value::Array(elements) => Some(elements.remove(name.parse().ok()?)),
            _ => None,
        },
    }
}

/// JSON pointers to all values in a document, itself first.
fn places(value: &Value, here: &str) -> Vec<String> {
    let mut all = vec![here.to_owned()];
    match value {
        Value::Object(fields) => {
            all.extend(fields.iter().flat_map(|(name, value)| places(value, &format!("{here}/{name}"))));
        }
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            all.extend(elements.flat_map(|(index, value)| places(value, &format!("{here}/{index}"))));
        }
        _ => {}
    }
    all
}

/// The JSON object of an answer that is a well-formed success as far as HTTP goes.
pub(crate) fn object(answer: &Answer) -> Option<Map<String, Value>> {
    let declared = answer.content_type.as_deref();
    let json = declared.is_none_or(|declared| declared.starts_with("application/json"));
    let body = Some(&answer.body).filter(|_| answer.status == 200 && json)?;
    serde_json::from_slice(body).ok()
}
