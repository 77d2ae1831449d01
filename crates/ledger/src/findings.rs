//! What is wrong with the data of an account, as far as the generator can see it.
//!
//! What belongs to a day is told only when that day has ended: an uncovered sale may still be bought back, an
//! intraday row still be squared.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::book::Withheld;
use crate::directory::Directory;
use crate::discrepancy::{Discrepancy, DiscrepancyKind};
use crate::error::LedgerError;
use crate::holding::Holding;
use crate::instrument::Instruments;
use crate::instrument_key::is_cash;
use crate::ledger::{Ledger, overflow};
use crate::origin::{Origin, QueueId};
use crate::position::Position;
use crate::price::add;
use crate::row::RowKey;
use crate::view::View;

/// Sales no known lot covers, fill by fill.
pub(crate) fn unknown_costs(ledger: &Ledger) -> Vec<Discrepancy> {
    let ended = ledger.uncovered.iter().filter(|(day, _, _)| *day < ledger.view_day);
    ended
        .map(|(_, queue, piece)| Discrepancy {
            isin: queue.isin().map(str::to_owned),
            quantity: Some(piece.quantity.abs().normalize()),
            ..about(
                DiscrepancyKind::UnknownCost,
                &piece.origin,
                match piece.origin.is_opening {
                    true => "an opening lot of shares is negative".to_owned(),
                    false => "sold more than all known lots: their cost is not known".to_owned(),
                },
            )
        })
        .collect()
}

/// Intraday products of contracts, and shares bought in any product but delivery, that were carried into the day.
pub(crate) fn mis_remainders(
    view: &View,
    directory: &Directory<'_>,
) -> Result<Vec<Discrepancy>, LedgerError> {
    let mut instruments: BTreeMap<(&str, &str), (Decimal, Option<&Origin>)> = BTreeMap::new();
    for (key, sums) in &view.rows {
        let is_remainder = if is_cash(&key.exchange) { !key.is_delivery() } else { key.is_intraday() };
        if !is_remainder || sums.overnight.is_zero() {
            continue;
        }
        let instrument = instruments.entry((&key.exchange, &key.instrument_key)).or_default();
        instrument.0 = add(instrument.0, sums.overnight.abs()).map_err(|_| overflow(&key.instrument_key))?;
        let before =
            directory.latest_before(key).or_else(|| directory.latest(&key.exchange, &key.instrument_key));
        if before.map(|origin| origin.at) > instrument.1.map(|origin| origin.at) {
            instrument.1 = before;
        }
    }
    let found = instruments.into_values().filter_map(|(quantity, latest)| {
        let detail = "an intraday product was carried over night: its squaring order is missing".to_owned();
        let found = about(DiscrepancyKind::MisRemainder, latest?, detail);
        Some(Discrepancy { quantity: Some(quantity.normalize()), ..found })
    });
    Ok(found.collect())
}

/// Contracts past their last day that still have a row which is not flat.
pub(crate) fn expired(
    view: &View,
    view_day: NaiveDate,
    instruments: &Instruments,
    directory: &Directory<'_>,
) -> Result<Vec<Discrepancy>, LedgerError> {
    let mut contracts: BTreeMap<(&str, &str), (Decimal, NaiveDate)> = BTreeMap::new();
    for (RowKey { exchange, instrument_key, .. }, sums) in &view.rows {
        let expiry = instruments.expiry(instrument_key).filter(|expiry| view_day > *expiry);
        let Some(expiry) = expiry.filter(|_| !is_cash(exchange) && !sums.net.is_zero()) else {
            continue;
        };
        let contract = contracts.entry((exchange, instrument_key)).or_insert((Decimal::ZERO, expiry));
        contract.0 = add(contract.0, sums.net).map_err(|_| overflow(instrument_key))?;
    }
    let found = contracts.into_iter().filter_map(|((exchange, key), (quantity, expiry))| {
        let detail = format!("expired on {expiry}, but nothing settled it");
        let found = about(DiscrepancyKind::ExpiredUnsettled, directory.latest(exchange, key)?, detail);
        Some(Discrepancy { quantity: Some(quantity.normalize()), ..found })
    });
    Ok(found.collect())
}

/// Queues stopped by a fill without a price.
pub(crate) fn unpriced<'a>(
    fills: impl Iterator<Item = (&'a Origin, Decimal)>,
) -> impl Iterator<Item = Discrepancy> {
    fills.map(|(origin, quantity)| {
        let detail = "filled, but without a price: it and what is later are not counted".to_owned();
        let found = about(DiscrepancyKind::NoPrice, origin, detail);
        Discrepancy { quantity: Some(quantity.normalize()), ..found }
    })
}

/// Contracts counted in lots of unknown size.
pub(crate) fn unknown_multipliers(instruments: &Instruments, directory: &Directory<'_>) -> Vec<Discrepancy> {
    let unknown = directory.contracts().filter(|latest| {
        instruments.multiplier(&latest.terms().exchange, &latest.terms().instrument_key).is_none()
    });
    unknown
        .map(|latest| {
            let detail = "the size of a lot is not known: it counts as 1".to_owned();
            about(DiscrepancyKind::UnknownMultiplier, latest, detail)
        })
        .collect()
}

/// Queues with a row whose quantities are not whole: by queue, the first such quantity.
pub(crate) fn fractions<'a>(
    positions: impl Iterator<Item = (&'a BTreeSet<QueueId>, &'a Position)>,
    holdings: impl Iterator<Item = (&'a QueueId, &'a Holding)>,
) -> BTreeMap<QueueId, Decimal> {
    let mut queues = BTreeMap::new();
    let mut note = |queue: &QueueId, quantities: &[Decimal]| {
        if let Some(quantity) = quantities.iter().find(|quantity| !quantity.is_integer()) {
            queues.entry(queue.clone()).or_insert(quantity.abs());
        }
    };
    for (ids, position) in positions {
        ids.iter().for_each(|id| note(id, &position.quantities()));
    }
    holdings.for_each(|(id, holding)| note(id, &holding.quantities()));
    queues
}

/// The finding about a fractional queue, and what must stay as it was stored.
pub(crate) fn withheld(
    queue: &QueueId,
    quantity: Decimal,
    lot: Option<&Origin>,
    directory: &Directory<'_>,
) -> (Discrepancy, Withheld) {
    let names = directory.names(queue, lot);
    let mut instrument_keys = directory.keys_of(queue);
    instrument_keys.insert(names.instrument_key.clone());
    let isin = queue.isin().map(str::to_owned);
    let found = Discrepancy {
        kind: DiscrepancyKind::Fraction,
        instrument_key: names.instrument_key,
        symbol: names.symbol,
        isin: isin.clone(),
        quantity: Some(quantity),
        since: since(queue, lot, directory),
        detail: "a quantity is not whole: the rows stay as they were".to_owned(),
    };
    (found, Withheld { isin, instrument_keys })
}

fn since(queue: &QueueId, lot: Option<&Origin>, directory: &Directory<'_>) -> Option<DateTime<Utc>> {
    directory.since(queue).or_else(|| lot.map(|lot| lot.at))
}

fn about(kind: DiscrepancyKind, origin: &Origin, detail: String) -> Discrepancy {
    Discrepancy {
        kind,
        instrument_key: origin.terms().instrument_key.clone(),
        symbol: origin.terms().symbol.clone(),
        isin: origin.place.isin.as_ref().map(ToString::to_string),
        quantity: None,
        since: Some(origin.at),
        detail,
    }
}
