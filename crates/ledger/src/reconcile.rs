use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::fill::cmp_ids;
use crate::ist;
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
                plan.updates.push(Update { id: known.id, reported: index, events: events_of_change(known, state) });
            }
            Some(_) => {}
        }
    }
    plan
}

/// The index of each order's furthest state, by time, then id.
fn furthest_states(reported: &[ReportedOrder]) -> Vec<usize> {
    let mut furthest: BTreeMap<(Option<NaiveDate>, &str, &str), usize> = BTreeMap::new();
    for (index, state) in reported.iter().enumerate() {
        let order = (day_of(state), state.exchange.as_str(), state.broker_order_id.as_str());
        furthest
            .entry(order)
            .and_modify(|best| {
                if progress(state) > progress(&reported[*best]) {
                    *best = index;
                }
            })
            .or_insert(index);
    }
    let mut book: Vec<usize> = furthest.into_values().collect();
    book.sort_by(|a, b| {
        let (a, b) = (&reported[*a], &reported[*b]);
        time_of(a).cmp(&time_of(b)).then_with(|| cmp_ids(Some(&a.broker_order_id), Some(&b.broker_order_id)))
    });
    book
}

fn progress(state: &ReportedOrder) -> (Decimal, bool, Option<DateTime<Utc>>) {
    (state.filled_quantity, is_terminal(&state.status), state.exchange_at.or(state.placed_at))
}

/// For each reported order the position of the stored one it is; a stored order is taken once.
fn match_orders(known: &[KnownOrder], reported: &[ReportedOrder], book: &[usize]) -> BTreeMap<usize, usize> {
    let mut matches = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let mut claim = |pairs: Vec<(usize, usize)>, matches: &mut BTreeMap<usize, usize>| {
        for (index, position) in pairs {
            if !matches.contains_key(&index) && taken.insert(position) {
                matches.insert(index, position);
            }
        }
    };
    let by_broker = index_by(known, |order| order.broker_order_id.as_deref());
    claim(pairs(reported, book, &by_broker, |state| Some(&state.broker_order_id)), &mut matches);
    let by_exchange = index_by(known, |order| order.exchange_order_id.as_deref());
    claim(pairs(reported, book, &by_exchange, |state| state.exchange_order_id.as_deref()), &mut matches);
    let tagged = pairs_by_tag(known, reported, book, &matches);
    claim(tagged, &mut matches);
    matches
}

type Place<'a> = (&'a str, NaiveDate, &'a str);

fn index_by<'a>(
    known: &'a [KnownOrder],
    id: impl Fn(&'a KnownOrder) -> Option<&'a str>,
) -> BTreeMap<Place<'a>, usize> {
    let mut places = BTreeMap::new();
    for (position, order) in known.iter().enumerate() {
        if let Some(id) = id(order).filter(|id| !id.is_empty()) {
            places.entry((order.exchange.as_str(), order.day, id)).or_insert(position);
        }
    }
    places
}

fn pairs<'a>(
    reported: &'a [ReportedOrder],
    book: &[usize],
    places: &BTreeMap<Place<'a>, usize>,
    id: impl Fn(&'a ReportedOrder) -> Option<&'a str>,
) -> Vec<(usize, usize)> {
    let place = |index: usize| {
        let state = &reported[index];
        let position = places.get(&(state.exchange.as_str(), day_of(state)?, id(state)?))?;
        Some((index, *position))
    };
    book.iter().filter_map(|index| place(*index)).collect()
}

/// A tag may be shared by many orders, so it names one only where it is the only candidate on both sides.
fn pairs_by_tag(
    known: &[KnownOrder],
    reported: &[ReportedOrder],
    book: &[usize],
    matches: &BTreeMap<usize, usize>,
) -> Vec<(usize, usize)> {
    let mut candidates: BTreeMap<(&str, NaiveDate, &str, Decimal), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (position, order) in known.iter().enumerate() {
        let has_id = order.broker_order_id.is_some() || order.exchange_order_id.is_some();
        if let (Some(tag), false) = (order.client_tag.as_deref(), has_id) {
            let place = (order.exchange.as_str(), order.day, tag, order.quantity);
            candidates.entry(place).or_default().0.push(position);
        }
    }
    for index in book.iter().filter(|index| !matches.contains_key(index)) {
        let state = &reported[*index];
        if let (Some(tag), Some(day)) = (state.client_tag.as_deref(), day_of(state)) {
            let place = (state.exchange.as_str(), day, tag, state.quantity);
            candidates.entry(place).and_modify(|(_, indexes)| indexes.push(*index));
        }
    }
    candidates
        .into_values()
        .filter_map(|(positions, indexes)| match (positions.as_slice(), indexes.as_slice()) {
            ([position], [index]) => Some((*index, *position)),
            _ => None,
        })
        .collect()
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

fn is_terminal(status: &str) -> bool {
    matches!(normalised(status).as_str(), "COMPLETE" | "CANCELLED" | "REJECTED")
}

/// Stored rows may hold an older system's spelling (`TRIGGER PENDING`).
fn normalised(status: &str) -> String {
    status.trim().to_ascii_uppercase().replace(' ', "_")
}

fn time_of(state: &ReportedOrder) -> Option<DateTime<Utc>> {
    state.placed_at.or(state.exchange_at)
}

fn day_of(state: &ReportedOrder) -> Option<NaiveDate> {
    time_of(state).map(ist::day_of)
}
