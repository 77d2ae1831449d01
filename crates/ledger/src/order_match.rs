//! Which reported order is which stored one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::fill::cmp_ids;
use crate::ist;
use crate::known_order::KnownOrder;
use crate::reconcile::Look;
use crate::reported::{ReportedOrder, Side};

/// The index of each order's furthest state, by time, then id.
pub(crate) fn furthest_states(reported: &[ReportedOrder]) -> Vec<usize> {
    // A state without any time is of the day that another state of the order has.
    let dated = reported.iter().filter_map(|state| Some((id_of(state), day_of(state)?)));
    let days: BTreeMap<(&str, &str), NaiveDate> = dated.collect();
    let mut furthest: BTreeMap<(Option<NaiveDate>, (&str, &str)), usize> = BTreeMap::new();
    for (index, state) in reported.iter().enumerate() {
        let day = day_of(state).or_else(|| days.get(&id_of(state)).copied());
        let order = (day, id_of(state));
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

fn id_of(state: &ReportedOrder) -> (&str, &str) {
    (&state.exchange, &state.broker_order_id)
}

fn progress(state: &ReportedOrder) -> (Decimal, bool, Option<DateTime<Utc>>) {
    (state.filled_quantity, is_terminal(&state.status), state.exchange_at.or(state.placed_at))
}

/// For each reported order the position of the stored one it is; a stored order is taken once.
pub(crate) fn match_orders(
    known: &[KnownOrder],
    reported: &[ReportedOrder],
    book: &[usize],
    look: &Look,
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
    let alike = pairs_by_terms(known, reported, book, &matches, look);
    claim(alike, &mut matches);
    matches
}

/// Exchange, day, id.
type Place<'a> = (&'a str, NaiveDate, &'a str);

/// Exchange, symbol, side, day, tag, quantity.
type TagPlace<'a> = (&'a str, &'a str, Side, NaiveDate, &'a str, Decimal);

/// Exchange, symbol, side, product, quantity.
type TermsPlace<'a> = (&'a str, &'a str, Side, &'a str, Decimal);

/// Positions of stored orders, indexes of reported ones.
type Candidates = (Vec<usize>, Vec<usize>);

fn index_by<'a>(
    known: &'a [KnownOrder],
    id: impl Fn(&'a KnownOrder) -> Option<&'a str>,
) -> BTreeMap<Place<'a>, usize> {
    let mut places = BTreeMap::new();
    for (position, order) in known.iter().enumerate() {
        if let Some(id) = id(order).filter(|id| !id.is_empty()) {
            let place = places.entry((order.exchange.as_str(), order.day, id)).or_insert(position);
            // A row of whoever placed the order counts before one that we made of it.
            if known[*place].source.is_of_detection() && !order.source.is_of_detection() {
                *place = position;
            }
        }
    }
    places
}

/// Rows that detection made of orders whose own rows came, or got their ids, too late: each with the row that stays.
pub(crate) fn doubles(known: &[KnownOrder]) -> Vec<(i64, i64)> {
    let kept = index_by(known, |order| order.broker_order_id.as_deref());
    let double = |(position, order): (usize, &KnownOrder)| {
        let place = (order.exchange.as_str(), order.day, order.broker_order_id.as_deref()?);
        let stays = *kept.get(&place)?;
        let is_double = stays != position && order.source.is_of_detection();
        (is_double && !known[stays].source.is_of_detection()).then_some((order.id, known[stays].id))
    };
    known.iter().enumerate().filter_map(double).collect()
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
        if let (Some(tag), Some(side), true) =
            (order.client_tag.as_deref(), order.side, order.is_without_id())
        {
            let place = (&*order.exchange, &*order.symbol, side, order.day, tag, order.quantity);
            candidates.entry(place).or_default().0.push(position);
        }
    }
    for index in book.iter().filter(|index| !matches.contains_key(index)) {
        let state = &reported[*index];
        if let (Some(tag), Some(day)) = (state.client_tag.as_deref(), day_of(state)) {
            let place = (&*state.exchange, &*state.symbol, state.side, day, tag, state.quantity);
            candidates.entry(place).and_modify(|(_, indexes)| indexes.push(*index));
        }
    }
    the_only_ones(candidates)
}

