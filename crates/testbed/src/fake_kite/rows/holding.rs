//! A row of `GET /portfolio/holdings`.

use serde_json::json;

use crate::fake_rows::{Row, number, token_of};

/// So many settled shares on NSE, bought at this average, last traded at this price, which is yesterday's close too.
pub fn holding(symbol: &str, isin: &str, quantity: u32, average_price: f64, last_price: f64) -> Row {
    Row::default().with(json!({
        "tradingsymbol": symbol,
        "exchange": "NSE",
        "instrument_token": token_of(symbol),
        "isin": isin,
        "product": "CNC",
        "price": 0,
        "quantity": quantity,
        "used_quantity": 0,
        "t1_quantity": 0,
        "realised_quantity": quantity,
        "authorised_quantity": 0,
        "authorised_date": "2025-01-17 00:00:00",
        "authorisation": {},
        "opening_quantity": quantity,
        "short_quantity": 0,
        "collateral_quantity": 0,
        "collateral_type": "",
        "discrepancy": false,
        "average_price": number(average_price),
        "last_price": number(last_price),
        "close_price": number(last_price),
        "pnl": number((last_price - average_price) * f64::from(quantity)),
        "day_change": 0,
        "day_change_percentage": 0,
        "mtf": {
            "quantity": 0,
            "used_quantity": 0,
            "average_price": 0,
            "value": 0,
            "initial_margin": 0,
        },
    }))
}
