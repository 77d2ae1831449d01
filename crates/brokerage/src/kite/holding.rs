//! `GET /portfolio/holdings`: a list of what is held, one row per ISIN.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `exchange` | word | `exchange` |
//! | `tradingsymbol` | text | `symbol` |
//! | `isin` | word? | `isin` |
//! | `product` | word? | `product`; `MTF` if all that is held is |
//! | `instrument_token` | number?, whole | `instrument_token` |
//! | `quantity` | number, not negative | a part of `quantity`, see below |
//! | `t1_quantity` | number?, not negative | `t1_quantity`, and a part of `quantity` |
//! | `used_quantity` | number?, not negative | `used_quantity`, and a part of `quantity` |
//! | `collateral_quantity` | number?, not negative | `collateral_quantity`, and a part of `quantity` |
//! | `realised_quantity`, `opening_quantity` | number?, not negative | bounds of `quantity` |
//! | `collateral_type` | text? | `collateral_type` |
//! | `average_price` | number? | `average_price` |
//! | `last_price`, `close_price` | number? | the same; 0 is none |
//! | `pnl` | number? | `pnl` |
//! | `mtf.quantity`, `.used_quantity` | number?, not negative | parts of `quantity` and `used_quantity` |
//! | `mtf.average_price` | number? | a part of `average_price` and `pnl` |
//!
//! **All that is held.** The documentation calls `quantity` "net quantity (T+1 + realised)". Answers of real accounts
//! say otherwise: shares bought yesterday stand in `t1_quantity` with a `quantity` of 0, pledged ones in
//! `collateral_quantity` alone, and a sale of today is taken off `quantity` and `realised_quantity` and put into
//! `used_quantity`. So what is free is the smaller of `quantity` and `realised_quantity`, which under both readings is
//! without what is not settled; with `t1_quantity`, `used_quantity` and `collateral_quantity` it makes all that was held
//! when the day began. It is never less than `quantity`, nor, in answers from before there was a `used_quantity`, than
//! `opening_quantity`. The samples are all settled and unpledged and fit every reading.
//!
//! Shares financed by Zerodha are held in the same row beside the account's own: `mtf.quantity`, in none of the numbers
//! above it. The average is then that of both parts, rounded half-even to 10 places, and `pnl` the sum of both.

use ledger::ReportedHolding;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use crate::BrokerageError;
use crate::answer::list;
use crate::field::{Fields, each};

/// Places of an average over both parts, as everywhere on output.
const AVERAGE_PLACES: u32 = 10;

/// Reads all holdings.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any holding cannot be read.
pub(super) fn read(data: Value) -> Result<Vec<ReportedHolding>, BrokerageError> {
    each("holdings", &list(data, "data")?, holding)
}

/// A part of a holding: the account's own shares, or the financed ones.
struct Part {
    quantity: Decimal,
    used: Decimal,
    average: Option<Decimal>,
}

fn holding(fields: &Fields<'_>) -> Result<ReportedHolding, BrokerageError> {
    let (own, financed) = (own(fields)?, financed(fields)?);
    let last_price = fields.price("last_price")?;
    let mixed = financed.as_ref().filter(|part| !part.quantity.is_zero());
    let quantity = mixed.map_or(Some(own.quantity), |part| own.quantity.checked_add(part.quantity));
    let quantity = quantity.ok_or_else(|| fields.malformed("quantity", "too large"))?;
    let product = match mixed {
        Some(_) if own.quantity.is_zero() => Some("MTF".to_owned()),
        _ => fields.word("product")?,
    };
    let used_quantity = match (fields.quantity("used_quantity")?, mixed) {
        (used, None) => used,
        (used, Some(part)) => used.unwrap_or_default().checked_add(part.used),
    };
    Ok(ReportedHolding {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        isin: fields.word("isin")?,
        product,
        instrument_token: fields.whole("instrument_token")?,
        quantity,
        t1_quantity: fields.quantity("t1_quantity")?,
        used_quantity,
        collateral_quantity: fields.quantity("collateral_quantity")?,
        collateral_type: fields.owned("collateral_type")?,
        haircut: None,
        average_price: match mixed {
            None => own.average,
            Some(part) => average(&own, part, quantity),
        },
        last_price,
        close_price: fields.price("close_price")?,
        pnl: match mixed {
            None => fields.number("pnl")?,
            Some(part) => fields.number("pnl")?.and_then(|pnl| pnl.checked_add(gain(part, last_price?)?)),
        },
    })
}

fn own(fields: &Fields<'_>) -> Result<Part, BrokerageError> {
    let part = |name| Ok(fields.quantity(name)?.unwrap_or_default());
    let quantity = fields.required_quantity("quantity")?;
    let free = fields.quantity("realised_quantity")?.map_or(quantity, |realised| realised.min(quantity));
    let (used, opening) = (fields.quantity("used_quantity")?, part("opening_quantity")?);
    let parts = [part("t1_quantity")?, used.unwrap_or_default(), part("collateral_quantity")?];
    let sum = parts.into_iter().try_fold(free, Decimal::checked_add);
    let sum = sum.ok_or_else(|| fields.malformed("quantity", "too large"))?.max(quantity);
    let average = fields.number("average_price")?;
    let held = if used.is_none() { sum.max(opening) } else { sum };
    Ok(Part { quantity: held, used: used.unwrap_or_default(), average })
}

fn financed(fields: &Fields<'_>) -> Result<Option<Part>, BrokerageError> {
    let Some(mtf) = fields.inner("mtf")? else {
        return Ok(None);
    };
    let used = mtf.quantity("used_quantity")?.unwrap_or_default();
    let quantity = mtf.quantity("quantity")?.unwrap_or_default().checked_add(used);
    let quantity = quantity.ok_or_else(|| mtf.malformed("quantity", "too large"))?;
    Ok(Some(Part { quantity, used, average: mtf.number("average_price")? }))
}

/// The average cost of both parts; of one part its own, digit for digit.
fn average(own: &Part, financed: &Part, quantity: Decimal) -> Option<Decimal> {
    if own.quantity.is_zero() {
        return financed.average;
    }
    let cost = |part: &Part| part.average?.checked_mul(part.quantity);
    let average = cost(own)?.checked_add(cost(financed)?)?.checked_div(quantity)?;
    Some(average.round_dp_with_strategy(AVERAGE_PLACES, RoundingStrategy::MidpointNearestEven).normalize())
}

/// What is left of a part is in front by so much since it was bought; Kite's own `pnl` leaves out what was sold today, too.
fn gain(part: &Part, last_price: Decimal) -> Option<Decimal> {
    last_price.checked_sub(part.average?)?.checked_mul(part.quantity.checked_sub(part.used)?)
}
