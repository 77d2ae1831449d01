//! Answers spoilt at random are errors or whole, and never a panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::rows::Rows;
use super::super::{envelope, holding, margin, order, position};
use super::with;
use crate::BrokerageError;
use crate::answer::Answer;
use crate::tests::PSEUDO_ACCOUNT;
use crate::tests::mangling::{object, spoils, spoilt};

fn whole(rows: Value) -> Value {
    json!({"status": true, "result": rows, "message": null, "commandId": null})
}

/// The rows of an answer that is a success.
fn told(answer: &Answer) -> Option<Vec<Value>> {
    let envelope = object(answer)?;
    let success = envelope.get("status")? == true;
    success.then(|| envelope.get("result")?.as_array().cloned())?
}

fn read<T>(
    answer: Answer,
    read: fn(&Rows) -> Result<Vec<T>, BrokerageError>,
) -> Result<Vec<T>, BrokerageError> {
    read(&Rows::of(envelope::open(answer)?, PSEUDO_ACCOUNT)?)
}

#[test]
fn what_is_not_spoilt_is_whole() {
    let answer = spoilt(&whole(json!([super::order()])), &[]);
    assert_eq!(told(&answer), Some(vec![super::order()]));
    assert_eq!(read(answer, order::read).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn orders_are_all_there_or_none(spoils in spoils()) {
        let order = |id: &str| with(super::order(), json!({"id": id}));
        let answer = spoilt(&whole(json!([order("1"), order("2"), order("3")])), &spoils);
        if let Ok(book) = read(answer.clone(), order::read) {
            let told = told(&answer).unwrap_or_default();
            let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), |id| id.trim().to_owned());
            let ids: Vec<String> = told.iter().filter_map(|row| row.get("id").map(text)).collect();
            prop_assert!(!told.is_empty() || object(&answer).and_then(|answer| answer.get("result").cloned()) == Some(json!([])));
            prop_assert_eq!(book.into_iter().map(|order| order.broker_order_id).collect::<Vec<_>>(), ids);
        }
    }

    #[test]
    fn positions_are_all_there_or_none(spoils in spoils()) {
        let day = with(super::position(), json!({"category": "DAY"}));
        let answer = spoilt(&whole(json!([super::position(), day, super::position()])), &spoils);
        if let Ok(positions) = read(answer.clone(), position::read) {
            let told = told(&answer).unwrap();
            let net = told.iter().filter(|row| row["category"].as_str().is_some_and(|of| of.trim().eq_ignore_ascii_case("net")));
            prop_assert_eq!(positions.len(), net.count());
            prop_assert!(told.is_empty() || !positions.is_empty());
        }
    }

    #[test]
    fn holdings_are_all_there_or_none(spoils in spoils()) {
        let answer = spoilt(&whole(json!([super::holding(), super::holding()])), &spoils);
        if let Ok(holdings) = read(answer.clone(), holding::read) {
            prop_assert_eq!(Some(holdings.len()), told(&answer).map(|rows| rows.len()));
        }
    }

    #[test]
    fn margins_are_all_there_or_none(spoils in spoils()) {
        let answer = spoilt(&whole(json!([super::margin(), super::margin()])), &spoils);
        if let Ok(margins) = read(answer.clone(), margin::read) {
            prop_assert_eq!(Some(margins.len()), told(&answer).map(|rows| rows.len()));
        }
    }
}
