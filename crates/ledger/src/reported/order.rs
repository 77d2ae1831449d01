use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The side of an order or fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Bought.
    Buy,
    /// Sold.
    Sell,
}

impl Side {
    /// The side named by `text` in any letter case (`BUY`, `SELL`); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "BUY" => Some(Self::Buy),
            "SELL" => Some(Self::Sell),
            _ => None,
        }
    }

    /// The word stored in `orders.trade_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }
}

/// The state of one order as a brokerage's own order book tells it, in our words.
///
/// Quantities are in the exchange's unit (shares, or lots on MCX, CDS and BCD), prices in rupees per unit,
/// instants in UTC. `filled_quantity` is the only quantity to trust: a book leaves `pending_quantity` standing
/// after a cancellation.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedOrder {
    /// The brokerage's id of the order, unique in its day.
    pub broker_order_id: String,
    /// The exchange's id; `None` for an order that never reached the exchange.
    pub exchange_order_id: Option<String>,
    /// The brokerage's id of the order this one is a leg of.
    pub broker_parent_id: Option<String>,
    /// What the placing client attached (tag, publisher id).
    pub client_tag: Option<String>,
    /// Further words of the placing client by which an own order may be known (more tags, a client-side id).
    pub other_tags: Vec<String>,
    /// Which leg of an iceberg it is.
    pub iceberg: Option<Iceberg>,
    /// Exchange segment: `NSE`, `BSE`, `NFO`, `BFO`, `MCX`, `CDS`, `BCD`.
    pub exchange: String,
    /// The brokerage's trading symbol.
    pub symbol: String,
    /// Bought or sold.
    pub side: Side,
    /// `CNC`, `NRML`, `MIS`, `MTF`, `CO`, `BO`.
    pub product: String,
    /// `MARKET`, `LIMIT`, `SL`, `SL-M`.
    pub order_type: Option<String>,
    /// `REGULAR`, `AMO`, `CO`, `ICEBERG`, `AUCTION`, `BO`.
    pub variety: String,
    /// `DAY`, `IOC`, `TTL`.
    pub validity: Option<String>,
    /// Ordered.
    pub quantity: Decimal,
    /// Executed so far.
    pub filled_quantity: Decimal,
    /// Still open, as the brokerage says it.
    pub pending_quantity: Option<Decimal>,
    /// Disclosed to the market.
    pub disclosed_quantity: Option<Decimal>,
    /// The average price of what is filled; `None` when the brokerage says 0 or nothing.
    pub average_price: Option<Decimal>,
    /// The limit price.
    pub price: Option<Decimal>,
    /// The trigger price.
    pub trigger_price: Option<Decimal>,
    /// Normalised status: `COMPLETE`, `CANCELLED`, `REJECTED`, `OPEN`, `TRIGGER_PENDING`, else the brokerage's
    /// own word in capitals with `_` for blanks.
    pub status: String,
    /// The brokerage's reason, for instance of a rejection.
    pub status_message: Option<String>,
    /// When the brokerage took the order.
    pub placed_at: Option<DateTime<Utc>>,
    /// When the exchange last changed it.
    pub exchange_at: Option<DateTime<Utc>>,
    /// Placed after market hours.
    pub is_amo: Option<bool>,
    /// What else it is called.
    pub labels: Labels,
    /// The brokerage's whole answer for this order, as JSON text.
    pub raw: String,
}

/// Which part of an order that the brokerage cut into legs: each leg is an order with an id of its own, and only the
/// first one's is known to whoever placed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iceberg {
    /// Its place among the legs, from 1.
    pub leg: u32,
    /// How many legs there are.
    pub legs: u32,
    /// What was ordered over all legs.
    pub total_quantity: Decimal,
}

/// Names for columns of `orders` that only people and older readers look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// The system behind the brokerage's API, such as `KITE`.
    pub platform: Option<String>,
    /// Whose brokerage it is, such as `ZERODHA`.
    pub stock_broker: Option<String>,
    /// The brokerage's own name of the account.
    pub trading_account: Option<String>,
    /// The login that placed the order.
    pub client_id: Option<String>,
    /// The exchange in the words of a system above several brokerages.
    pub independent_exchange: Option<String>,
    /// The symbol in such words.
    pub independent_symbol: Option<String>,
    /// The id of the request in the brokerage's order management.
    pub nest_request_id: Option<String>,
    /// Free text.
    pub comments: Option<String>,
}
