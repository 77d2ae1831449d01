use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::order_match::{furthest_states, is_terminal, match_orders, normalised};
use crate::reported::ReportedOrder;

/// An order as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    /// The database's id of the order.
    pub id: i64,
    /// The brokerage's id, once it is known.
    pub broker_order_id: Option<String>,
    /// The exchange's id, once it is known.
    pub exchange_order_id: Option<String>,
    /// Exchange segment.
    pub exchange: String,
    /// The IST day of the order: brokerages and exchanges use their ids again on another day.
    pub day: NaiveDate,
    /// The stored status.
    pub status: String,
    /// Ordered.
    pub quantity: Decimal,
    /// Executed so far.
    pub filled_quantity: Decimal,
    /// The average price of what is filled.
    pub average_price: Option<Decimal>,
    /// The limit price.
    pub price: Option<Decimal>,
    /// What was attached when the order was placed.
    pub client_tag: Option<String>,
}

/// What a brokerage's order book changes in what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Orders never seen before: indexes into the book, by time, then id.
    pub new: Vec<usize>,
    /// The events of each of `new`, in the same order.
    pub new_events: Vec<Vec<OrderEventKind>>,
    /// Known orders that have moved on, in the order of the book's times.
    pub updates: Vec<Update>,
    /// Indexes of states older than, or contradicting, what is stored: to be ignored and logged.
    pub stale: Vec<usize>,
}

/// A known order that has moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The database's id of the order.
    pub id: i64,
    /// The index of its new state in the book.
    pub reported: usize,
    /// What happened; empty when only details changed (an id became known, an average was corrected).
    pub events: Vec<OrderEventKind>,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderEventKind {
    /// Seen for the first time.
    Placed,
    /// Its quantity or limit price was changed.
    Modified,
    /// More was executed, but not all.
    PartiallyFilled,
    /// All was executed.
    Filled,
    /// Cancelled.
    Cancelled,
    /// Rejected.
    Rejected,
}

impl OrderEventKind {
    /// The word stored in `order_events.event_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Modified => "modified",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

/// Compares a brokerage's order book with the stored orders of the same account.
///
/// An order is the same if brokerage id, exchange and IST day agree, else if exchange id, exchange and IST day do,
/// else if a stored order that has no id yet (its placing answer is still on the way) is the only one of the day with
/// the client tag and quantity of a reported one. A status moves only forward: what is complete, cancelled or
/// rejected never lives again, and a filled quantity never falls. An order listed twice counts by its furthest state.
pub fn plan(known: &[KnownOrder], reported: &[ReportedOrder]) -> Plan {
    let book = furthest_states(reported);
    let matches = match_orders(known, reported, &book);
    let mut plan = Plan::default();
    for index in book {
        let state = &reported[index];
        match matches.get(&index).map(|position| &known[*position]) {
            None => {
                plan.new.push(index);
                plan.new_events.push(events_of_new(state));
            }
            Some(known) if is_stale(known, state) => plan.stale.push(index),
            Some(known) if is_changed(known, state) => {
                plan.updates.push(Update {
                    id: known.id,
                    reported: index,
                    events: events_of_change(known, state),
                });
            }
            Some(_) => {}
        }
    }
    plan
}

fn is_stale(known: &KnownOrder, state: &ReportedOrder) -> bool {
    let back_to_life = is_terminal(&known.status) && !is_terminal(&state.status);
    let other_end = is_terminal(&known.status)
        && normalised(&known.status) != normalised(&state.status)
        && state.filled_quantity <= known.filled_quantity;
    back_to_life || other_end || state.filled_quantity < known.filled_quantity
}

fn is_changed(known: &KnownOrder, state: &ReportedOrder) -> bool {
    normalised(&known.status) != normalised(&state.status)
        || known.filled_quantity != state.filled_quantity
        || known.broker_order_id.as_deref() != Some(&state.broker_order_id)
        || (state.exchange_order_id.is_some() && known.exchange_order_id != state.exchange_order_id)
        || (state.average_price.is_some() && known.average_price != state.average_price)
        || is_modified(known, state)
}

/// Only a limit price that was known and still is can have been changed; market orders have none.
fn is_modified(known: &KnownOrder, state: &ReportedOrder) -> bool {
    let price = |price: Option<Decimal>| price.filter(|price| !price.is_zero());
    let repriced = matches!((price(known.price), price(state.price)), (Some(old), Some(new)) if old != new);
    known.quantity != state.quantity || repriced
}

fn events_of_new(state: &ReportedOrder) -> Vec<OrderEventKind> {
    let mut events = vec![OrderEventKind::Placed];
    events.extend(fill_event(Decimal::ZERO, Decimal::ZERO, "", state));
    events.extend(end_event("", state));
    events
}

fn events_of_change(known: &KnownOrder, state: &ReportedOrder) -> Vec<OrderEventKind> {
    let mut events = Vec::new();
    if is_modified(known, state) {
        events.push(OrderEventKind::Modified);
    }
    events.extend(fill_event(known.filled_quantity, known.quantity, &known.status, state));
    events.extend(end_event(&known.status, state));
    events
}

/// There is no status for a partial fill: an order that lives, or was cancelled, with something filled has one.
fn fill_event(
    filled: Decimal,
    quantity: Decimal,
    status: &str,
    state: &ReportedOrder,
) -> Option<OrderEventKind> {
    let complete = |status: &str| normalised(status) == "COMPLETE";
    let was_all = !filled.is_zero() && (complete(status) || filled >= quantity);
    let is_all = complete(&state.status)
        || (!state.filled_quantity.is_zero() && state.filled_quantity >= state.quantity);
    if is_all && (!was_all || state.filled_quantity > filled) {
        Some(OrderEventKind::Filled)
    } else {
        (state.filled_quantity > filled).then_some(OrderEventKind::PartiallyFilled)
    }
}

fn end_event(old_status: &str, state: &ReportedOrder) -> Option<OrderEventKind> {
    let status = normalised(&state.status);
    if status == normalised(old_status) {
        return None;
    }
    match status.as_str() {
        "CANCELLED" => Some(OrderEventKind::Cancelled),
        "REJECTED" => Some(OrderEventKind::Rejected),
        _ => None,
    }
}
