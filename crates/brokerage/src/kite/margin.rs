//! `GET /user/margins`: `{"equity": segment, "commodity": segment}`, one row for each that is there and enabled.
//!
//! | field of a segment | type | goes to |
//! |---|---|---|
//! | its name | | `category`: `EQUITY`, `COMMODITY` |
//! | `enabled` | boolean? | a disabled segment gives no row |
//! | `net` | number? | `net` |
//! | `available.adhoc_margin` | number? | `adhoc` |
//! | `available.cash` | number? | `funds` |
//! | `available.live_balance` | number? | `available` |
//! | `available.collateral` | number? | `collateral` |
//! | `available.intraday_payin` | number? | `payin` |
//! | `utilised.debits` | number? | `utilized` |
//! | `utilised.exposure`, `.span`, `.payout` | number? | the same |
//! | `utilised.m2m_realised`, `.m2m_unrealised` | number? | `realised_mtm`, `unrealised_mtm` |
//!
//! `total` is `net` and `utilised.debits` together. `available.opening_balance` and the rest of `utilised`
//! (`option_premium`, `holding_sales`, `turnover`, `liquid_collateral`, `stock_collateral`, `delivery`) have no column.

use ledger::ReportedMargin;
use serde_json::Value;

use crate::BrokerageError;
use crate::field::Fields;

const SEGMENTS: [(&str, &str); 2] = [("equity", "EQUITY"), ("commodity", "COMMODITY")];

/// Reads the segments there are.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming segment and field if any cannot be read, or if neither is there.
pub(super) fn read(data: Value) -> Result<Vec<ReportedMargin>, BrokerageError> {
    let segments = Fields::of("margins".to_owned(), &data)?;
    if SEGMENTS.iter().all(|(name, _)| segments.value(name).is_none()) {
        return Err(BrokerageError::malformed("margins of neither equity nor commodity"));
    }
    let mut margins = Vec::new();
    for (name, category) in SEGMENTS {
        if let Some(segment) = segments.inner(name)?
            && segment.boolean("enabled")? != Some(false)
        {
            margins.push(margin(category, &segment)?);
        }
    }
    Ok(margins)
}

fn margin(category: &str, segment: &Fields<'_>) -> Result<ReportedMargin, BrokerageError> {
    let part = |name| segment.inner(name)?.ok_or_else(|| segment.missing(name));
    let (available, utilised) = (part("available")?, part("utilised")?);
    let (net, debits) = (segment.number("net")?, utilised.number("debits")?);
    Ok(ReportedMargin {
        category: category.to_owned(),
        adhoc: available.number("adhoc_margin")?,
        available: available.number("live_balance")?,
        collateral: available.number("collateral")?,
        exposure: utilised.number("exposure")?,
        funds: available.number("cash")?,
        net,
        payin: available.number("intraday_payin")?,
        payout: utilised.number("payout")?,
        realised_mtm: utilised.number("m2m_realised")?,
        span: utilised.number("span")?,
        total: net.and_then(|net| net.checked_add(debits?)),
        unrealised_mtm: utilised.number("m2m_unrealised")?,
        utilized: debits,
    })
}
