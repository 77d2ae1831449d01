//! `readPlatformMargins`: a list with one row for each segment.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `category` | word: `EQUITY`, `COMMODITY`, `ALL` | `category` |
//! | `funds`, `utilized`, `available`, `total`, `net` | amount? | the same |
//! | `span`, `exposure`, `collateral`, `payin`, `payout`, `adhoc` | amount? | the same |
//! | `realisedMtm`, `unrealisedMtm` | amount? | `realised_mtm`, `unrealised_mtm` |
//! | `pseudoAccount` | text? | must be the account that was asked for |

use ledger::ReportedMargin;

use super::rows::{Rows, amount};
use crate::BrokerageError;
use crate::field::Fields;

/// Reads all margins.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any row cannot be read.
pub(super) fn read(rows: &Rows) -> Result<Vec<ReportedMargin>, BrokerageError> {
    rows.each("margins", margin)
}

fn margin(fields: &Fields<'_>) -> Result<ReportedMargin, BrokerageError> {
    Ok(ReportedMargin {
        category: fields.required_word("category")?,
        adhoc: amount(fields, "adhoc")?,
        available: amount(fields, "available")?,
        collateral: amount(fields, "collateral")?,
        exposure: amount(fields, "exposure")?,
        funds: amount(fields, "funds")?,
        net: amount(fields, "net")?,
        payin: amount(fields, "payin")?,
        payout: amount(fields, "payout")?,
        realised_mtm: amount(fields, "realisedMtm")?,
        span: amount(fields, "span")?,
        total: amount(fields, "total")?,
        unrealised_mtm: amount(fields, "unrealisedMtm")?,
        utilized: amount(fields, "utilized")?,
    })
}
