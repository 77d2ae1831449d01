use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// Inventory from before the first known fill: a seed lot, or a line of a holdings statement.
///
/// It enters its cost queue at the start of the IST day of `opened_at`, after that day's corporate actions, and is
/// never matched as if it were traded on that day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningLot {
    /// The key of the instrument.
    pub instrument_key: String,
    /// Exchange segment.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// The ISIN, where known.
    pub isin: Option<String>,
    /// `CNC`, `NRML`, `MIS`, `MTF`, `CO`, `BO`.
    pub product: String,
    /// Signed: negative is short. In cash a negative lot has no meaning and is reported as `unknown_cost`.
    pub quantity: Decimal,
    /// Rupees per unit; 0 is a price (shares received for nothing).
    pub price: Decimal,
    /// When it was bought (or sold short).
    pub opened_at: DateTime<Utc>,
}

impl OpeningLot {
    /// The order in which those of one day enter.
    pub(crate) fn cmp_within_day(&self, other: &Self) -> Ordering {
        (self.opened_at, &self.instrument_key, &self.exchange, &self.symbol, &self.isin)
            .cmp(&(other.opened_at, &other.instrument_key, &other.exchange, &other.symbol, &other.isin))
            .then_with(|| {
                (&self.product, self.quantity, self.price).cmp(&(&other.product, other.quantity, other.price))
            })
    }
}
