//! Answers spoilt at random are errors or whole, and never a panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{envelope, holding, margin, order, position, trade};
use super::with;
use crate::answer::Answer;
use crate::tests::mangling::{object, spoils, spoilt};

fn whole(data: Value) -> Value {
    json!({"status": "success", "data": data, "error_type": null})
}

/// The data of an answer that is a success by every rule of Kite's documentation.
fn told(answer: &Answer) -> Option<Value> {
    let envelope = object(answer)?;
    let error = envelope.get("error_type").is_some_and(|error| !error.is_null() && error != "");
    let success = envelope.get("status")? == "success" && !error;
    success.then(|| envelope.get("data").cloned())?
}

fn ids(list: &Value, name: &str) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|row| Some(row.get(name)?.as_str()?.trim().to_owned())).collect()
}

#[test]
fn what_is_not_spoilt_is_whole() {
    let answer = spoilt(&whole(json!([super::sample()])), &[]);
    assert_eq!(told(&answer), Some(json!([super::sample()])));
    assert_eq!(envelope::open(answer).and_then(order::read).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn orders_are_all_there_or_none(spoils in spoils()) {
        let order = |id: &str| with(super::sample(), json!({"order_id": id, "tags": ["a", "autoslice:9"]}));
        let answer = spoilt(&whole(json!([order("1"), order("2"), order("3")])), &spoils);
        if let Ok(book) = envelope::open(answer.clone()).and_then(order::read) {
            let read = book.into_iter().map(|order| order.broker_order_id).collect();
            prop_assert_eq!(Some(read), told(&answer).and_then(|data| ids(&data, "order_id")));
        }
    }

    #[test]
    fn trades_are_all_there_or_none(spoils in spoils()) {
        let trade = |id: &str| with(super::trade(), json!({"trade_id": id}));
        let answer = spoilt(&whole(json!([trade("1"), trade("2")])), &spoils);
        if let Ok(trades) = envelope::open(answer.clone()).and_then(trade::read) {
            prop_assert!(trades.iter().all(|trade| !trade.price.is_zero() && !trade.quantity.is_zero()));
            let read = trades.into_iter().map(|trade| trade.trade_id).collect();
            prop_assert_eq!(Some(read), told(&answer).and_then(|data| ids(&data, "trade_id")));
        }
    }

    #[test]
    fn positions_are_all_there_or_none(spoils in spoils()) {
        let lists = json!({"net": [super::position(), super::position()], "day": [super::position()]});
        let answer = spoilt(&whole(lists), &spoils);
        if let Ok(positions) = envelope::open(answer.clone()).and_then(position::read) {
            let net = told(&answer).and_then(|data| Some(data.get("net")?.as_array()?.len()));
            prop_assert_eq!(Some(positions.len()), net);
        }
    }

    #[test]
    fn holdings_are_all_there_or_none(spoils in spoils()) {
        let mtf = json!({"mtf": {"quantity": 3, "used_quantity": 0, "average_price": 100}});
        let answer = spoilt(&whole(json!([super::holding(), with(super::holding(), mtf)])), &spoils);
        if let Ok(holdings) = envelope::open(answer.clone()).and_then(holding::read) {
            prop_assert_eq!(Some(holdings.len()), told(&answer).and_then(|data| Some(data.as_array()?.len())));
        }
    }

    #[test]
    fn margins_are_those_of_the_segments_that_are_there(spoils in spoils()) {
        let answer = spoilt(&whole(json!({"equity": super::segment(), "commodity": super::segment()})), &spoils);
        if let Ok(margins) = envelope::open(answer.clone()).and_then(margin::read) {
            let told = told(&answer).unwrap();
            let there = ["equity", "commodity"].map(|name| told.get(name).filter(|segment| !segment.is_null()));
            let enabled = there.into_iter().flatten().filter(|segment| segment.get("enabled") != Some(&json!(false)));
            prop_assert_eq!(margins.len(), enabled.count());
        }
    }
}
