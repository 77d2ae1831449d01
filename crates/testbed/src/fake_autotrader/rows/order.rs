//! A row of `readPlatformOrders`.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::fake_rows::{Row, millis, number};

/// One order of AutoTrader's order book.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    row: Row,
    quantity: u64,
    filled: u64,
}

/// A regular market order to buy 1 on NSE for delivery, placed at this instant and still open.
pub fn order(id: &str, symbol: &str, at: impl Into<SystemTime>) -> Order {
    let at = millis(at.into());
    let row = Row::default().with(json!({
        "id": id,
        "tradeType": "BUY",
        "orderType": "MARKET",
        "productType": "DELIVERY",
        "variety": "REGULAR",
        "validity": "DAY",
        "disclosedQuantity": 0,
        "price": 0,
        "triggerPrice": 0,
        "amo": false,
        "statusMessage": null,
        "publisherId": null,
        "pseudoAccount": null,
        "tradingAccount": null,
        "stockBroker": "ZERODHA",
        "exchange": "NSE",
        "symbol": symbol,
        "independentExchange": "NSE",
        "independentSymbol": symbol,
        "modifiedTime": at,
        "createdTime": at,
        "comments": null,
        "parentOrderId": null,
        "exchangeOrderId": format!("1{id}"),
        "averagePrice": 0,
        "clientId": null,
        "rawStatus": "OPEN",
        "platformTime": at,
        "exchangeTime": at,
        "platform": "KITE",
        "status": "OPEN",
        "nestRequestId": null,
    }));
    Order { row, quantity: 1, filled: 0 }.counted()
}

impl Order {
    /// On this exchange, of this product: `INTRADAY`, `DELIVERY` or `NORMAL`.
    #[must_use]
    pub fn on(self, exchange: &str, product: &str) -> Self {
        self.with(json!({ "exchange": exchange, "independentExchange": exchange, "productType": product }))
    }

    /// To buy so many.
    #[must_use]
    pub fn buy(self, quantity: u64) -> Self {
        Self { quantity, ..self }.counted().with(json!({ "tradeType": "BUY" }))
    }

    /// To sell so many.
    #[must_use]
    pub fn sell(self, quantity: u64) -> Self {
        Self { quantity, ..self }.counted().with(json!({ "tradeType": "SELL" }))
    }

    /// At this price or better.
    #[must_use]
    pub fn limit(self, price: f64) -> Self {
        self.with(json!({ "orderType": "LIMIT", "price": number(price) }))
    }

    /// So many of it filled, at this average price; `COMPLETE` when that is all of the quantity, which is to be given before.
    #[must_use]
    pub fn filled(self, quantity: u64, average_price: f64) -> Self {
        let status = if quantity < self.quantity { "OPEN" } else { "COMPLETE" };
        let filled = Self { filled: quantity, ..self }.counted();
        filled.status(status, status).with(json!({ "averagePrice": number(average_price) }))
    }

    /// What is not filled is cancelled.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.status("CANCELLED", "CANCELLED")
    }

    /// Refused before it reached the exchange.
    #[must_use]
    pub fn rejected(self, message: &str) -> Self {
        self.status("REJECTED", "REJECTED").with(json!({
            "statusMessage": message,
            "exchangeOrderId": null,
            "exchangeTime": null,
            "pendingQuantity": 0,
        }))
    }

    /// With AutoTrader's word and the broker's own one.
    #[must_use]
    pub fn status(self, status: &str, raw: &str) -> Self {
        self.with(json!({ "status": status, "rawStatus": raw }))
    }

    /// Last changed at the exchange at this instant.
    #[must_use]
    pub fn updated(self, at: impl Into<SystemTime>) -> Self {
        let at = millis(at.into());
        self.with(json!({ "exchangeTime": at, "modifiedTime": at }))
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
            "filledQuantity": self.filled,
            "pendingQuantity": self.quantity.saturating_sub(self.filled),
        });
        self.with(fields)
    }
}

impl From<Order> for Value {
    fn from(order: Order) -> Self {
        order.row.into()
    }
}
