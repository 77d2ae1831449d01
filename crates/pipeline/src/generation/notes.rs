use std::collections::{BTreeMap, BTreeSet};

use ledger::Name;
use serde_json::{Value, json};
use storage::Execution;

/// The kinds of findings about single orders.
pub(super) const KINDS: [&str; 2] = ["fills_short", "unreadable_side"];

/// Findings about single orders, which no ledger knows, by instrument key.
#[derive(Default)]
pub(super) struct Notes {
    by_key: BTreeMap<String, Vec<Value>>,
}

impl Notes {
    /// Takes note of an execution; the first of an order speaks for all.
    pub(super) fn take(&mut self, execution: &Execution) {
        let is_well = execution.fill.is_some() && execution.short.is_none();
        if is_well || !execution.is_first {
            return;
        }
        let notes = self.by_key.entry(execution.terms.instrument_key.clone()).or_default();
        notes.extend(execution.short.iter().map(|short| json!(short)));
        if execution.fill.is_none() {
            notes.push(unreadable_side(execution.order_id));
        }
    }

    /// Those of a family's instruments, taken out.
    pub(super) fn of(&mut self, names: &BTreeSet<Name>) -> Vec<Value> {
        let keys = names.iter().filter_map(|name| if let Name::Key(key) = name { Some(key) } else { None });
        keys.filter_map(|key| self.by_key.remove(key)).flatten().collect()
    }

    /// What is left: instruments with nothing but orders that cannot be read.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Vec<Value>)> {
        self.by_key.into_iter()
    }
}

/// The finding about a filled order that is neither BUY nor SELL.
pub(crate) fn unreadable_side(order: i32) -> Value {
    json!({"kind": "unreadable_side", "instrument_key": null, "symbol": null, "isin": null, "quantity": null,
           "since": null, "detail": format!("order row {order} is neither BUY nor SELL and counts nowhere")})
}
