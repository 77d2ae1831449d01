//! A row of `GET /trades`.

use std::time::SystemTime;

use serde_json::json;

use super::Order;
use crate::fake_rows::{Row, ist, number};

/// One fill of this order, at this instant; of the time of the order only the clock is given, as with the real one.
pub fn trade(id: &str, order: &Order, quantity: u64, price: f64, at: impl Into<SystemTime>) -> Row {
    let at = ist(at.into());
    let of = |name: &str| order.row.get(name);
    let clock = of("order_timestamp").as_str().and_then(|text| text.split(' ').nth(1));
    Row::default().with(json!({
        "trade_id": id,
        "order_id": of("order_id"),
        "exchange_order_id": of("exchange_order_id"),
        "exchange": of("exchange"),
        "tradingsymbol": of("tradingsymbol"),
        "instrument_token": of("instrument_token"),
        "product": of("product"),
        "average_price": number(price),
        "quantity": quantity,
        "transaction_type": of("transaction_type"),
        "fill_timestamp": at,
        "order_timestamp": clock,
        "exchange_timestamp": at,
    }))
}
