//! `readPlatformPositions`: a list of positions of both categories, `NET` and `DAY`.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `category` | `NET`, `DAY` | only `NET` rows are returned |
//! | `exchange` | word | `exchange` |
//! | `symbol` | text | `symbol` |
//! | `type` | word | `product`, mapped like that of an order |
//! | `netQuantity` | quantity | `quantity` |
//! | `overnightQuantity` | quantity? | `overnight_quantity` |
//! | `multiplier` | amount? over 0 | `multiplier`; else none |
//! | `buyQuantity`, `buyAvgPrice`, `buyValue` | quantity?, price?, amount? | `buy_quantity`, `buy_price`, `buy_value` |
//! | `sellQuantity`, `sellAvgPrice`, `sellValue` | quantity?, price?, amount? | `sell_quantity`, `sell_price`, `sell_value` |
//! | `ltp` | price? | `last_price`; 0 is none |
//! | `pnl`, `mtm`, `realisedPnl`, `unrealisedPnl` | amount? | `pnl`, `mtm`, `realised`, `unrealised` |
//! | `pseudoAccount` | text? | must be the account that was asked for |
//!
//! There is no average of what is open: it is that of the side that is, as Kite counts it. `value` is `sellValue` less
//! `buyValue` where both are told; `netValue` is not read, for no documentation says which sign it has. A close price is
//! not told. `direction`, `state`, `atPnl`, the names and the rest follow from these or have no column.
//!
//! `NET` is what was carried into the day and all that was traded in it, so whoever has a `DAY` row has a `NET` row, too.
//! A list of `DAY` rows alone is therefore an answer with a part missing and not one without positions.

use ledger::ReportedPosition;
use rust_decimal::Decimal;

use super::rows::{Rows, amount, price, product, quantity, signed};
use crate::field::Fields;
use crate::{BrokerageError, number};

/// Reads the net positions.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any net position or the category of any row cannot be read,
/// or if there are rows and none is of category `NET`.
pub(super) fn read(rows: &Rows) -> Result<Vec<ReportedPosition>, BrokerageError> {
    let all = rows.each("positions", |fields| match fields.required_word("category")?.as_str() {
        "NET" => position(fields).map(Some),
        "DAY" => Ok(None),
        other => Err(fields.malformed("category", &format!("{other:?} is neither NET nor DAY"))),
    })?;
    let any = !all.is_empty();
    let net: Vec<ReportedPosition> = all.into_iter().flatten().collect();
    if any && net.is_empty() {
        return Err(BrokerageError::malformed("positions of category DAY and none of NET"));
    }
    Ok(net)
}

fn position(fields: &Fields<'_>) -> Result<ReportedPosition, BrokerageError> {
    let quantity_open = signed(fields, "netQuantity")?.ok_or_else(|| fields.missing("netQuantity"))?;
    let (buy_price, sell_price) = (amount(fields, "buyAvgPrice")?, amount(fields, "sellAvgPrice")?);
    let (buy_value, sell_value) = (amount(fields, "buyValue")?, amount(fields, "sellValue")?);
    Ok(ReportedPosition {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        product: product(fields.required_word("type")?),
        instrument_token: None,
        quantity: quantity_open,
        overnight_quantity: signed(fields, "overnightQuantity")?,
        multiplier: fields.factor("multiplier")?.map(number::price),
        average_price: average(quantity_open, buy_price, sell_price),
        last_price: price(fields, "ltp")?,
        close_price: None,
        buy_quantity: quantity(fields, "buyQuantity")?,
        buy_price,
        buy_value,
        sell_quantity: quantity(fields, "sellQuantity")?,
        sell_price,
        sell_value,
        value: sell_value.and_then(|sold| sold.checked_sub(buy_value?)),
        pnl: amount(fields, "pnl")?,
        mtm: amount(fields, "mtm")?,
        realised: amount(fields, "realisedPnl")?,
        unrealised: amount(fields, "unrealisedPnl")?,
    })
}

fn average(quantity: Decimal, buy_price: Option<Decimal>, sell_price: Option<Decimal>) -> Option<Decimal> {
    if quantity.is_zero() {
        Some(Decimal::ZERO)
    } else if quantity.is_sign_positive() {
        buy_price
    } else {
        sell_price
    }
}
