use chrono::{DateTime, Utc};
use ledger::Book;
use serde_json::Value;
use storage::LedgerInputs;

use crate::generation::{book_of, discrepancies, off_the_runtime, withhold_unstorable};

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
    off_the_runtime(move || {
        let mut book = book_of(&inputs, &inputs.fills, &inputs.opening_lots, as_of)?;
        withhold_unstorable(&mut book);
        let discrepancies = discrepancies(&book, &inputs);
        Ok(AsOf { book, discrepancies })
    })
    .await
}
