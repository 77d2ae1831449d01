use chrono::{DateTime, Utc};
use ledger::{Book, Input};
use serde_json::{Value, json};
use storage::LedgerInputs;

use crate::chain;
use crate::generation::{unreadable_side, withhold_unstorable};

/// An account as of an instant.
#[derive(Debug)]
pub struct AsOf {
    /// Its positions, holdings and closings.
    pub book: Book,
    /// What does not add up, as in a report.
    pub discrepancies: Value,
}

/// Recomputes an account as of an instant, as a generation would have done then from what is stored now.
///
/// What is later than the instant does not count, and neither does a market's price, which is kept for no instant but
/// the present. Orders are stored in their latest state only: one whose executions are not known counts from the time
/// of that state on, even if a part of it was filled before. Rows that no column can hold (a `fraction`) are left out;
/// an order that is neither a purchase nor a sale is a finding whenever it was placed.
///
/// # Errors
/// One sentence: a number of one instrument is too large for a decimal.
pub async fn book_as_of(mut inputs: LedgerInputs, as_of: DateTime<Utc>) -> Result<AsOf, String> {
    for instrument in &mut inputs.instruments {
        (instrument.last_price, instrument.close_price) = (None, None);
    }
    inputs.short_orders.retain(|finding| finding.since.is_none_or(|since| since <= as_of));
    let calculation = tokio::task::spawn_blocking(move || {
        let mut book = ledger::generate(&Input {
            fills: &inputs.fills,
            opening_lots: &inputs.opening_lots,
            corporate_actions: &inputs.corporate_actions,
            instruments: &inputs.instruments,
            holidays: &inputs.holidays,
            as_of,
        })
        .map_err(|error| chain(&error))?;
        withhold_unstorable(&mut book);
        let findings = book.discrepancies.iter().chain(&inputs.short_orders).map(|finding| json!(finding));
        let notes = inputs.unreadable_orders.iter().map(|order| unreadable_side(*order));
        let discrepancies = Value::Array(findings.chain(notes).collect());
        Ok(AsOf { book, discrepancies })
    });
    calculation.await.unwrap_or_else(|error| Err(format!("the calculation ended early: {error}")))
}
