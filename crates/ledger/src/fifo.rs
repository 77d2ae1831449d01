use std::collections::VecDeque;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::closing::ClosingSide;
use crate::origin::{Origin, Piece};
use crate::price::{Overflow, Price, add, sub};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) opened: Arc<Origin>,
    pub(crate) closed: Arc<Origin>,
    /// The sign the lot had.
    pub(crate) side: ClosingSide,
    /// Positive.
    pub(crate) quantity: Decimal,
    pub(crate) entry: Price,
    pub(crate) exit: Price,
}

impl Fifo {
    /// The signed sum of all pieces.
    pub(crate) fn total(&self) -> Decimal {
        self.total
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// Adds a piece at the back, matching nothing.
    pub(crate) fn push(&mut self, piece: Piece) -> Result<(), Overflow> {
        if piece.quantity.is_zero() {
            return Ok(());
        }
        self.total = add(self.total, piece.quantity)?;
        *self.count_of(&piece) += 1;
        self.pieces.push_back(piece);
        Ok(())
    }

    /// Matches a fill with pieces of the other sign, oldest first; what is left of it opens a piece of its own.
    pub(crate) fn trade(&mut self, fill: &Piece, matches: &mut Vec<Match>) -> Result<(), Overflow> {
        let rest = self.consume(fill, matches)?;
        self.push(rest)
    }

    /// Matches a fill with pieces of the other sign, oldest first, and returns what is left of it.
    pub(crate) fn consume(&mut self, fill: &Piece, matches: &mut Vec<Match>) -> Result<Piece, Overflow> {
        let mut rest = fill.clone();
        while let Some(index) = self.oldest_against(&rest) {
            let lot = &mut self.pieces[index];
            let quantity = rest.quantity.abs().min(lot.quantity.abs());
            let side = if lot.quantity.is_sign_negative() { ClosingSide::Short } else { ClosingSide::Long };
            matches.push(Match {
                opened: Arc::clone(&lot.origin),
                closed: Arc::clone(&fill.origin),
                side,
                quantity,
                entry: lot.price,
                exit: fill.price,
            });
            let signed = if rest.quantity.is_sign_negative() { -quantity } else { quantity };
            lot.quantity = add(lot.quantity, signed)?;
            rest.quantity = sub(rest.quantity, signed)?;
            self.total = add(self.total, signed)?;
            if lot.quantity.is_zero() {
                self.pieces.remove(index);
                match side {
                    ClosingSide::Long => self.long_count -= 1,
                    ClosingSide::Short => self.short_count -= 1,
                }
            }
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

    fn oldest_against(&self, fill: &Piece) -> Option<usize> {
        let wants_long = fill.quantity.is_sign_negative();
        let none_left = if wants_long { self.long_count == 0 } else { self.short_count == 0 };
        if none_left || fill.quantity.is_zero() {
            return None;
        }
        self.pieces.iter().position(|piece| piece.quantity.is_sign_negative() != wants_long)
    }

    fn count_of(&mut self, piece: &Piece) -> &mut usize {
        if piece.quantity.is_sign_negative() { &mut self.short_count } else { &mut self.long_count }
    }
}

/// The newest of the long pieces, `quantity` in all, oldest of them first; the piece on the boundary is cut.
pub(crate) fn newest<'a>(
    pieces: impl DoubleEndedIterator<Item = &'a Piece>,
    quantity: Decimal,
) -> Result<Vec<Piece>, Overflow> {
    let mut kept = Vec::new();
    let mut rest = quantity;
    for piece in pieces.rev().filter(|piece| !piece.quantity.is_sign_negative()) {
        if rest <= Decimal::ZERO {
            break;
        }
        let part = piece.quantity.min(rest);
        rest = sub(rest, part)?;
        kept.push(piece.with_quantity(part));
    }
    kept.reverse();
    Ok(kept)
}

/// The oldest of the long pieces, `quantity` in all.
pub(crate) fn oldest<'a>(
    pieces: impl Iterator<Item = &'a Piece>,
    quantity: Decimal,
) -> Result<Vec<Piece>, Overflow> {
    let mut kept = Vec::new();
    let mut rest = quantity;
    for piece in pieces.filter(|piece| !piece.quantity.is_sign_negative()) {
        if rest <= Decimal::ZERO {
            break;
        }
        let part = piece.quantity.min(rest);
        rest = sub(rest, part)?;
        kept.push(piece.with_quantity(part));
    }
    Ok(kept)
}
