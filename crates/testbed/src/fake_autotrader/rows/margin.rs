//! A row of `readPlatformMargins`.

use serde_json::json;

use crate::fake_rows::{Row, number};

/// So much money in this category (`EQUITY`, `COMMODITY` or `ALL`), so much of it used.
pub fn margin(category: &str, funds: f64, utilized: f64) -> Row {
    let available = number(funds - utilized);
    Row::default().with(json!({
        "category": category,
        "funds": number(funds),
        "utilized": number(utilized),
        "available": available,
        "total": number(funds),
        "net": available,
        "span": 0,
        "exposure": 0,
        "collateral": 0,
        "payin": 0,
        "payout": 0,
        "adhoc": 0,
        "realisedMtm": 0,
        "unrealisedMtm": 0,
        "pseudoAccount": null,
        "tradingAccount": null,
        "stockBroker": "ZERODHA",
    }))
}
