mod asking;
mod lists;
mod orders;
mod round_trip;
mod spoilt;

use serde_json::{Value, json};

/// One answer of Kite's own sample, an order filled with an odd average.
fn sample() -> Value {
    json!({
        "account_id": "XX1234", "placed_by": "DA0017", "order_id": "300000000000000",
        "exchange_order_id": "400000000000000",
        "parent_order_id": null, "status": "COMPLETE", "status_message": null, "status_message_raw": null,
        "order_timestamp": "2021-05-31 15:20:27", "exchange_update_timestamp": "2021-05-31 15:20:29",
        "exchange_timestamp": "2021-05-31 15:20:28", "variety": "regular", "modified": false, "exchange": "NSE",
        "tradingsymbol": "IOC", "instrument_token": 415745, "order_type": "LIMIT", "transaction_type": "BUY",
        "validity": "DAY", "product": "CNC", "quantity": 3, "disclosed_quantity": 0, "price": 109.4,
        "trigger_price": 0, "average_price": serde_json::from_str::<Value>("109.33333333333333").unwrap(),
        "filled_quantity": 3, "pending_quantity": 0, "cancelled_quantity": 0, "market_protection": 0, "meta": {},
        "tag": null, "guid": "01XX-abc",
    })
}

fn trade() -> Value {
    json!({
        "trade_id": "40000000", "order_id": "500000000000000", "exchange": "CDS", "tradingsymbol": "USDINR21JUNFUT",
        "instrument_token": 412675, "product": "MIS", "average_price": 72.755, "quantity": 1,
        "exchange_order_id": "600000000000000", "transaction_type": "SELL", "fill_timestamp": "2021-05-31 11:18:27",
        "order_timestamp": "11:18:27", "exchange_timestamp": "2021-05-31 11:18:26",
    })
}

fn position() -> Value {
    json!({
        "tradingsymbol": "LEADMINI17DECFUT", "exchange": "mcx", "instrument_token": 53496327, "product": "NRML",
        "quantity": -1, "overnight_quantity": -2, "multiplier": 1000, "average_price": 161.05, "close_price": 0,
        "last_price": 161.05, "value": -161050, "pnl": 1, "m2m": 2, "unrealised": 3, "realised": 0, "buy_quantity": 4,
        "buy_price": 161.05, "buy_value": 161050, "sell_quantity": 5, "sell_price": 6, "sell_value": 7, "new": {},
    })
}

fn holding() -> Value {
    json!({
        "tradingsymbol": "ASHOKLEY", "exchange": "NSE", "instrument_token": 54273, "isin": "INE208A01029",
        "product": "CNC", "price": 0, "quantity": 10, "used_quantity": 0, "t1_quantity": 0, "realised_quantity": 10,
        "opening_quantity": 10, "collateral_quantity": 0, "collateral_type": "", "average_price": 103.5,
        "last_price": 117.5, "close_price": 118.6, "pnl": 140,
    })
}

fn segment() -> Value {
    json!({
        "enabled": true, "net": 99725.05,
        "available": {"adhoc_margin": 1, "cash": 245431.6, "opening_balance": 245431.6, "live_balance": 99725.05,
                      "collateral": 2, "intraday_payin": 3},
        "utilised": {"debits": 145706.55, "exposure": 38981.25, "m2m_realised": 761.7, "m2m_unrealised": 4,
                     "payout": 5, "span": 101989},
    })
}

/// A value with some fields changed; a field changed to null may as well be absent.
fn with(mut value: Value, changes: Value) -> Value {
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}
