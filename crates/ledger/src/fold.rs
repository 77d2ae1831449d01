//! The days of an account, one after the other.
//!
//! A day begins with its corporate actions and opening lots, is traded, and ends. The day of the view is traded as if
//! it ended at the view's instant, but it is not ended: its delivery still stands in the rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::closing::ClosingSide;
use crate::error::LedgerError;
use crate::fifo::Match;
use crate::intake::Day;
use crate::origin::{Piece, QueueId};
use crate::price::{Overflow, add, sub};
use crate::queue::Queue;

/// All queues of an account at one point of its history.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    pub(crate) queues: BTreeMap<QueueId, Queue>,
    /// Everything closed so far.
    pub(crate) closed: Vec<(QueueId, Match)>,
    /// Sales (and opening shorts) of shares that no lot covers, with the day they belong to.
    pub(crate) uncovered: Vec<(NaiveDate, QueueId, Piece)>,
    /// Queues of shares whose rows must be looked at when the day ends.
    touched: BTreeSet<QueueId>,
}

impl Fold {
    /// Plays a whole day.
    pub(crate) fn play(&mut self, date: NaiveDate, day: &Day<'_>) -> Result<(), LedgerError> {
        self.begin_day(date, day)?;
        self.trade(date, day)?;
        self.end_day()
    }

    /// Corporate actions change the lots of the days before; then the day's opening lots enter.
    pub(crate) fn begin_day(&mut self, date: NaiveDate, day: &Day<'_>) -> Result<(), LedgerError> {
        for action in &day.actions {
            action.apply(&mut self.queues).map_err(|_| overflow(&action.isin))?;
        }
        for lot in &day.openings {
            let id = &lot.origin.queue;
            if id.is_cash() && lot.quantity.is_sign_negative() {
                self.uncovered.push((date, id.clone(), lot.clone()));
                continue;
            }
            let queue = self.queues.entry(id.clone()).or_default();
            queue.open(lot.clone(), id.is_cash()).map_err(|_| overflow(id.as_str()))?;
            self.touched.insert(id.clone());
        }
        Ok(())
    }

    pub(crate) fn trade(&mut self, date: NaiveDate, day: &Day<'_>) -> Result<(), LedgerError> {
        for (id, fills) in &day.fills {
            self.trade_queue(date, id, fills).map_err(|_| overflow(id.as_str()))?;
            self.touched.insert(id.clone());
        }
        Ok(())
    }

    fn trade_queue(&mut self, date: NaiveDate, id: &QueueId, fills: &[Piece]) -> Result<(), Overflow> {
        let queue = self.queues.entry(id.clone()).or_default();
        let mut matches = Vec::new();
        let mut expected = queue.lots.total();
        for fill in fills {
            expected = add(expected, fill.quantity)?;
        }
        if id.is_cash() {
            let uncovered = queue.trade_cash(fills, &mut matches)?;
            for sale in &uncovered {
                expected = sub(expected, sale.quantity)?;
            }
            self.uncovered.extend(uncovered.into_iter().map(|piece| (date, id.clone(), piece)));
        } else {
            queue.trade_contract(fills, &mut matches)?;
        }
        debug_assert_eq!(queue.lots.total(), expected, "what was traded is in the lots or was uncovered");
        debug_assert!(
            matches.iter().all(|m| !m.quantity.is_sign_negative() && !m.quantity.is_zero()),
            "a match closes something"
        );
        self.closed.extend(matches.into_iter().map(|matched| (id.clone(), matched)));
        Ok(())
    }

    fn end_day(&mut self) -> Result<(), LedgerError> {
        for id in std::mem::take(&mut self.touched).iter().filter(|id| id.is_cash()) {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.end_cash_day().map_err(|_| overflow(id.as_str()))?;
                debug_assert!(
                    queue.lots.iter().all(|lot| !lot.quantity.is_sign_negative()),
                    "no short of shares outlives its day"
                );
            }
        }
        self.queues.retain(|_, queue| !(queue.lots.is_empty() && queue.rows.is_empty()));
        Ok(())
    }
}

impl Match {
    /// Paid and received per unit.
    pub(crate) fn bought_and_sold(&self) -> (crate::Price, crate::Price) {
        match self.side {
            ClosingSide::Long => (self.entry, self.exit),
            ClosingSide::Short => (self.exit, self.entry),
        }
    }
}

pub(crate) fn overflow(name: &str) -> LedgerError {
    LedgerError::Overflow { instrument_key: name.to_owned() }
}
