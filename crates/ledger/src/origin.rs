use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fill::{Fill, cmp_ids};
use crate::instrument_key::is_cash;
use crate::opening_lot::OpeningLot;
use crate::price::{Overflow, Price, scale_quantity};
use crate::row::RowKey;
use crate::{Side, Terms};

/// What an instrument is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) instrument_key: String,
    pub(crate) exchange: String,
    pub(crate) symbol: String,
}

/// One queue of lots: what is matched with what.
///
/// Shares are one queue per ISIN over both exchanges (an ISIN is one holding, wherever it was bought and whatever its
/// symbol was); a contract is a queue of its own. Only shares without any known ISIN are told apart by key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QueueId {
    Isin(CompactString),
    CashKey(CompactString),
    Contract(CompactString),
}

impl QueueId {
    pub(crate) fn new(exchange: &str, instrument_key: &str, isin: Option<&str>) -> Self {
        match isin {
            _ if !is_cash(exchange) => Self::Contract(instrument_key.into()),
            Some(isin) => Self::Isin(isin.into()),
            None => Self::CashKey(instrument_key.into()),
        }
    }

    pub(crate) fn is_cash(&self) -> bool {
        !matches!(self, Self::Contract(_))
    }

    pub(crate) fn isin(&self) -> Option<&str> {
        match self {
            Self::Isin(isin) => Some(isin),
            Self::CashKey(_) | Self::Contract(_) => None,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Isin(name) | Self::CashKey(name) | Self::Contract(name) => name,
        }
    }
}

/// Where everything of the same terms goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) terms: Arc<Terms>,
    /// The ISIN of the row, or the one found for it; also for contracts that have one.
    pub(crate) isin: Option<CompactString>,
    pub(crate) queue: QueueId,
    /// The row its quantity is shown in.
    pub(crate) row: RowKey,
}

impl Place {
    pub(crate) fn new(terms: Arc<Terms>, isin: Option<CompactString>) -> Self {
        let queue = QueueId::new(&terms.exchange, &terms.instrument_key, isin.as_deref());
        let row = RowKey::new(&terms.exchange, &terms.instrument_key, &terms.product);
        Self { terms, isin, queue, row }
    }

    pub(crate) fn names(&self) -> Names {
        Names {
            instrument_key: self.terms.instrument_key.clone(),
            exchange: self.terms.exchange.clone(),
            symbol: self.terms.symbol.clone(),
        }
    }
}

/// Where a lot, or the closing of one, came from. Shared by all that remember it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) place: Arc<Place>,
    /// As it was traded (or given), before any corporate action; 0 where it is not known.
    pub(crate) price: Decimal,
    pub(crate) at: DateTime<Utc>,
    pub(crate) day: NaiveDate,
    pub(crate) trade_id: Option<CompactString>,
    pub(crate) order_id: Option<CompactString>,
    pub(crate) is_opening: bool,
}

impl Origin {
    pub(crate) fn of_fill(fill: Fill, place: Arc<Place>, day: NaiveDate) -> Self {
        Self {
            place,
            price: fill.known_price().unwrap_or_default(),
            at: fill.at,
            day,
            trade_id: fill.trade_id,
            order_id: fill.order_id,
            is_opening: false,
        }
    }

    /// The same as a new one of a fill of the same place.
    pub(crate) fn become_fill(&mut self, fill: Fill, day: NaiveDate) {
        self.price = fill.known_price().unwrap_or_default();
        self.at = fill.at;
        self.day = day;
        self.trade_id = fill.trade_id;
        self.order_id = fill.order_id;
        self.is_opening = false;
    }

    pub(crate) fn of_opening_lot(lot: &OpeningLot, place: Arc<Place>, day: NaiveDate) -> Self {
        Self {
            place,
            price: lot.price,
            at: lot.opened_at,
            day,
            trade_id: None,
            order_id: None,
            is_opening: true,
        }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.place.terms
    }

    pub(crate) fn strategy(&self) -> Option<&str> {
        self.terms().strategy_id.as_deref()
    }

    /// As far as fills are told apart once they are in a queue, the order in which they are matched.
    pub(crate) fn cmp_matching(&self, other: &Self) -> Ordering {
        self.at
            .cmp(&other.at)
            .then_with(|| cmp_ids(self.trade_id.as_deref(), other.trade_id.as_deref()))
            .then_with(|| cmp_ids(self.order_id.as_deref(), other.order_id.as_deref()))
            .then_with(|| self.terms().exchange.cmp(&other.terms().exchange))
            .then_with(|| self.terms().instrument_key.cmp(&other.terms().instrument_key))
    }
}

/// A signed quantity at a price: a fill on its way into a queue, or what is left of it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) origin: Arc<Origin>,
    /// Negative is short.
    pub(crate) quantity: Decimal,
    pub(crate) price: Price,
}

impl Piece {
    /// `quantity` is already signed.
    pub(crate) fn new(origin: Arc<Origin>, quantity: Decimal) -> Self {
        let price = Price::of(origin.price);
        Self { origin, quantity, price }
    }

    pub(crate) fn is_short(&self) -> bool {
        self.quantity.is_sign_negative()
    }

    pub(crate) fn with_quantity(&self, quantity: Decimal) -> Self {
        Self { origin: Arc::clone(&self.origin), quantity, price: self.price }
    }

    /// The same cost for `factor` times the quantity.
    pub(crate) fn split(&self, factor: Decimal) -> Result<Self, Overflow> {
        Ok(Self {
            origin: Arc::clone(&self.origin),
            quantity: scale_quantity(self.quantity, factor)?,
            price: self.price.divided_by(factor)?,
        })
    }
}

/// Bought is positive, sold negative.
pub(crate) fn signed(side: Side, quantity: Decimal) -> Decimal {
    match side {
        Side::Buy => quantity,
        Side::Sell => -quantity,
    }
}
