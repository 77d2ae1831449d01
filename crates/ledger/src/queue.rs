//! One cost queue: the lots of an ISIN or of a contract, and how its days go.
//!
//! A contract has one FIFO queue over days and products, where shorts live on. Shares do not: within a day buys and
//! sells are matched first, whatever their products, and only what remains is delivery and touches older lots. A
//! short of shares therefore ends with its day; what no lot covers has an unknown cost.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::fifo::{Fifo, Match};
use crate::origin::Piece;
use crate::price::{Overflow, add, sub};
use crate::row::RowKey;

/// The lots of a queue, and for each row of the net view what its own fills alone would leave open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) lots: Fifo,
    pub(crate) rows: BTreeMap<RowKey, Fifo>,
}

impl Queue {
    /// Takes in an opening lot. Of shares, delivery is a holding and only other products are carried in their row.
    pub(crate) fn open(&mut self, lot: Piece, is_cash: bool) -> Result<(), Overflow> {
        let row = lot.origin.row();
        if !(is_cash && row.is_delivery()) {
            self.rows.entry(row).or_default().push(lot.clone())?;
        }
        self.lots.push(lot)
    }

    /// One day's fills of a contract.
    pub(crate) fn trade_contract(
        &mut self,
        fills: &[Piece],
        matches: &mut Vec<Match>,
    ) -> Result<(), Overflow> {
        for fill in fills {
            self.lots.trade(fill, matches)?;
        }
        self.trade_rows(fills)
    }

    /// One day's fills of a share, all that are known of that day; returns the sales no lot covers.
    pub(crate) fn trade_cash(
        &mut self,
        fills: &[Piece],
        matches: &mut Vec<Match>,
    ) -> Result<Vec<Piece>, Overflow> {
        let mut day = Fifo::default();
        for fill in fills {
            day.trade(fill, matches)?;
        }
        let mut uncovered = Vec::new();
        for remainder in day.iter() {
            if remainder.quantity.is_sign_negative() {
                let rest = self.lots.consume(remainder, matches)?;
                uncovered.extend((!rest.quantity.is_zero()).then_some(rest));
            } else {
                self.lots.push(remainder.clone())?;
            }
        }
        self.trade_rows(fills)?;
        Ok(uncovered)
    }

    /// Ends a day of a share: delivery leaves the rows; of the other products what they sum to stays, in dealing
    /// order, as far as there are lots.
    pub(crate) fn end_cash_day(&mut self) -> Result<(), Overflow> {
        self.rows.retain(|row, _| !row.is_delivery());
        let sum = self.rows.values().try_fold(Decimal::ZERO, |sum, row| add(sum, row.total()))?;
        let mut left = sum.min(self.lots.total()).max(Decimal::ZERO);
        for row in self.rows.values_mut() {
            let carried = row.total().min(left).max(Decimal::ZERO);
            left = sub(left, carried)?;
            row.keep_newest(carried)?;
        }
        self.rows.retain(|_, row| !row.is_empty());
        Ok(())
    }

    /// The sum of what rows other than delivery hold.
    pub(crate) fn carried(&self) -> Result<Decimal, Overflow> {
        self.rows.values().try_fold(Decimal::ZERO, |sum, row| add(sum, row.total()))
    }

    /// Takes in all that another queue holds.
    pub(crate) fn absorb(&mut self, other: Self) -> Result<(), Overflow> {
        self.lots.absorb(other.lots)?;
        other.rows.into_iter().try_for_each(|(key, row)| self.rows.entry(key).or_default().absorb(row))
    }

    /// Replaces every piece of the lots and of the rows.
    pub(crate) fn rewrite(
        &mut self,
        change: impl Fn(&Piece) -> Result<Piece, Overflow>,
    ) -> Result<(), Overflow> {
        self.lots.rewrite(&change)?;
        self.rows.values_mut().try_for_each(|row| row.rewrite(&change))
    }

    fn trade_rows(&mut self, fills: &[Piece]) -> Result<(), Overflow> {
        let mut unused = Vec::new();
        for fill in fills {
            let key = fill.origin.row();
            let row = self.rows.entry(key.clone()).or_default();
            row.trade(fill, &mut unused)?;
            unused.clear();
            if row.is_empty() {
                self.rows.remove(&key);
            }
        }
        Ok(())
    }
}
