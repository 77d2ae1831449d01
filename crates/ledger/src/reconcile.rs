use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::ist;
use crate::known_order::KnownOrder;
use crate::order_match::{doubles, furthest_states, is_live, is_terminal, match_orders, normalised};
use crate::own_orders::OwnOrders;
use crate::reported::ReportedOrder;

/// What a comparison depends on besides the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When the book was read.
    pub at: DateTime<Utc>,
    /// An order this young may be an own one whose id, or row, is not stored yet.
    pub grace: TimeDelta,
    /// Systems of ours place orders in this account.
    pub has_own_orders: bool,
    /// The book holds the current day only, so an older order that is not in it is over.
    pub is_of_today: bool,
}

/// What a brokerage's order book changes in what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Orders never seen before, by time, then id.
    pub new: Vec<NewOrder>,
    /// Known orders that have moved on, in the order of the book's times.
    pub updates: Vec<Update>,
    /// The stored order of each reported one that is known, by its index in the book.
    pub known: BTreeMap<usize, i64>,
    /// Indexes of states older than, or contradicting, what is stored: to be ignored and logged.
    pub stale: Vec<usize>,
    /// Indexes of orders that may be own ones on their way: to be looked at again soon.
    pub deferred: Vec<usize>,
    /// Stored orders that lived when they were last seen, whose day is over, and that nobody knows any more.
    pub vanished: Vec<i64>,
    /// Rows that were made of own orders before their own rows had their ids, each with the row that stays.
    pub doubles: Vec<(i64, i64)>,
}

/// An order never seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its index in the book.
    pub reported: usize,
    /// What has happened to it so far.
    pub events: Vec<OrderEventKind>,
    /// The own order it belongs to: it was not placed elsewhere but is a part, or a lost row, of an own order.
    pub own: Option<Own>,
}

/// Whose an order is that was not stored and yet is our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The stored order it belongs to.
    pub id: i64,
    /// That one's strategy.
    pub strategy_id: Option<String>,
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
    /// Alive when it was last seen, and gone from the book with its day.
    Vanished,
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
            Self::Vanished => "vanished",
        }
    }
}

/// Compares a brokerage's order book with the stored orders of the same account: those of the book's days, and all that
/// still live.
///
/// An order is the same if brokerage id, exchange and IST day agree, else if exchange id, exchange and IST day do, else if
/// a stored order without any id (the answer to its placing is still on the way, or was lost) is the only one that fits:
/// by client tag and quantity, or by instrument, side, product, quantity and time. A status moves only forward: what is
/// complete, cancelled or rejected never lives again, and a filled quantity never falls. An order listed twice counts by
/// its furthest state.
///
/// What is not stored was placed elsewhere, unless it belongs to an own order ([`NewOrder::own`]) or is so young that it
/// may be an own one on its way ([`Plan::deferred`]).
pub fn plan(known: &[KnownOrder], reported: &[ReportedOrder], look: &Look) -> Plan {
    let book = furthest_states(reported);
    let matches = match_orders(known, reported, &book, look);
    let mut own = OwnOrders::new(known, reported, &book, &matches);
    let mut plan = Plan {
        known: matches.iter().map(|(index, position)| (*index, known[*position].id)).collect(),
        vanished: if look.is_of_today { vanished(known, &matches, look.at) } else { Vec::new() },
        doubles: doubles(known),
        ..Plan::default()
    };
    let by_id: BTreeMap<i64, &KnownOrder> = known.iter().map(|order| (order.id, order)).collect();
    plan.vanished.retain(|id| !plan.doubles.iter().any(|(gone, _)| gone == id));
    for index in book {
        let state = &reported[index];
        match matches.get(&index).map(|position| &known[*position]) {
            None if own.may_be_on_its_way(index, look) => plan.deferred.push(index),
            None => {
                let new = NewOrder { reported: index, events: events_of_new(state), own: own.owner(index) };
                plan.new.push(new);
            }
            Some(known) if is_stale(known, state) => plan.stale.push(index),
            Some(known) if is_changed(known, state) => {
                // What was told of a row that gives way is not told again.
                let told = plan.doubles.iter().find(|(_, stays)| *stays == known.id);
                let before = told.and_then(|(gone, _)| by_id.get(gone)).unwrap_or(&known);
                let events = events_of_change(before, state);
                plan.updates.push(Update { id: known.id, reported: index, events });
            }
            Some(_) => {}
        }
    }
    plan
}

/// An order lives one day only, or until the exchange has taken it; what the book of a later day does not have is over.
fn vanished(known: &[KnownOrder], matches: &BTreeMap<usize, usize>, at: DateTime<Utc>) -> Vec<i64> {
    let today = ist::day_of(at);
    let seen: std::collections::BTreeSet<usize> = matches.values().copied().collect();
    let gone = known
        .iter()
        .enumerate()
        .filter(|(position, order)| is_live(&order.status) && order.day < today && !seen.contains(position));
    gone.map(|(_, order)| order.id).collect()
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
        // An id that is known stays.
        || is_nothing(&known.broker_order_id)
        || (state.exchange_order_id.is_some() && is_nothing(&known.exchange_order_id))
        || (state.average_price.is_some() && average(known.average_price) != average(state.average_price))
        || is_modified(known, state)
}

fn is_nothing(id: &Option<String>) -> bool {
    id.as_deref().is_none_or(str::is_empty)
}

/// To the digits that stored averages are read with.
fn average(price: Option<Decimal>) -> Option<Decimal> {
    price.map(|price| price.round_dp(12))
}

/// Only a limit or trigger price that was known and still is can have been changed; market orders have none.
fn is_modified(known: &KnownOrder, state: &ReportedOrder) -> bool {
    let price = |price: Option<Decimal>| price.filter(|price| !price.is_zero());
    let repriced = matches!((price(known.price), price(state.price)), (Some(old), Some(new)) if old != new);
    let moved = matches!((price(known.trigger_price), price(state.trigger_price)), (Some(old), Some(new)) if old != new);
    known.quantity != state.quantity || repriced || moved
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
