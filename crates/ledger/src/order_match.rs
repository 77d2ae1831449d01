//! Which reported order is which stored one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::fill::cmp_ids;
use crate::ist;
use crate::reconcile::KnownOrder;
use crate::reported::ReportedOrder;

/// The index of each order's furthest state, by time, then id.
pub(crate) fn furthest_states(reported: &[ReportedOrder]) -> Vec<usize> {
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
pub(crate) fn match_orders(
    known: &[KnownOrder],
    reported: &[ReportedOrder],
    book: &[usize],
) -> BTreeMap<usize, usize> {
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

/// Exchange, day, id.
type Place<'a> = (&'a str, NaiveDate, &'a str);

/// Exchange, day, tag, quantity.
type TagPlace<'a> = (&'a str, NaiveDate, &'a str, Decimal);

/// Positions of stored orders, indexes of reported ones.
type Candidates = (Vec<usize>, Vec<usize>);

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
        let (exchange, id) = (state.exchange.as_str(), id(state)?);
        // An order placed after hours is stored under its placement's day until the exchange has taken it.
        let days = [state.exchange_at, state.placed_at].into_iter().flatten().map(ist::day_of);
        let position = if time_of(state).is_some() {
            days.into_iter().find_map(|day| places.get(&(exchange, day, id)))?
        } else {
            // Without any time the latest order of that id is the likeliest; keys are sorted by day.
            places.iter().rfind(|((at, _, known), _)| *at == exchange && *known == id)?.1
        };
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
    let mut candidates: BTreeMap<TagPlace<'_>, Candidates> = BTreeMap::new();
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

pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(normalised(status).as_str(), "COMPLETE" | "CANCELLED" | "REJECTED")
}

/// Stored rows may hold an older system's spelling (`TRIGGER PENDING`).
pub(crate) fn normalised(status: &str) -> String {
    status.trim().to_ascii_uppercase().replace(' ', "_")
}

fn time_of(state: &ReportedOrder) -> Option<DateTime<Utc>> {
    state.exchange_at.or(state.placed_at)
}

fn day_of(state: &ReportedOrder) -> Option<NaiveDate> {
    time_of(state).map(ist::day_of)
}
