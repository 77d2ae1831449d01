use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::Side;

/// An order as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    /// The database's id of the order.
    pub id: i64,
    /// The brokerage's id, once it is known.
    pub broker_order_id: Option<String>,
    /// The exchange's id, once it is known.
    pub exchange_order_id: Option<String>,
    /// Exchange segment.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// `None` where the row says neither BUY nor SELL.
    pub side: Option<Side>,
    /// The product.
    pub product: String,
    /// The IST day of the order: brokerages and exchanges use their ids again on another day.
    pub day: NaiveDate,
    /// When it was placed, as far as the row says.
    pub placed_at: Option<DateTime<Utc>>,
    /// The stored status.
    pub status: String,
    /// Ordered.
    pub quantity: Decimal,
    /// Executed so far.
    pub filled_quantity: Decimal,
    /// The average price of what is filled.
    pub average_price: Option<Decimal>,
    /// The limit price.
    pub price: Option<Decimal>,
    /// The trigger price.
    pub trigger_price: Option<Decimal>,
    /// What was attached when the order was placed.
    pub client_tag: Option<String>,
    /// Who brought it.
    pub source: OrderSource,
    /// The strategy it belongs to.
    pub strategy_id: Option<String>,
    /// Its single executions, as far as they are stored.
    pub executions: Executions,
}

/// Who brought an order into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSource {
    /// The systems that place orders for the account.
    Own,
    /// A part of an own order that the brokerage made.
    Leg,
    /// An import.
    Import,
    /// Found in the brokerage's book, placed elsewhere.
    External,
}

impl OrderSource {
    /// The word in `orders.source`; own orders have none.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::Leg => Some("LEG"),
            Self::Import => Some("IMPORT"),
            Self::External => Some("EXTERNAL"),
        }
    }

    /// Whether detection made the row.
    pub(crate) fn is_of_detection(self) -> bool {
        matches!(self, Self::Leg | Self::External)
    }

    /// Reads `orders.source`; a word of somebody else's counts as own.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("LEG") => Self::Leg,
            Some("IMPORT") => Self::Import,
            Some("EXTERNAL") => Self::External,
            _ => Self::Own,
        }
    }
}

/// The executions of one order, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Executions {
    /// How many there are.
    pub count: usize,
    /// The sum of their quantities.
    pub quantity: Decimal,
    /// The sum of quantity times price.
    pub value: Decimal,
}
