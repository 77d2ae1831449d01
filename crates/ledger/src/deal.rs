//! Lots dealt to rows.
//!
//! The broker shows products apart but costs them together: a row's quantity is that of its own fills, its cost comes
//! from the queue's lots, oldest first, in the order of the rows. A part that no lot covers (a contract long in one
//! product and short in another has no lots at all) is costed by FIFO over the row's own fills.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::fifo::Fifo;
use crate::origin::Piece;
use crate::price::{Overflow, Sum, sub};
use crate::row::RowKey;

/// What a row holds at one point of the day.
#[derive(Debug, Clone)]
pub(crate) struct Dealt {
    /// Signed.
    pub(crate) quantity: Decimal,
    /// Signed like the quantity; without the multiplier.
    pub(crate) cost: Sum,
    /// The lots the cost is made of.
    pub(crate) pieces: Vec<Piece>,
}

/// Deals `lots` to the rows that are not flat.
pub(crate) fn deal(
    lots: &[Piece],
    rows: &BTreeMap<&RowKey, &Fifo>,
) -> Result<BTreeMap<RowKey, Dealt>, Overflow> {
    let mut longs = Supply::new(lots, false);
    let mut shorts = Supply::new(lots, true);
    let mut dealt = BTreeMap::new();
    for (key, own) in rows.iter().filter(|(_, own)| !own.total().is_zero()) {
        let supply = if own.total().is_sign_negative() { &mut shorts } else { &mut longs };
        dealt.insert((*key).clone(), cost_of(supply, own)?);
    }
    Ok(dealt)
}

fn cost_of(supply: &mut Supply<'_>, own: &Fifo) -> Result<Dealt, Overflow> {
    let quantity = own.total();
    let (mut pieces, uncovered) = supply.take(quantity)?;
    let mut cost = Sum::default();
    for piece in &pieces {
        cost.add(piece.quantity, piece.price)?;
    }
    if !uncovered.is_zero() {
        let same_sign = |piece: &&Piece| piece.quantity.is_sign_negative() == quantity.is_sign_negative();
        let own: Vec<&Piece> = own.iter().filter(same_sign).collect();
        let mut own_cost = Sum::default();
        let mut own_quantity = Decimal::ZERO;
        for piece in &own {
            own_cost.add(piece.quantity, piece.price)?;
            own_quantity = crate::price::add(own_quantity, piece.quantity)?;
        }
        cost.add(uncovered, own_cost.price_of(own_quantity)?)?;
        pieces.extend(own.into_iter().cloned());
    }
    Ok(Dealt { quantity, cost, pieces })
}

/// The lots of one sign, with what is left of the first.
struct Supply<'a> {
    lots: Vec<&'a Piece>,
    next: usize,
    used: Decimal,
}

impl<'a> Supply<'a> {
    fn new(lots: &'a [Piece], is_short: bool) -> Self {
        let lots = lots.iter().filter(|lot| lot.quantity.is_sign_negative() == is_short).collect();
        Self { lots, next: 0, used: Decimal::ZERO }
    }

    /// Takes up to `quantity` (signed like the lots), and says how much there was not.
    fn take(&mut self, quantity: Decimal) -> Result<(Vec<Piece>, Decimal), Overflow> {
        let mut pieces = Vec::new();
        let mut rest = quantity;
        while !rest.is_zero()
            && let Some(lot) = self.lots.get(self.next)
        {
            let left = sub(lot.quantity, self.used)?;
            let part = if left.abs() <= rest.abs() { left } else { rest };
            rest = sub(rest, part)?;
            pieces.push(lot.with_quantity(part));
            if part == left {
                self.next += 1;
                self.used = Decimal::ZERO;
            } else {
                self.used = crate::price::add(self.used, part)?;
            }
        }
        Ok((pieces, rest))
    }
}
