//! `readPlatformHoldings`: a list of what is held.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `exchange` | word | `exchange` |
//! | `symbol` | text | `symbol` |
//! | `isin` | word? | `isin` |
//! | `product` | word? | `product`, mapped like that of an order |
//! | `instrumentToken` | text? | `instrument_token` where it is a whole number: brokerages number differently |
//! | `totalQty`, else `quantity` and `t1Qty` together | quantity, not negative | `quantity` |
//! | `t1Qty` | quantity?, not negative | `t1_quantity` |
//! | `collateralQty` | quantity?, not negative | `collateral_quantity` |
//! | `collateralType` | text? | `collateral_type` |
//! | `haircut` | amount? | `haircut` |
//! | `avgPrice` | price? | `average_price` |
//! | `ltp` | price? | `last_price`; 0 is none |
//! | `pnl` | amount? | `pnl` |
//! | `pseudoAccount` | text? | must be the account that was asked for |
//!
//! What was sold today and a close price are not told. `currentValue` follows from these.

use ledger::ReportedHolding;
use rust_decimal::Decimal;

use super::rows::{Rows, amount, price, product, quantity};
use crate::BrokerageError;
use crate::field::Fields;

/// Reads all holdings.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any holding cannot be read.
pub(super) fn read(rows: &Rows) -> Result<Vec<ReportedHolding>, BrokerageError> {
    rows.each("holdings", holding)
}

fn holding(fields: &Fields<'_>) -> Result<ReportedHolding, BrokerageError> {
    let t1_quantity = quantity(fields, "t1Qty")?;
    Ok(ReportedHolding {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        isin: fields.word("isin")?,
        product: fields.word("product")?.map(product),
        instrument_token: fields.id("instrumentToken")?.and_then(|token| token.parse().ok()),
        quantity: held(fields, t1_quantity)?,
        t1_quantity,
        used_quantity: None,
        collateral_quantity: quantity(fields, "collateralQty")?,
        collateral_type: fields.owned("collateralType")?,
        haircut: amount(fields, "haircut")?,
        average_price: amount(fields, "avgPrice")?,
        last_price: price(fields, "ltp")?,
        close_price: None,
        pnl: amount(fields, "pnl")?,
    })
}

fn held(fields: &Fields<'_>, t1_quantity: Option<Decimal>) -> Result<Decimal, BrokerageError> {
    if let Some(total) = quantity(fields, "totalQty")? {
        return Ok(total);
    }
    let settled = quantity(fields, "quantity")?.ok_or_else(|| fields.missing("quantity"))?;
    let total = settled.checked_add(t1_quantity.unwrap_or_default());
    total.ok_or_else(|| fields.malformed("quantity", "too large"))
}
