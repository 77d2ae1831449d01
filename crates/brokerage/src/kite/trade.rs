//! `GET /trades`: a list of the day's executions.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `trade_id` | text | `trade_id` |
//! | `order_id` | text | `broker_order_id` |
//! | `exchange_order_id` | text? | `exchange_order_id` |
//! | `exchange`, `product` | word | the same |
//! | `tradingsymbol` | text | `symbol` |
//! | `transaction_type` | `BUY`, `SELL` | `side` |
//! | `quantity` | number over 0 | `quantity` |
//! | `average_price` | number, not 0 | `price`: of an execution the average is its price |
//! | `fill_timestamp`, else `exchange_timestamp` | time, one of them there | `at` |
//!
//! `order_timestamp` is never read: of a trade it has no date, only `HH:MM:SS`.

use ledger::ReportedTrade;
use serde_json::Value;

use super::time;
use crate::BrokerageError;
use crate::answer::list;
use crate::field::{Fields, each};

/// Reads all executions.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any trade cannot be read, or has no quantity, price or time.
pub(super) fn read(data: Value) -> Result<Vec<ReportedTrade>, BrokerageError> {
    each("trades", &list(data, "data")?, trade)
}

fn trade(fields: &Fields<'_>) -> Result<ReportedTrade, BrokerageError> {
    let at = match fields.instant("fill_timestamp", time::parse)? {
        Some(instant) => Some(instant),
        None => fields.instant("exchange_timestamp", time::parse)?,
    };
    Ok(ReportedTrade {
        trade_id: fields.required_text("trade_id")?.to_owned(),
        broker_order_id: fields.required_text("order_id")?.to_owned(),
        exchange_order_id: fields.owned("exchange_order_id")?,
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        side: fields.side("transaction_type")?,
        product: fields.required_word("product")?,
        quantity: fields.over_nothing("quantity")?,
        price: fields.price("average_price")?.ok_or_else(|| fields.missing("average_price"))?,
        at: at.ok_or_else(|| fields.missing("fill_timestamp"))?,
    })
}
