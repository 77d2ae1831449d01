//! The day of the view: what each row carried into it, did on it and holds at its instant.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::deal::{Dealt, deal};
use crate::error::LedgerError;
use crate::fifo::{Fifo, newest, oldest};
use crate::fold::{Fold, overflow};
use crate::intake::Day;
use crate::origin::{Piece, QueueId};
use crate::price::{Overflow, Sum, add, sub};
use crate::queue::Queue;
use crate::row::RowKey;

/// The rows and holdings of a day, before prices and multipliers.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) rows: BTreeMap<RowKey, RowSums>,
    /// The delivery lots each queue of shares began the day with.
    pub(crate) holdings: BTreeMap<QueueId, Vec<Piece>>,
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
    pub(crate) strategies: BTreeSet<Option<String>>,
}

impl View {
    /// `start` are the queues when the day began, `now` is the fold after its fills.
    pub(crate) fn new(
        date: NaiveDate,
        day: &Day<'_>,
        start: &BTreeMap<QueueId, Queue>,
        now: &Fold,
    ) -> Result<Self, LedgerError> {
        let mut view = Self::default();
        let none = Queue::default();
        for (id, queue) in start {
            view.take_start(id, queue).map_err(|_| overflow(id.as_str()))?;
        }
        for (id, fills) in &day.fills {
            view.take_fills(id, fills).map_err(|_| overflow(id.as_str()))?;
        }
        for (id, queue) in &now.queues {
            let start = start.get(id).unwrap_or(&none);
            view.take_now(id, start, queue).map_err(|_| overflow(id.as_str()))?;
        }
        for (id, matched) in now.closed.iter().filter(|(_, matched)| matched.closed.day == date) {
            let (bought, sold) = matched.bought_and_sold();
            let realised = &mut view.row(id, &matched.closed.row()).realised;
            realised
                .add(matched.quantity, sold)
                .and_then(|()| realised.add(-matched.quantity, bought))
                .map_err(|_| overflow(id.as_str()))?;
        }
        Ok(view)
    }

    /// Of shares the rows have the newest lots and the holding the oldest.
    fn take_start(&mut self, id: &QueueId, queue: &Queue) -> Result<(), Overflow> {
        let lots: Vec<Piece> = if id.is_cash() {
            let carried = queue.carried()?;
            let delivery = sub(queue.lots.total(), carried)?;
            let holding = oldest(queue.lots.iter(), delivery)?;
            if !holding.is_empty() {
                self.holdings.insert(id.clone(), holding);
            }
            newest(queue.lots.iter(), carried)?
        } else {
            queue.lots.iter().cloned().collect()
        };
        for (key, Dealt { quantity, cost, pieces }) in deal(&lots, &queue.rows)? {
            let row = self.row(id, &key);
            row.overnight = add(row.overnight, quantity)?;
            row.net = add(row.net, quantity)?;
            row.carried_cost.add_sum(&cost, Decimal::ONE)?;
            row.strategies.extend(pieces.iter().map(|piece| piece.origin.strategy_id.clone()));
        }
        Ok(())
    }

    fn take_fills(&mut self, id: &QueueId, fills: &[Piece]) -> Result<(), Overflow> {
        for fill in fills {
            let row = self.row(id, &fill.origin.row());
            row.net = add(row.net, fill.quantity)?;
            if fill.quantity.is_sign_negative() {
                row.sold = add(row.sold, -fill.quantity)?;
                row.sold_value.add(-fill.quantity, fill.price)?;
            } else {
                row.bought = add(row.bought, fill.quantity)?;
                row.bought_value.add(fill.quantity, fill.price)?;
            }
            row.strategies.insert(fill.origin.strategy_id.clone());
        }
        Ok(())
    }

    /// Of shares the oldest lots, up to what the holding had, are the holding's, but never those still carried.
    fn take_now(&mut self, id: &QueueId, start: &Queue, now: &Queue) -> Result<(), Overflow> {
        let lots: Vec<Piece> = if id.is_cash() {
            let holding = sub(start.lots.total(), start.carried()?)?;
            let carried = still_carried(&start.rows, &now.rows)?;
            let kept = holding.min(sub(now.lots.total(), carried)?).max(Decimal::ZERO);
            newest(now.lots.iter(), sub(now.lots.total(), kept)?)?
        } else {
            now.lots.iter().cloned().collect()
        };
        for (key, Dealt { cost, .. }) in deal(&lots, &now.rows)? {
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

/// How much of what rows were carried with is in them yet.
fn still_carried(start: &BTreeMap<RowKey, Fifo>, now: &BTreeMap<RowKey, Fifo>) -> Result<Decimal, Overflow> {
    start.iter().try_fold(Decimal::ZERO, |sum, (key, row)| {
        let left = now.get(key).map_or(Decimal::ZERO, Fifo::total);
        add(sum, row.total().min(left).max(Decimal::ZERO))
    })
}
