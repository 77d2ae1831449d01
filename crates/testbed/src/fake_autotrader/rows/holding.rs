//! A row of `readPlatformHoldings`.

use serde_json::json;

use crate::fake_rows::{Row, number, token_of};

/// So many settled shares on NSE, bought at this average, last traded at this price.
pub fn holding(symbol: &str, isin: &str, quantity: u32, average_price: f64, last_price: f64) -> Row {
    let shares = f64::from(quantity);
    Row::default().with(json!({
        "id": format!("NSE:{symbol}"),
        "isin": isin,
        "collateralType": null,
        "instrumentToken": token_of(symbol),
        "product": "CNC",
        "quantity": quantity,
        "collateralQty": 0,
        "t1Qty": 0,
        "totalQty": quantity,
        "pnl": number((last_price - average_price) * shares),
        "haircut": 0,
        "avgPrice": number(average_price),
        "ltp": number(last_price),
        "currentValue": number(last_price * shares),
        "pseudoAccount": null,
        "tradingAccount": null,
        "stockBroker": "ZERODHA",
        "exchange": "NSE",
        "symbol": symbol,
        "platform": "KITE",
    }))
}
