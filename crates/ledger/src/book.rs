use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::calendar::Calendar;
use crate::closing::Closed;
use crate::directory::Directory;
use crate::findings;
use crate::identity::Identities;
use crate::instrument::Instruments;
use crate::ledger::{Ledger, overflow};
use crate::origin::{Names, QueueId};
use crate::view::View;
use crate::{
    Closing, CorporateAction, Discrepancy, Fill, Holding, Instrument, LedgerError, Lot, OpeningLot, Position,
    ist,
};

/// Everything a book is computed from. The order of the slices does not matter.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// All known fills of the account.
    pub fills: &'a [Fill],
    /// Inventory from before the fills.
    pub opening_lots: &'a [OpeningLot],
    /// Events of the issuers.
    pub corporate_actions: &'a [CorporateAction],
    /// Multipliers, prices, expiries and ISINs, where known.
    pub instruments: &'a [Instrument],
    /// Days on which the NSE does not trade (weekends need not be listed).
    pub holidays: &'a BTreeSet<NaiveDate>,
    /// The instant of the view. Later fills do not exist for any purpose.
    pub as_of: DateTime<Utc>,
}

/// What an account owns and earned, as of an instant. All lists are sorted; equal inputs in any order give equal books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// The trading day the rows are of.
    pub view_day: NaiveDate,
    /// The net view of the day.
    pub positions: Vec<Position>,
    /// The delivery lots the day began with.
    pub holdings: Vec<Holding>,
    /// All lots open at the instant, queue by queue, oldest first.
    pub open_lots: Vec<Lot>,
    /// All closings since the first fill, in the order of their closing fills.
    pub closings: Vec<Closing>,
    /// Findings about the data.
    pub discrepancies: Vec<Discrepancy>,
    /// Instruments whose rows are missing above and must stay as they were stored.
    pub withheld: Vec<Withheld>,
    /// Fills up to the instant.
    pub fills_seen: usize,
}

impl Book {
    /// The books of an account's families as one; `view_day` is the account's.
    pub fn of_families(view_day: NaiveDate, books: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self {
            view_day,
            positions: Vec::new(),
            holdings: Vec::new(),
            open_lots: Vec::new(),
            closings: Vec::new(),
            discrepancies: Vec::new(),
            withheld: Vec::new(),
            fills_seen: 0,
        };
        for book in books {
            all.positions.extend(book.positions);
            all.holdings.extend(book.holdings);
            all.open_lots.extend(book.open_lots);
            all.closings.extend(book.closings);
            all.discrepancies.extend(book.discrepancies);
            all.withheld.extend(book.withheld);
            all.fills_seen += book.fills_seen;
        }
        all.positions.sort_by(Position::cmp_by_name);
        all.holdings.sort_by(|a, b| (&a.instrument_key, &a.isin).cmp(&(&b.instrument_key, &b.isin)));
        all.open_lots.sort_by(|a, b| {
            (&a.isin, &a.instrument_key, a.opened_at).cmp(&(&b.isin, &b.instrument_key, b.opened_at))
        });
        all.closings.sort_by_key(|closing| closing.closed_at);
        all.discrepancies.sort();
        all.withheld.sort();
        all
    }
}

/// A cost queue whose rows cannot be stored because a quantity is fractional.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Withheld {
    /// The ISIN, where the queue is one of an ISIN: the holding of it stays.
    pub isin: Option<String>,
    /// The keys of its instruments: positions and holdings of them stay.
    pub instrument_keys: BTreeSet<String>,
}

/// The book of an account: a pure function of its input.
pub fn generate(input: &Input<'_>) -> Result<Book, LedgerError> {
    let instruments = Instruments::new(input.instruments);
    let mut fills: Vec<&Fill> = input.fills.iter().filter(|fill| fill.counts_at(input.as_of)).collect();
    fills.sort_by(|a, b| a.matching_order(b));
    let calendar = Calendar::new(input.holidays, fills.iter().map(|fill| ist::day_of(fill.at)));
    let view_day = calendar.view_day(input.as_of);
    let mut identities = Identities::new(input.instruments);
    fills.iter().for_each(|fill| identities.see_fill(fill));
    input.opening_lots.iter().for_each(|lot| identities.see_lot(lot, input.as_of));
    let mut ledger = Ledger::new(view_day, identities, Arc::new(input.holidays.clone()));
    ledger.closed = Some(Vec::new());
    ledger.expect(input.corporate_actions, input.opening_lots);
    for fill in fills {
        ledger.apply(fill.clone())?;
    }
    ledger.reach_view()?;
    write(&ledger, &instruments, calendar.before(view_day))
}

impl Ledger {
    /// The book as of now, of a ledger that has reached its view's day; `day_before` is the trading day before that.
    pub fn book(&self, instruments: &Instruments, day_before: NaiveDate) -> Result<Book, LedgerError> {
        write(self, instruments, day_before)
    }
}

fn write(ledger: &Ledger, instruments: &Instruments, day_before: NaiveDate) -> Result<Book, LedgerError> {
    let view = View::new(ledger)?;
    let directory = Directory::new(&ledger.trails, ledger.view_day, instruments);
    Writer { ledger, day_before, instruments, directory: &directory, view: &view }.book()
}

