use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::Side;

/// One execution as a brokerage's trade book tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedTrade {
    /// The exchange's id of the execution.
    pub trade_id: String,
    /// The brokerage's id of the order it belongs to.
    pub broker_order_id: String,
    /// The exchange's id of that order.
    pub exchange_order_id: Option<String>,
    /// Exchange segment.
    pub exchange: String,
    /// The brokerage's trading symbol.
    pub symbol: String,
    /// Bought or sold.
    pub side: Side,
    /// `CNC`, `NRML`, `MIS`, `MTF`, `CO`, `BO`.
    pub product: String,
    /// Executed, more than 0.
    pub quantity: Decimal,
    /// Rupees per unit, not 0.
    pub price: Decimal,
    /// When the exchange executed it.
    pub at: DateTime<Utc>,
}
