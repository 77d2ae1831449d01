//! The answer of `GET /user/margins`.

use serde_json::{Value, json};

use crate::fake_rows::{Row, number};

/// So much cash for equity, none for commodities, nothing used.
pub fn margins(cash: f64) -> Row {
    Row::default().with(json!({ "equity": segment(cash), "commodity": segment(0.0) }))
}

fn segment(cash: f64) -> Value {
    let cash = number(cash);
    json!({
        "enabled": true,
        "net": cash,
        "available": {
            "adhoc_margin": 0,
            "cash": cash,
            "opening_balance": cash,
            "live_balance": cash,
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": 0,
            "exposure": 0,
            "m2m_realised": 0,
            "m2m_unrealised": 0,
            "option_premium": 0,
            "payout": 0,
            "span": 0,
            "holding_sales": 0,
            "turnover": 0,
            "liquid_collateral": 0,
            "stock_collateral": 0,
            "delivery": 0,
        },
    })
}
