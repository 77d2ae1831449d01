use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::digits;

/// A finding about an account's data: never an error, and never papered over with an invented number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Discrepancy {
    /// What is wrong.
    pub kind: DiscrepancyKind,
    /// The instrument concerned.
    pub instrument_key: String,
    /// Its symbol.
    pub symbol: String,
    /// Its ISIN, where known.
    pub isin: Option<String>,
    /// How much is concerned; signed only for `expired_unsettled`, `None` where no quantity is.
    #[serde(serialize_with = "digits::serialize")]
    pub quantity: Option<Decimal>,
    /// The latest fill (or opening lot) behind it.
    pub since: Option<DateTime<Utc>>,
    /// One sentence for a person.
    pub detail: String,
}

/// What can be wrong; the first six are found by the generator, the others by those who read the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscrepancyKind {
    /// Shares sold that no known lot covers: per fill, from the end of its day on.
    UnknownCost,
    /// An intraday product carried over night: per instrument; a squaring order is missing.
    MisRemainder,
    /// A contract past its expiry that no settlement closed: per contract.
    ExpiredUnsettled,
    /// A fill without a price; its queue stops before it: per queue.
    NoPrice,
    /// A contract counted in lots whose multiplier is not known and counts as 1: per contract.
    UnknownMultiplier,
    /// A fractional quantity where only whole ones can be stored; the rows of the queue are withheld: per queue.
    Fraction,
    /// The brokerage told a trade whose order it never told.
    TradeWithoutOrder,
    /// The brokerage's own position or holding differs.
    BrokerDiffers,
    /// The known executions of an order sum to less than its filled quantity: per order.
    FillsShort,
}

impl DiscrepancyKind {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCost => "unknown_cost",
            Self::MisRemainder => "mis_remainder",
            Self::ExpiredUnsettled => "expired_unsettled",
            Self::NoPrice => "no_price",
            Self::UnknownMultiplier => "unknown_multiplier",
            Self::Fraction => "fraction",
            Self::TradeWithoutOrder => "trade_without_order",
            Self::BrokerDiffers => "broker_differs",
            Self::FillsShort => "fills_short",
        }
    }
}
