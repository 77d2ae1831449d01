//! What the input says, sorted into days and queues before anything is computed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::book::Input;
use crate::calendar::Calendar;
use crate::corporate_action::CorporateAction;
use crate::fill::Fill;
use crate::instrument::Instruments;
use crate::ist;
use crate::opening_lot::OpeningLot;
use crate::origin::{Origin, Piece, QueueId};

pub(crate) struct Intake<'a> {
    pub(crate) calendar: Calendar<'a>,
    pub(crate) view_day: NaiveDate,
    /// Everything that happens up to the view's day, by day.
    pub(crate) days: BTreeMap<NaiveDate, Day<'a>>,
    /// For each queue stopped by a fill without a price, that fill and its quantity.
    pub(crate) unpriced: Vec<(Arc<Origin>, Decimal)>,
    pub(crate) fills_seen: usize,
}

/// What happens on one day, in this order.
#[derive(Default)]
pub(crate) struct Day<'a> {
    pub(crate) actions: Vec<&'a CorporateAction>,
    pub(crate) openings: Vec<Piece>,
    pub(crate) fills: BTreeMap<QueueId, Vec<Piece>>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(input: &Input<'a>, instruments: &Instruments) -> Self {
        let fills = fills_until(input.fills, input.as_of);
        let calendar = Calendar::new(input.holidays, fills.iter().map(|fill| ist::day_of(fill.at)));
        let view_day = calendar.view_day(input.as_of);
        let isins = Isins::new(&fills, input.opening_lots, input.as_of, instruments);
        let mut intake =
            Self { calendar, view_day, days: BTreeMap::new(), unpriced: Vec::new(), fills_seen: fills.len() };
        intake.take_actions(input.corporate_actions);
        intake.take_openings(input.opening_lots, &isins);
        intake.take_fills(&fills, &isins);
        intake
    }

    fn take_actions(&mut self, actions: &'a [CorporateAction]) {
        for action in actions.iter().filter(|action| action.ex_date <= self.view_day) {
            self.days.entry(action.ex_date).or_default().actions.push(action);
        }
        for day in self.days.values_mut() {
            day.actions.sort_by(|a, b| a.cmp_within_day(b));
        }
    }

    fn take_openings(&mut self, lots: &[OpeningLot], isins: &Isins<'_>) {
        let mut lots: Vec<&OpeningLot> =
            lots.iter().filter(|lot| ist::day_of(lot.opened_at) <= self.view_day).collect();
        lots.sort_by_key(|lot| {
            let names = (&lot.instrument_key, &lot.exchange, &lot.symbol, &lot.isin, &lot.product);
            (lot.opened_at, names, lot.quantity, lot.price)
        });
        for lot in lots {
            let isin = isins.of(lot.isin.as_deref(), &lot.instrument_key);
            let origin = Arc::new(Origin::of_opening_lot(lot, isin));
            let day = self.days.entry(origin.day).or_default();
            day.openings.push(Piece::of_opening_lot(origin, lot.quantity));
        }
    }

    /// A queue stops before its first fill without a price; what is later waits.
    fn take_fills(&mut self, fills: &[&Fill], isins: &Isins<'_>) {
        let mut stopped: BTreeSet<QueueId> = BTreeSet::new();
        for fill in fills {
            let isin = isins.of(fill.isin.as_deref(), &fill.instrument_key);
            let origin = Arc::new(Origin::of_fill(fill, isin));
            if stopped.contains(&origin.queue) {
                continue;
            }
            if fill.known_price().is_none() {
                stopped.insert(origin.queue.clone());
                self.unpriced.push((origin, fill.quantity));
                continue;
            }
            let queue = origin.queue.clone();
            let day = self.days.entry(origin.day).or_default();
            day.fills.entry(queue).or_default().push(Piece::of_fill(origin, fill.side, fill.quantity));
        }
    }
}

fn fills_until(fills: &[Fill], as_of: DateTime<Utc>) -> Vec<&Fill> {
    let mut fills: Vec<&Fill> =
        fills.iter().filter(|fill| fill.at <= as_of && fill.quantity > Decimal::ZERO).collect();
    fills.sort_by(|a, b| a.matching_order(b));
    fills
}

/// The ISIN of a row: its own, else the instrument's, else the latest one seen with its key.
struct Isins<'a> {
    instruments: &'a Instruments,
    seen: BTreeMap<&'a str, (DateTime<Utc>, bool, &'a str)>,
}

impl<'a> Isins<'a> {
    fn new(
        fills: &[&'a Fill],
        lots: &'a [OpeningLot],
        as_of: DateTime<Utc>,
        instruments: &'a Instruments,
    ) -> Self {
        let mut seen = BTreeMap::new();
        let of_lots = lots.iter().filter(|lot| lot.opened_at <= as_of);
        let rows = of_lots
            .map(|lot| (lot.instrument_key.as_str(), lot.opened_at, false, lot.isin.as_deref()))
            .chain(
                fills.iter().map(|fill| (fill.instrument_key.as_str(), fill.at, true, fill.isin.as_deref())),
            );
        for (key, at, is_fill, isin) in rows {
            if let Some(isin) = non_empty(isin) {
                let latest = seen.entry(key).or_insert((at, is_fill, isin));
                *latest = (*latest).max((at, is_fill, isin));
            }
        }
        Self { instruments, seen }
    }

    fn of(&self, own: Option<&str>, key: &str) -> Option<String> {
        non_empty(own)
            .or_else(|| self.instruments.isin(key))
            .or_else(|| self.seen.get(key).map(|(_, _, isin)| *isin))
            .map(str::to_owned)
    }
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