/// Writes down what was computed.
struct Writer<'a> {
    ledger: &'a Ledger,
    /// The trading day before the view's.
    day_before: NaiveDate,
    instruments: &'a Instruments,
    directory: &'a Directory<'a>,
    view: &'a View,
}

impl Writer<'_> {
    fn book(&self) -> Result<Book, LedgerError> {
        let positions = self.positions()?;
        let holdings = self.holdings()?;
        let fractions = findings::fractions(
            positions.iter().map(|(queues, position)| (*queues, position)),
            holdings.iter().map(|(queue, holding)| (*queue, holding)),
        );
        let mut discrepancies = self.discrepancies()?;
        let mut withheld = Vec::new();
        for (queue, quantity) in &fractions {
            let lot = self.view.lots.get(queue).and_then(|lots| lots.last());
            let lot = lot.map(|piece| &*piece.origin);
            let (found, rows) = findings::withheld(queue, *quantity, lot, self.directory);
            discrepancies.push(found);
            withheld.push(rows);
        }
        discrepancies.sort();
        withheld.sort();
        let is_whole = |queue: &QueueId| !fractions.contains_key(queue);
        let positions = positions.into_iter().filter(|(queues, _)| queues.iter().all(is_whole));
        let holdings = holdings.into_iter().filter(|(queue, _)| is_whole(queue));
        Ok(Book {
            view_day: self.ledger.view_day,
            positions: positions.map(|(_, position)| position).collect(),
            holdings: holdings.map(|(_, holding)| holding).collect(),
            open_lots: self.open_lots(),
            closings: self.closings()?,
            discrepancies,
            withheld,
            fills_seen: self.ledger.queues.iter().map(|queue| queue.fills_seen).sum(),
        })
    }

    fn positions(&self) -> Result<Vec<(&BTreeSet<QueueId>, Position)>, LedgerError> {
        let shown = self.view.rows.iter().filter(|(_, sums)| !sums.is_idle());
        let mut rows: Vec<_> = shown
            .map(|(key, sums)| {
                let latest = self.directory.latest(&key.exchange, &key.instrument_key);
                let symbol = latest.map_or("", |latest| &latest.terms().symbol);
                Position::new(key, symbol, sums, self.instruments)
                    .map(|position| (&sums.queues, position))
                    .map_err(|_| overflow(&key.instrument_key))
            })
            .collect::<Result<_, _>>()?;
        rows.sort_by(|(_, a), (_, b)| a.cmp_by_name(b));
        Ok(rows)
    }

    fn holdings(&self) -> Result<Vec<(&QueueId, Holding)>, LedgerError> {
        let mut rows: Vec<_> = self
            .view
            .holdings
            .iter()
            .map(|(queue, lots)| {
                let names = self.directory.names(queue, lots.last().map(|lot| &*lot.origin));
                Holding::new(&names, queue.isin(), lots, self.day_before, self.instruments)
                    .map(|holding| (queue, holding))
                    .map_err(|_| overflow(queue.as_str()))
            })
            .collect::<Result<_, _>>()?;
        rows.sort_by(|(_, a), (_, b)| (&a.instrument_key, &a.isin).cmp(&(&b.instrument_key, &b.isin)));
        Ok(rows)
    }

    fn open_lots(&self) -> Vec<Lot> {
        let queues = self.view.lots.iter();
        queues.flat_map(|(id, lots)| lots.iter().map(|lot| Lot::new(lot, id.isin()))).collect()
    }

    fn closings(&self) -> Result<Vec<Closing>, LedgerError> {
        let Some(closed) = &self.ledger.closed else { return Ok(Vec::new()) };
        // The ledger closes queue by queue, and of shares the day's own pairs before older lots.
        let mut matches: Vec<&Closed> = closed.iter().chain(&self.view.closed).collect();
        matches.sort_by(|a, b| a.closed.cmp_matching(&b.closed));
        let mut latest: BTreeMap<&QueueId, Names> = BTreeMap::new();
        matches
            .into_iter()
            .map(|matched| {
                let Closed { queue, closed, .. } = matched;
                let names = latest.entry(queue).or_insert_with(|| self.directory.names(queue, Some(closed)));
                let terms = closed.terms();
                let told = self.instruments.multiplier(&terms.exchange, &terms.instrument_key);
                Closing::new(matched, told.unwrap_or(Decimal::ONE), names)
                    .map_err(|_| overflow(&terms.instrument_key))
            })
            .collect()
    }

    fn discrepancies(&self) -> Result<Vec<Discrepancy>, LedgerError> {
        let Self { ledger, instruments, directory, view, .. } = self;
        let mut found = findings::unknown_costs(ledger);
        found.extend(findings::mis_remainders(view, directory)?);
        found.extend(findings::expired(view, ledger.view_day, instruments, directory)?);
        let stopped = ledger.queues.iter().filter_map(|queue| queue.stopped.as_ref());
        found.extend(findings::unpriced(stopped.map(|(origin, quantity)| (&**origin, *quantity))));
        found.extend(findings::unknown_multipliers(instruments, directory));
        Ok(found)
    }
}
