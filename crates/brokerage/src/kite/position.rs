//! `GET /portfolio/positions`: `{"net": [positions], "day": [positions]}`.
//!
//! `net` is what was carried into the day and all that was traded in it. `day`, the same without what was carried, must
//! be a list, too, and is not returned.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `exchange`, `product` | word | the same |
//! | `tradingsymbol` | text | `symbol` |
//! | `instrument_token` | number?, whole | `instrument_token` |
//! | `quantity` | number | `quantity` |
//! | `overnight_quantity` | number? | `overnight_quantity` |
//! | `multiplier` | number? over 0 | `multiplier`; else none |
//! | `average_price` | number? | `average_price`; 0 when flat |
//! | `last_price`, `close_price` | number? | the same; 0 is none |
//! | `buy_quantity`, `buy_price`, `buy_value` | number? | the same |
//! | `sell_quantity`, `sell_price`, `sell_value` | number? | the same |
//! | `value`, `pnl`, `realised`, `unrealised` | number? | the same |
//! | `m2m` | number? | `mtm` |
//!
//! `buy_m2m`, `sell_m2m` and the `day_buy_…`, `day_sell_…` follow from these and are not read.

use ledger::ReportedPosition;
use serde_json::Value;

use crate::BrokerageError;
use crate::answer::list;
use crate::field::{Fields, each};

/// Reads the net positions.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming list, index and field if any net position cannot be read, or if `net` or `day`
/// is no list.
pub(super) fn read(data: Value) -> Result<Vec<ReportedPosition>, BrokerageError> {
    let Value::Object(mut lists) = data else {
        return Err(BrokerageError::malformed("data is not an object"));
    };
    let net = list(lists.remove("net").unwrap_or_default(), "net")?;
    list(lists.remove("day").unwrap_or_default(), "day")?;
    each("net", &net, position)
}

fn position(fields: &Fields<'_>) -> Result<ReportedPosition, BrokerageError> {
    Ok(ReportedPosition {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        product: fields.required_word("product")?,
        instrument_token: fields.whole("instrument_token")?,
        quantity: fields.required_number("quantity")?,
        overnight_quantity: fields.number("overnight_quantity")?,
        multiplier: fields.factor("multiplier")?,
        average_price: fields.number("average_price")?,
        last_price: fields.price("last_price")?,
        close_price: fields.price("close_price")?,
        buy_quantity: fields.quantity("buy_quantity")?,
        buy_price: fields.number("buy_price")?,
        buy_value: fields.number("buy_value")?,
        sell_quantity: fields.quantity("sell_quantity")?,
        sell_price: fields.number("sell_price")?,
        sell_value: fields.number("sell_value")?,
        value: fields.number("value")?,
        pnl: fields.number("pnl")?,
        mtm: fields.number("m2m")?,
        realised: fields.number("realised")?,
        unrealised: fields.number("unrealised")?,
    })
}
