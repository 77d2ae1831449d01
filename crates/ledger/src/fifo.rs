use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::closing::ClosingSide;
use crate::origin::Piece;
use crate::price::{Overflow, Price, add_to, sub};

/// Open pieces, oldest first. What is traded against them consumes from the front; what is left of a piece stays
/// where it was.
///
/// Traded pieces all have one sign, since opposite ones cancel; only opening lots, which never match each other, can
/// put both signs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fifo {
    pieces: VecDeque<Piece>,
    long_count: usize,
    short_count: usize,
    total: Decimal,
}

/// One lot, or a part of one, closed by one fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match<'a> {
    /// The lot before.
    pub(crate) lot: &'a Piece,
    pub(crate) fill: &'a Piece,
    /// Positive.
    pub(crate) quantity: Decimal,
}

impl Match<'_> {
    /// The sign the lot had.
    pub(crate) fn side(&self) -> ClosingSide {
        if self.lot.is_short() { ClosingSide::Short } else { ClosingSide::Long }
    }

    /// Paid and received per unit.
    pub(crate) fn bought_and_sold(&self) -> (Price, Price) {
        match self.side() {
            ClosingSide::Long => (self.lot.price, self.fill.price),
            ClosingSide::Short => (self.fill.price, self.lot.price),
        }
    }
}

impl Fifo {
    /// The signed sum of all pieces.
    pub(crate) fn total(&self) -> Decimal {
        self.total
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// Takes all pieces out. The room for them stays, since a next day needs it again.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> {
        (self.long_count, self.short_count, self.total) = (0, 0, Decimal::ZERO);
        self.pieces.drain(..)
    }

    /// Adds a piece at the back, matching nothing.
    pub(crate) fn push(&mut self, piece: Piece) -> Result<(), Overflow> {
        if !piece.quantity.is_zero() {
            add_to(&mut self.total, piece.quantity)?;
            self.append(piece);
        }
        Ok(())
    }

    /// Matches a fill with pieces of the other sign, oldest first; what is left of it opens a piece of its own.
    pub(crate) fn trade(&mut self, fill: &Piece, closed: impl FnMut(Match<'_>)) -> Result<(), Overflow> {
        add_to(&mut self.total, fill.quantity)?;
        let rest = self.close(fill, closed)?;
        if !rest.is_zero() {
            self.append(fill.with_quantity(rest));
        }
        Ok(())
    }

    /// Matches a fill with pieces of the other sign, oldest first, and returns what is left of its quantity.
    pub(crate) fn consume(
        &mut self,
        fill: &Piece,
        closed: impl FnMut(Match<'_>),
    ) -> Result<Decimal, Overflow> {
        let rest = self.close(fill, closed)?;
        add_to(&mut self.total, sub(fill.quantity, rest)?)?;
        Ok(rest)
    }

    fn append(&mut self, piece: Piece) {
        *self.count_of(piece.is_short()) += 1;
        self.pieces.push_back(piece);
    }

    /// Matches as [`Self::consume`] does, but leaves the total to the caller, who can tell it with one addition.
    fn close(&mut self, fill: &Piece, mut closed: impl FnMut(Match<'_>)) -> Result<Decimal, Overflow> {
        let mut rest = fill.quantity;
        while let Some(index) = self.oldest_against(rest) {
            let lot = &mut self.pieces[index];
            let is_short = lot.is_short();
            // The signs differ, so the sum is what outlives the match, and has the sign of the one that does.
            let mut left = rest;
            add_to(&mut left, lot.quantity)?;
            let outlives = !left.is_zero() && left.is_sign_negative() == is_short;
            let quantity = if outlives { rest.abs() } else { lot.quantity.abs() };
            closed(Match { lot, fill, quantity });
            if outlives {
                lot.quantity = left;
                return Ok(Decimal::ZERO);
            }
            if index == 0 {
                self.pieces.pop_front();
            } else {
                self.pieces.remove(index);
            }
            *self.count_of(is_short) -= 1;
            rest = left;
        }
        Ok(rest)
    }

    /// Keeps only the newest pieces, `quantity` of them in all.
    pub(crate) fn keep_newest(&mut self, quantity: Decimal) -> Result<(), Overflow> {
        let mut kept = newest(self.iter(), quantity)?;
        *self = Self::default();
        kept.drain(..).try_for_each(|piece| self.push(piece))
    }

    /// Takes in another queue's pieces by the dates they were opened; on one day opening lots come first.
    pub(crate) fn absorb(&mut self, other: Self) -> Result<(), Overflow> {
        let mut all: Vec<Piece> = std::mem::take(self).pieces.into_iter().chain(other.pieces).collect();
        all.sort_by_key(|piece| (piece.origin.day, !piece.origin.is_opening, piece.origin.at));
        all.into_iter().try_for_each(|piece| self.push(piece))
    }

    /// Replaces every piece.
    pub(crate) fn rewrite(
        &mut self,
        change: impl Fn(&Piece) -> Result<Piece, Overflow>,
    ) -> Result<(), Overflow> {
        let pieces = std::mem::take(self).pieces;
        pieces.iter().try_for_each(|piece| self.push(change(piece)?))
    }

    fn oldest_against(&self, quantity: Decimal) -> Option<usize> {
        let wants_long = quantity.is_sign_negative();
        let (wanted, others) = match wants_long {
            true => (self.long_count, self.short_count),
            false => (self.short_count, self.long_count),
        };
        if wanted == 0 || quantity.is_zero() {
            return None;
        }
        if others == 0 {
            return Some(0);
        }
        self.pieces.iter().position(|piece| piece.is_short() != wants_long)
    }

    fn count_of(&mut self, is_short: bool) -> &mut usize {
        if is_short { &mut self.short_count } else { &mut self.long_count }
    }
}

/// The newest of the long pieces, `quantity` in all, oldest of them first; the piece on the boundary is cut.
pub(crate) fn newest<'a>(
    pieces: impl DoubleEndedIterator<Item = &'a Piece>,
    quantity: Decimal,
) -> Result<Vec<Piece>, Overflow> {
    let mut kept = first_of(pieces.rev(), quantity)?;
    kept.reverse();
    Ok(kept)
}

/// The oldest of the long pieces, `quantity` in all.
pub(crate) fn oldest<'a>(
    pieces: impl Iterator<Item = &'a Piece>,
    quantity: Decimal,
) -> Result<Vec<Piece>, Overflow> {
    first_of(pieces, quantity)
}

fn first_of<'a>(pieces: impl Iterator<Item = &'a Piece>, quantity: Decimal) -> Result<Vec<Piece>, Overflow> {
    let mut kept = Vec::new();
    let mut rest = quantity;
    for piece in pieces.filter(|piece| !piece.is_short()) {
        if rest <= Decimal::ZERO {
            break;
        }
        let part = piece.quantity.min(rest);
        rest = sub(rest, part)?;
        kept.push(piece.with_quantity(part));
    }
    Ok(kept)
}
