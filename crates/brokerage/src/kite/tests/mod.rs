mod fetching;
mod quoting;
mod reading;
mod server;

use serde_json::{Value, json};

const API_KEY: &str = "kiteapikey123456";
const ACCESS_TOKEN: &str = "s3cr3t-access-token";

/// One answer of Kite's own sample, an order filled with an odd average.
fn sample() -> Value {
    json!({
        "placed_by": "XXXXXX", "order_id": "300000000000000", "exchange_order_id": "400000000000000",
        "parent_order_id": null, "status": "COMPLETE", "status_message": null, "status_message_raw": null,
        "order_timestamp": "2021-05-31 15:20:27", "exchange_update_timestamp": "2021-05-31 15:20:29",
        "exchange_timestamp": "2021-05-31 15:20:28", "variety": "regular", "modified": false, "exchange": "NSE",
        "tradingsymbol": "IOC", "instrument_token": 415745, "order_type": "LIMIT", "transaction_type": "BUY",
        "validity": "DAY", "product": "CNC", "quantity": 3, "disclosed_quantity": 0, "price": 109.4,
        "trigger_price": 0, "average_price": serde_json::from_str::<Value>("109.33333333333333").unwrap(),
        "filled_quantity": 3, "pending_quantity": 0, "cancelled_quantity": 0, "market_protection": 0, "meta": {},
        "tag": null, "guid": "XXXXXX",
    })
}
