use std::cmp::Ordering;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::fifo::Fifo;
use crate::ledger::Ledger;
use crate::origin::{Piece, QueueId};
use crate::price::Overflow;
use crate::queue::Queue;

/// A dated event of an issuer that changes lots without a trade.
///
/// It applies to the lots open when its ex-date is reached, before that day's opening lots and fills. Dates of the
/// lots are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorporateAction {
    /// The ISIN it happens to.
    pub isin: String,
    /// What happens.
    pub kind: CorporateActionKind,
    /// The first day on which the share trades without the claim.
    pub ex_date: NaiveDate,
    /// New quantity per old one (a 1:1 bonus is 2); for a demerger child shares per parent share.
    pub factor: Option<Decimal>,
    /// The ISIN the lots (of a demerger: the child's lots) have afterwards.
    pub new_isin: Option<String>,
    /// The part of the cost that a demerger moves to the child, 0 to 1.
    pub cost_fraction: Option<Decimal>,
}

impl CorporateAction {
    /// The order of the actions of one day: by kind; the rest only makes it total.
    pub(crate) fn cmp_within_day(&self, other: &Self) -> Ordering {
        let rest = |action: &Self| (action.factor, action.cost_fraction);
        (self.kind, &self.isin, &self.new_isin)
            .cmp(&(other.kind, &other.isin, &other.new_isin))
            .then_with(|| rest(self).cmp(&rest(other)))
    }

    fn factor(&self) -> Option<Decimal> {
        self.factor.filter(|factor| *factor > Decimal::ZERO)
    }

    /// Changes the lots (and the carried rows) of its ISIN. An action without the numbers its kind needs changes
    /// nothing but the ISIN.
    pub(crate) fn apply(&self, ledger: &mut Ledger) -> Result<(), Overflow> {
        let Some(queue) = ledger.index.get(&QueueId::Isin(self.isin.as_str().into())).copied() else {
            return Ok(());
        };
        let new_isin = self.new_isin.as_deref().filter(|isin| !isin.is_empty());
        let isin = match self.kind {
            CorporateActionKind::Split | CorporateActionKind::Bonus | CorporateActionKind::Merger => {
                if let Some(factor) = self.factor() {
                    ledger.queues[queue].rewrite(|piece| piece.split(factor))?;
                }
                new_isin
            }
            CorporateActionKind::Demerger => {
                if let Some(name) = new_isin
                    && let Some(child) = self.spin_off(&mut ledger.queues[queue])?
                {
                    let heir = ledger.queue(&QueueId::Isin(name.into()));
                    ledger.queues[heir].lots.absorb(child)?;
                }
                None
            }
            CorporateActionKind::Rename => new_isin,
        };
        let lots = std::mem::take(&mut ledger.queues[queue].lots);
        let rows = ledger.queues[queue].take_rows();
        let heir = ledger.queue(&QueueId::Isin(isin.unwrap_or(&self.isin).into()));
        ledger.queues[heir].absorb(lots, rows)
    }

    /// The lots of a demerged child; a part of the parent's cost goes with them. They are delivered, so nothing of
    /// them is carried in a row.
    fn spin_off(&self, parent: &mut Queue) -> Result<Option<Fifo>, Overflow> {
        let fraction = self.cost_fraction.unwrap_or_default();
        let moved = Decimal::ZERO <= fraction && fraction <= Decimal::ONE;
        let (Some(factor), true) = (self.factor(), moved) else {
            return Ok(None);
        };
        let mut child = parent.lots.clone();
        child.rewrite(|piece| {
            let part = Piece { price: piece.price.scaled_by(fraction)?, ..piece.clone() };
            part.split(factor)
        })?;
        parent.rewrite(|piece| {
            let price = piece.price.scaled_by(Decimal::ONE - fraction)?;
            Ok(Piece { price, ..piece.clone() })
        })?;
        Ok(Some(child))
    }
}

/// The kinds, in the order in which those of one day apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CorporateActionKind {
    /// The face value is divided (or consolidated).
    Split,
    /// Shares for nothing.
    Bonus,
    /// A part of the business becomes a share of its own.
    Demerger,
    /// The share becomes another one.
    Merger,
    /// Only the ISIN changes.
    Rename,
}

impl CorporateActionKind {
    /// The kind named by `text` in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "split" => Some(Self::Split),
            "bonus" => Some(Self::Bonus),
            "demerger" => Some(Self::Demerger),
            "merger" => Some(Self::Merger),
            "rename" => Some(Self::Rename),
            _ => None,
        }
    }

    /// The word used in files and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Bonus => "bonus",
            Self::Demerger => "demerger",
            Self::Merger => "merger",
            Self::Rename => "rename",
        }
    }
}
