//! The day of the view: what each row carried into it, did on it and holds at its instant.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::closing::Closed;
use crate::deal::{Dealt, deal};
use crate::error::LedgerError;
use crate::fifo::{Fifo, newest, oldest};
use crate::ledger::{Ledger, overflow};
use crate::origin::{Piece, QueueId};
use crate::price::{Overflow, Sum, add, sub};
use crate::queue::{Queue, Today, deliver};
use crate::row::RowKey;

/// The rows and holdings of a day, before prices and multipliers.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) rows: BTreeMap<RowKey, RowSums>,
    /// The delivery lots each queue of shares began the day with.
    pub(crate) holdings: BTreeMap<QueueId, Vec<Piece>>,
    /// All lots open at the instant.
    pub(crate) lots: BTreeMap<QueueId, Vec<Piece>>,
    /// What shares of the day close of older lots, if the day ended now.
    pub(crate) closed: Vec<Closed>,
}

/// The sums behind one row; money without the multiplier.
#[derive(Debug, Default)]
pub(crate) struct RowSums {
    /// The queues it has lots and fills of: one, but where an instrument changes its ISIN on the day.
    pub(crate) queues: BTreeSet<QueueId>,
    pub(crate) overnight: Decimal,
    pub(crate) carried_cost: Sum,
    pub(crate) bought: Decimal,
    pub(crate) bought_value: Sum,
    pub(crate) sold: Decimal,
    pub(crate) sold_value: Sum,
    pub(crate) net: Decimal,
    pub(crate) open_cost: Sum,
    pub(crate) realised: Sum,
    /// Of all fills of the day and all carried lots; `None` is one more.
    pub(crate) strategies: BTreeSet<Option<CompactString>>,
}

impl View {
    /// Of a ledger that has reached its view's day.
    pub(crate) fn new(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut view = Self::default();
        for queue in ledger.index.values().map(|index| &ledger.queues[*index]) {
            view.take(queue).map_err(|_| overflow(queue.id.as_str()))?;
        }
        Ok(view)
    }

    fn take(&mut self, queue: &Queue) -> Result<(), Overflow> {
        let rows = queue.carried_rows();
        let (start_lots, start_rows) = match &queue.start {
            Some(start) => (&start.lots, start.rows.iter().collect()),
            None => (&queue.lots, rows.clone()),
        };
        self.take_start(&queue.id, start_lots, &start_rows)?;
        for row in &queue.rows {
            if let Some(today) = &row.today {
                self.take_today(&queue.id, &row.key, today)?;
            }
        }
        if queue.intraday.is_empty() {
            return self.take_now(&queue.id, start_lots, &start_rows, &queue.lots, &rows);
        }
        let mut lots = queue.lots.clone();
        let mut closed = Vec::new();
        deliver(queue.intraday.iter().cloned(), &mut lots, |matched| {
            closed.push(Closed::new(&queue.id, matched))
        })?;
        for matched in &closed {
            let (bought, sold) = matched.bought_and_sold();
            let realised = &mut self.row(&queue.id, &matched.closed.place.row).realised;
            realised.add(matched.quantity, sold)?;
            realised.add(-matched.quantity, bought)?;
        }
        self.closed.extend(closed);
        self.take_now(&queue.id, start_lots, &start_rows, &lots, &rows)
    }

    /// Of shares the rows have the newest lots and the holding the oldest.
    fn take_start(
        &mut self,
        id: &QueueId,
        lots: &Fifo,
        rows: &BTreeMap<&RowKey, &Fifo>,
    ) -> Result<(), Overflow> {
        let lots: Vec<Piece> = if id.is_cash() {
            let carried = sum_of(rows)?;
            let holding = oldest(lots.iter(), sub(lots.total(), carried)?)?;
            if !holding.is_empty() {
                self.holdings.insert(id.clone(), holding);
            }
            newest(lots.iter(), carried)?
        } else {
            lots.iter().cloned().collect()
        };
        for (key, Dealt { quantity, cost, pieces }) in deal(&lots, rows)? {
            let row = self.row(id, &key);
            row.overnight = add(row.overnight, quantity)?;
            row.net = add(row.net, quantity)?;
            row.carried_cost.add_sum(&cost, Decimal::ONE)?;
            row.strategies
                .extend(pieces.iter().map(|piece| piece.origin.strategy().map(CompactString::from)));
        }
        Ok(())
    }

    fn take_today(&mut self, id: &QueueId, key: &RowKey, today: &Today) -> Result<(), Overflow> {
        let row = self.row(id, key);
        row.net = sub(add(row.net, today.bought)?, today.sold)?;
        row.bought = add(row.bought, today.bought)?;
        row.bought_value.add_sum(&today.bought_value, Decimal::ONE)?;
        row.sold = add(row.sold, today.sold)?;
        row.sold_value.add_sum(&today.sold_value, Decimal::ONE)?;
        row.realised.add_sum(&today.realised, Decimal::ONE)?;
        row.strategies.extend(today.strategies.iter().cloned());
        Ok(())
    }

    /// Of shares the oldest lots, up to what the holding had, are the holding's, but never those still carried.
    fn take_now(
        &mut self,
        id: &QueueId,
        start_lots: &Fifo,
        start_rows: &BTreeMap<&RowKey, &Fifo>,
        now_lots: &Fifo,
        now_rows: &BTreeMap<&RowKey, &Fifo>,
    ) -> Result<(), Overflow> {
        self.lots.insert(id.clone(), now_lots.iter().cloned().collect());
        let lots: Vec<Piece> = if id.is_cash() {
            let holding = sub(start_lots.total(), sum_of(start_rows)?)?;
            let carried = still_carried(start_rows, now_rows)?;
            let kept = holding.min(sub(now_lots.total(), carried)?).max(Decimal::ZERO);
            newest(now_lots.iter(), sub(now_lots.total(), kept)?)?
        } else {
            now_lots.iter().cloned().collect()
        };
        for (key, Dealt { cost, .. }) in deal(&lots, now_rows)? {
            self.row(id, &key).open_cost.add_sum(&cost, Decimal::ONE)?;
        }
        Ok(())
    }

    fn row(&mut self, id: &QueueId, key: &RowKey) -> &mut RowSums {
        let row = self.rows.entry(key.clone()).or_default();
        if !row.queues.contains(id) {
            row.queues.insert(id.clone());
        }
        row
    }
}

impl RowSums {
    /// Nothing was carried and nothing was traded.
    pub(crate) fn is_idle(&self) -> bool {
        self.overnight.is_zero() && self.bought.is_zero() && self.sold.is_zero()
    }
}

fn sum_of(rows: &BTreeMap<&RowKey, &Fifo>) -> Result<Decimal, Overflow> {
    rows.values().try_fold(Decimal::ZERO, |sum, row| add(sum, row.total()))
}

/// How much of what rows were carried with is in them yet.
fn still_carried(
    start: &BTreeMap<&RowKey, &Fifo>,
    now: &BTreeMap<&RowKey, &Fifo>,
) -> Result<Decimal, Overflow> {
    start.iter().try_fold(Decimal::ZERO, |sum, (key, row)| {
        let left = now.get(key).map_or(Decimal::ZERO, |row| row.total());
        add(sum, row.total().min(left).max(Decimal::ZERO))
    })
}