/// An own order whose id never came (the answer to its placing was lost) is the one reported order that looks like it
/// and was placed within the grace of it. While that order is young the id may still come, so nothing is matched.
fn pairs_by_terms(
    known: &[KnownOrder],
    reported: &[ReportedOrder],
    book: &[usize],
    matches: &BTreeMap<usize, usize>,
    look: &Look,
) -> Vec<(usize, usize)> {
    let taken: BTreeSet<usize> = matches.values().copied().collect();
    let mut alike: BTreeMap<TermsPlace<'_>, Vec<usize>> = BTreeMap::new();
    for (position, order) in known.iter().enumerate() {
        if let (true, Some(side)) = (order.is_without_id() && !taken.contains(&position), order.side) {
            let place = (&*order.exchange, &*order.symbol, side, &*order.product, order.quantity);
            alike.entry(place).or_default().push(position);
        }
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for index in book.iter().filter(|index| !matches.contains_key(index)) {
        let state = &reported[*index];
        let place = (&*state.exchange, &*state.symbol, state.side, &*state.product, state.quantity);
        let positions = alike.get(&place).into_iter().flatten();
        let near = positions.filter(|position| is_near(&known[**position], state, look));
        pairs.extend(near.map(|position| (*index, *position)));
    }
    let is_the_only_one = |pair: &(usize, usize)| {
        pairs.iter().filter(|(index, position)| *index == pair.0 || *position == pair.1).count() == 1
    };
    let only = pairs.iter().filter(|pair| is_the_only_one(pair) && !is_young(&reported[pair.0], look));
    only.copied().collect()
}

/// Whether two placements are so close in time that they can be one.
fn is_near(order: &KnownOrder, state: &ReportedOrder, look: &Look) -> bool {
    match (order.placed_at, state.placed_at) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= look.grace,
        _ => false,
    }
}

/// Whether an order was placed so short a time ago that whoever placed it may not have stored it yet.
pub(crate) fn is_young(state: &ReportedOrder, look: &Look) -> bool {
    state.placed_at.is_some_and(|placed_at| (look.at - placed_at).abs() < look.grace)
}

/// The pairs of which neither side has another candidate.
fn the_only_ones<K>(candidates: BTreeMap<K, Candidates>) -> Vec<(usize, usize)> {
    let pairs = candidates.into_values().filter_map(|(positions, indexes)| {
        match (positions.as_slice(), indexes.as_slice()) {
            ([position], [index]) => Some((*index, *position)),
            _ => None,
        }
    });
    pairs.collect()
}

impl KnownOrder {
    /// The answer to its placing is not stored.
    pub(crate) fn is_without_id(&self) -> bool {
        let none = |id: &Option<String>| id.as_deref().is_none_or(str::is_empty);
        none(&self.broker_order_id) && none(&self.exchange_order_id)
    }
}

pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(normalised(status).as_str(), "COMPLETE" | "CANCELLED" | "REJECTED")
}

/// Whether a status is known to be one of a live order. Words of other systems may mean anything.
pub(crate) fn is_live(status: &str) -> bool {
    matches!(
        normalised(status).as_str(),
        "OPEN"
            | "TRIGGER_PENDING"
            | "PENDING"
            | "PUT_ORDER_REQ_RECEIVED"
            | "VALIDATION_PENDING"
            | "OPEN_PENDING"
            | "MODIFY_VALIDATION_PENDING"
            | "MODIFY_PENDING"
            | "MODIFIED"
            | "CANCEL_PENDING"
            | "AMO_REQ_RECEIVED"
            | "NOT_MODIFIED"
            | "NOT_CANCELLED"
    )
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
