//! One cost queue: the lots of an ISIN or of a contract, and how its days go.
//!
//! A contract has one FIFO queue over days and products, where shorts live on. Shares do not: within a day buys and
//! sells are matched first, whatever their products, and only what remains is delivery and touches older lots. A
//! short of shares therefore ends with its day; what no lot covers has an unknown cost.
//!
//! A day is ended when a later one is entered, so that a day can be taken up again for as long as it lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fifo::{Fifo, Match};
use crate::origin::{Origin, Piece, QueueId};
use crate::price::{Overflow, Sum, add, sub};
use crate::row::RowKey;

/// The lots of a queue, and for each row of the net view what its own fills alone would leave open.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) lots: Fifo,
    pub(crate) rows: Vec<Row>,
    /// Each row's own pieces are kept. Until a contract has a second row, its lots are the first one's.
    pub(crate) is_split: bool,
    /// Of shares: what the day's own fills have left of each other so far.
    pub(crate) intraday: Fifo,
    /// The day of the latest opening lot or fill, as long as it has not been ended.
    pub(crate) open_day: Option<NaiveDate>,
    /// What the view's day began with, once it was traded on.
    pub(crate) start: Option<Start>,
    /// The fill without a price that stops it, with its quantity.
    pub(crate) stopped: Option<(Arc<Origin>, Decimal)>,
    /// All fills, counted or not.
    pub(crate) fills_seen: usize,
    /// The latest of them.
    pub(crate) last: Option<Latest>,
    /// Days with a fill on which the market is closed.
    pub(crate) odd_days: BTreeSet<NaiveDate>,
}

/// A fill that nothing of the same queue may come before any more.
#[derive(Debug, Clone)]
pub(crate) enum Latest {
    /// The one that this trail remembers, with its signed quantity.
    Of(usize, Decimal),
    /// One that waits for a price, its own or another's.
    Waiting(Arc<Origin>, Decimal),
}

/// A row of the net view.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: RowKey,
    /// What its own fills alone leave open; see [`Queue::own_of`].
    pub(crate) own: Fifo,
    /// What happened on the view's day.
    pub(crate) today: Option<Box<Today>>,
}

/// The sums of a row over one day; money without the multiplier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Today {
    pub(crate) bought: Decimal,
    pub(crate) bought_value: Sum,
    pub(crate) sold: Decimal,
    pub(crate) sold_value: Sum,
    pub(crate) realised: Sum,
    /// Of all fills of the day; `None` is one more.
    pub(crate) strategies: BTreeSet<Option<CompactString>>,
}

/// The lots a day began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) lots: Fifo,
    pub(crate) rows: BTreeMap<RowKey, Fifo>,
}

/// How a fill counts beyond the lots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnDay {
    pub(crate) day: NaiveDate,
    /// The day is the view's, so its sums are wanted.
    pub(crate) is_view: bool,
}

impl Queue {
    pub(crate) fn new(id: QueueId) -> Self {
        Self {
            is_split: id.is_cash(),
            id,
            lots: Fifo::default(),
            rows: Vec::new(),
            intraday: Fifo::default(),
            open_day: None,
            start: None,
            stopped: None,
            fills_seen: 0,
            last: None,
            odd_days: BTreeSet::new(),
        }
    }

    /// The position of a row; a new one is added.
    pub(crate) fn row(&mut self, key: &RowKey) -> usize {
        if let Some(known) = self.rows.iter().position(|row| row.key == *key) {
            return known;
        }
        if let (false, [only]) = (self.is_split, self.rows.as_mut_slice()) {
            only.own = self.lots.clone();
            self.is_split = true;
        }
        self.rows.push(Row { key: key.clone(), own: Fifo::default(), today: None });
        self.rows.len() - 1
    }

