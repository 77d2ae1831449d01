//! A row of `GET /orders`.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::fake_rows::{Row, ist, number, token_of};

/// One order of Kite's order book.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub(super) row: Row,
    quantity: u64,
    filled: u64,
}

/// A regular market order to buy 1 on NSE for delivery, placed at this instant and still open.
pub fn order(id: &str, symbol: &str, at: impl Into<SystemTime>) -> Order {
    let at = ist(at.into());
    let row = Row::default().with(json!({
        "account_id": "AB1234",
        "placed_by": "AB1234",
        "order_id": id,
        "exchange_order_id": format!("1{id}"),
        "parent_order_id": null,
        "status": "OPEN",
        "status_message": null,
        "status_message_raw": null,
        "order_timestamp": at,
        "exchange_timestamp": at,
        "exchange_update_timestamp": at,
        "variety": "regular",
        "modified": false,
        "exchange": "NSE",
        "tradingsymbol": symbol,
        "instrument_token": token_of(symbol),
        "order_type": "MARKET",
        "transaction_type": "BUY",
        "validity": "DAY",
        "validity_ttl": 0,
        "product": "CNC",
        "disclosed_quantity": 0,
        "price": 0,
        "trigger_price": 0,
        "average_price": 0,
        "cancelled_quantity": 0,
        "market_protection": 0,
        "meta": {},
        "tag": null,
        "tags": null,
        "guid": null,
        "auction_number": null,
        "terminal_id": null,
    }));
    Order { row, quantity: 1, filled: 0 }.counted()
}

impl Order {
    /// On this exchange, of this product.
    #[must_use]
    pub fn on(self, exchange: &str, product: &str) -> Self {
        self.with(json!({ "exchange": exchange, "product": product }))
    }

    /// To buy so many.
    #[must_use]
    pub fn buy(self, quantity: u64) -> Self {
        Self { quantity, ..self }.counted().with(json!({ "transaction_type": "BUY" }))
    }

    /// To sell so many.
    #[must_use]
    pub fn sell(self, quantity: u64) -> Self {
        Self { quantity, ..self }.counted().with(json!({ "transaction_type": "SELL" }))
    }

    /// At this price or better.
    #[must_use]
    pub fn limit(self, price: f64) -> Self {
        self.with(json!({ "order_type": "LIMIT", "price": number(price) }))
    }

    /// So many of it filled, at this average price; `COMPLETE` when that is all of the quantity, which is to be given before.
    #[must_use]
    pub fn filled(self, quantity: u64, average_price: f64) -> Self {
        let status = if quantity < self.quantity { "OPEN" } else { "COMPLETE" };
        let filled = Self { filled: quantity, ..self }.counted();
        filled.with(json!({ "status": status, "average_price": number(average_price) }))
    }

    /// What is not filled is cancelled; it goes on counting as pending, as with the real one.
    #[must_use]
    pub fn cancelled(self) -> Self {
        let left = self.quantity.saturating_sub(self.filled);
        self.with(json!({ "status": "CANCELLED", "cancelled_quantity": left }))
    }

    /// Refused before it reached the exchange.
    #[must_use]
    pub fn rejected(self, message: &str) -> Self {
        self.with(json!({
            "status": "REJECTED",
            "status_message": message,
            "status_message_raw": message,
            "exchange_order_id": null,
            "exchange_timestamp": null,
            "exchange_update_timestamp": null,
            "pending_quantity": 0,
        }))
    }

    /// Last changed at the exchange at this instant.
    #[must_use]
    pub fn updated(self, at: impl Into<SystemTime>) -> Self {
        let at = ist(at.into());
        self.with(json!({ "exchange_timestamp": at, "exchange_update_timestamp": at }))
    }

    /// With these fields, as they are.
    ///
    /// # Panics
    /// When `fields` is no JSON object.
    #[must_use]
    #[track_caller]
    pub fn with(self, fields: Value) -> Self {
        Self { row: self.row.with(fields), ..self }
    }

    fn counted(self) -> Self {
        let fields = json!({
            "quantity": self.quantity,
            "filled_quantity": self.filled,
            "pending_quantity": self.quantity.saturating_sub(self.filled),
        });
        self.with(fields)
    }
}

impl From<Order> for Value {
    fn from(order: Order) -> Self {
        order.row.into()
    }
}