    /// Something is left of it, or its day has not ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.lots.is_empty() || self.open_day.is_some() || self.rows.iter().any(|row| !row.own.is_empty())
    }

    /// What a row's own fills alone leave open.
    pub(crate) fn own_of<'a>(&'a self, row: &'a Row) -> &'a Fifo {
        if self.is_split { &row.own } else { &self.lots }
    }

    /// The rows that are not flat, by what their own fills leave open, in dealing order.
    pub(crate) fn carried_rows(&self) -> BTreeMap<&RowKey, &Fifo> {
        self.rows.iter().map(|row| (&row.key, self.own_of(row))).filter(|(_, own)| !own.is_empty()).collect()
    }

    /// Takes in an opening lot. Of shares, delivery is a holding and only other products are carried in their row.
    pub(crate) fn open(&mut self, lot: Piece, day: NaiveDate) -> Result<(), Overflow> {
        let row = &lot.origin.place.row;
        if !(self.id.is_cash() && row.is_delivery()) {
            let row = self.row(row);
            if self.is_split {
                self.rows[row].own.push(lot.clone())?;
            }
        }
        self.open_day = Some(day);
        self.lots.push(lot)
    }

    /// Takes in a fill that has no price, or comes after one that has none.
    pub(crate) fn wait(&mut self, fill: Arc<Origin>, quantity: Decimal) {
        self.stopped.get_or_insert_with(|| (Arc::clone(&fill), quantity.abs()));
        self.last = Some(Latest::Waiting(fill, quantity));
    }

    /// Takes in a fill of a day that was entered.
    pub(crate) fn trade(
        &mut self,
        row: usize,
        fill: &Piece,
        on: OnDay,
        mut closed: impl FnMut(Match<'_>),
    ) -> Result<(), Overflow> {
        if on.is_view && self.start.is_none() {
            self.start = Some(Start::new(self));
        }
        self.open_day = Some(on.day);
        let (is_cash, is_split) = (self.id.is_cash(), self.is_split);
        let of_row = &mut self.rows[row];
        // Delivery leaves its row with the day, so only the view's own day needs to know it.
        if is_split && (on.is_view || !is_cash || !of_row.key.is_delivery()) {
            of_row.own.trade(fill, |_| {})?;
        }
        let queue = if is_cash { &mut self.intraday } else { &mut self.lots };
        let sum = cfg!(debug_assertions).then(|| add(queue.total(), fill.quantity)).transpose()?;
        if !on.is_view {
            queue.trade(fill, closed)?;
            debug_assert_eq!(Some(queue.total()), sum, "what was traded is in the lots");
            return Ok(());
        }
        let today = of_row.today.get_or_insert_default();
        today.count(fill)?;
        let mut overflow = Ok(());
        queue.trade(fill, |matched| {
            overflow = overflow.and_then(|()| today.realise(matched));
            closed(matched);
        })?;
        debug_assert_eq!(Some(queue.total()), sum, "what was traded is in the lots");
        overflow
    }

    /// Ends the open day of a queue if it is before `day`. Of shares, what the day left is delivery or meets older
    /// lots, delivery leaves the rows, and of the other products what they sum to stays, in dealing order, as far as
    /// there are lots. Returns the sales no lot covers.
    pub(crate) fn end_day_before(
        &mut self,
        day: NaiveDate,
        closed: impl FnMut(Match<'_>),
    ) -> Result<Option<(NaiveDate, Vec<Piece>)>, Overflow> {
        let Some(ended) = self.open_day.take_if(|open| *open < day) else { return Ok(None) };
        self.start = None;
        self.rows.iter_mut().for_each(|row| row.today = None);
        if !self.id.is_cash() {
            return Ok(None);
        }
        let uncovered = deliver(self.intraday.drain(), &mut self.lots, closed)?;
        self.rows.iter_mut().filter(|row| row.key.is_delivery()).for_each(|row| row.own = Fifo::default());
        self.carry_rows()?;
        debug_assert!(self.lots.iter().all(|lot| !lot.is_short()), "no short of shares outlives its day");
        Ok(Some((ended, uncovered)))
    }

    fn carry_rows(&mut self) -> Result<(), Overflow> {
        let mut left = self.carried()?.min(self.lots.total()).max(Decimal::ZERO);
        let mut rows: Vec<&mut Row> = self.rows.iter_mut().filter(|row| !row.own.is_empty()).collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        for row in rows {
            let carried = row.own.total().min(left).max(Decimal::ZERO);
            left = sub(left, carried)?;
            row.own.keep_newest(carried)?;
        }
        Ok(())
    }

    /// The sum of what rows hold.
    pub(crate) fn carried(&self) -> Result<Decimal, Overflow> {
        self.rows.iter().try_fold(Decimal::ZERO, |sum, row| add(sum, row.own.total()))
    }

    /// What its rows hold, taken out of them.
    pub(crate) fn take_rows(&mut self) -> Vec<(RowKey, Fifo)> {
        self.rows.iter_mut().map(|row| (row.key.clone(), std::mem::take(&mut row.own))).collect()
    }

    /// Takes in all that another queue of shares holds.
    pub(crate) fn absorb(&mut self, lots: Fifo, rows: Vec<(RowKey, Fifo)>) -> Result<(), Overflow> {
        self.lots.absorb(lots)?;
        for (key, own) in rows.into_iter().filter(|(_, own)| !own.is_empty()) {
            let row = self.row(&key);
            self.rows[row].own.absorb(own)?;
        }
        Ok(())
    }

    /// Replaces every piece of the lots and of the rows.
    pub(crate) fn rewrite(
        &mut self,
        change: impl Fn(&Piece) -> Result<Piece, Overflow>,
    ) -> Result<(), Overflow> {
        self.lots.rewrite(&change)?;
        self.rows.iter_mut().try_for_each(|row| row.own.rewrite(&change))
    }
}

/// What a day's own fills left of each other meets the older lots; returns the sales no lot covers.
pub(crate) fn deliver(
    intraday: impl Iterator<Item = Piece>,
    lots: &mut Fifo,
    mut closed: impl FnMut(Match<'_>),
) -> Result<Vec<Piece>, Overflow> {
    let mut sum = lots.total();
    let mut uncovered = Vec::new();
    for remainder in intraday {
        if cfg!(debug_assertions) {
            sum = add(sum, remainder.quantity)?;
        }
        if remainder.is_short() {
            let rest = lots.consume(&remainder, &mut closed)?;
            uncovered.extend((!rest.is_zero()).then(|| remainder.with_quantity(rest)));
        } else {
            lots.push(remainder)?;
        }
    }
    debug_assert_eq!(
        Ok(sum),
        uncovered.iter().try_fold(lots.total(), |sum, sale: &Piece| add(sum, sale.quantity)),
        "what a day left is in the lots or was uncovered"
    );
    Ok(uncovered)
}

impl Start {
    fn new(queue: &Queue) -> Self {
        let rows = queue.carried_rows();
        let rows = rows.into_iter().map(|(key, own)| (key.clone(), own.clone())).collect();
        Self { lots: queue.lots.clone(), rows }
    }
}

impl Today {
    fn count(&mut self, fill: &Piece) -> Result<(), Overflow> {
        if fill.is_short() {
            self.sold = add(self.sold, -fill.quantity)?;
            self.sold_value.add(-fill.quantity, fill.price)?;
        } else {
            self.bought = add(self.bought, fill.quantity)?;
            self.bought_value.add(fill.quantity, fill.price)?;
        }
        let strategy = fill.origin.strategy();
        if !self.strategies.iter().any(|known| known.as_deref() == strategy) {
            self.strategies.insert(strategy.map(CompactString::from));
        }
        Ok(())
    }

    pub(crate) fn realise(&mut self, matched: Match<'_>) -> Result<(), Overflow> {
        let (bought, sold) = matched.bought_and_sold();
        self.realised.add(matched.quantity, sold)?;
        self.realised.add(-matched.quantity, bought)
    }
}
