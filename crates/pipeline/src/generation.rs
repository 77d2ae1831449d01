use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use ledger::{Book, Discrepancy, DiscrepancyKind, Fill, Input, OpeningLot, Withheld};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use storage::{GeneratedRows, Lease, LedgerInputs, StorageError};

use crate::report::GenerationReport;
use crate::sync::{LeaseLost, Pipeline};
use crate::{SyncJob, chain};

/// Positions and holdings from the account's fills, by FIFO. Also returns the inputs, which the snapshot needs for
/// the rows of strategies.
pub(crate) async fn generate(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
) -> Result<(GenerationReport, Option<Arc<LedgerInputs>>), LeaseLost> {
    if !pipeline.settings.generation_enabled {
        let reason = "POSITION_GENERATION_ENABLED is false".to_owned();
        return Ok((GenerationReport::Skipped { reason, last_generation: lease.last_generation_at }, None));
    }
    let inputs = match pipeline.storage.ledger_inputs(&job.account).await {
        Ok(inputs) => Arc::new(inputs),
        Err(error) => return Ok((GenerationReport::Failed(chain(&error)), None)),
    };
    let report = match replace_rows(pipeline, job, lease, &inputs).await {
        Ok(report) => report,
        Err(NotReplaced::Storage(StorageError::LeaseLost)) => return Err(LeaseLost),
        Err(NotReplaced::Storage(error)) => GenerationReport::Failed(chain(&error)),
        Err(NotReplaced::Ledger(error)) => GenerationReport::Failed(error),
    };
    Ok((report, Some(inputs)))
}

enum NotReplaced {
    Storage(StorageError),
    Ledger(String),
}

impl From<StorageError> for NotReplaced {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

async fn replace_rows(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
    inputs: &Arc<LedgerInputs>,
) -> Result<GenerationReport, NotReplaced> {
    let now = pipeline.storage.now().await?;
    // The market's day begins at 08:00 IST: from then on the same fills give other positions and holdings.
    let digest = format!("{} {}", ledger::ist::day_of(now - Duration::hours(8)), inputs.digest);
    if !job.force && is_current(pipeline, lease, &digest, now) {
        return Ok(GenerationReport::Current { last_generation: lease.last_generation_at });
    }
    let of_thread = Arc::clone(inputs);
    let mut book =
        off_the_runtime(move || book_of(&of_thread, &of_thread.fills, &of_thread.opening_lots, now))
            .await
            .map_err(NotReplaced::Ledger)?;
    withhold_unstorable(&mut book);
    let discrepancies = discrepancies(&book, inputs);
    let rows = GeneratedRows { book: &book, digest: &digest, discrepancies: &discrepancies };
    let stored = pipeline.storage.store_book(lease, &rows).await?;
    Ok(GenerationReport::Done {
        positions: stored.positions,
        holdings: stored.holdings,
        orders: inputs.orders,
        at: now,
        discrepancies,
    })
}

/// Runs a long calculation where it keeps no lease renewal and no other job waiting.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    calculate: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(calculate).await {
        Ok(result) => result,
        Err(error) => Err(format!("the calculation ended early: {error}")),
    }
}

/// Withholds the rows that the integer columns of `positions` and `holdings` cannot take, so that one instrument does
/// not keep the whole account from being stored.
pub(crate) fn withhold_unstorable(book: &mut Book) {
    let fits = |number: &Decimal| number.fract().is_zero() && i32::try_from(*number).is_ok();
    let mut keep_out = |key: &str, symbol: &str, isin: Option<&String>, quantity: Decimal| {
        book.withheld
            .push(Withheld { isin: isin.cloned(), instrument_keys: BTreeSet::from([key.to_owned()]) });
        book.discrepancies.push(Discrepancy {
            kind: DiscrepancyKind::Fraction,
            instrument_key: key.to_owned(),
            symbol: symbol.to_owned(),
            isin: isin.cloned(),
            quantity: Some(quantity),
            since: None,
            detail: "a quantity or multiplier does not fit its integer column; the rows stay as they were"
                .to_owned(),
        });
    };
    book.positions.retain(|row| {
        let numbers =
            [row.buy_quantity, row.sell_quantity, row.net_quantity, row.overnight_quantity, row.multiplier];
        let unfit = numbers.iter().find(|number| !fits(number));
        if let Some(unfit) = unfit {
            keep_out(&row.instrument_key, &row.symbol, None, *unfit);
        }
        unfit.is_none()
    });
    book.holdings.retain(|row| {
        let unfit = [row.quantity, row.totalqty, row.t1_qty].into_iter().find(|number| !fits(number));
        if let Some(unfit) = unfit {
            keep_out(&row.instrument_key, &row.symbol, row.isin.as_ref(), unfit);
        }
        unfit.is_none()
    });
}

/// New or changed fills always make a generation due, else the interval does.
fn is_current(pipeline: &Pipeline, lease: &Lease, digest: &str, now: DateTime<Utc>) -> bool {
    let recent = lease
        .last_generation_at
        .is_some_and(|at| (now - at).to_std().is_ok_and(|age| age < pipeline.settings.generation_interval));
    recent && lease.generation_digest.as_deref() == Some(digest)
}

/// The ledger's view of some of the account's fills and lots.
pub(crate) fn book_of(
    inputs: &LedgerInputs,
    fills: &[Fill],
    opening_lots: &[OpeningLot],
    as_of: DateTime<Utc>,
) -> Result<Book, String> {
    ledger::generate(&Input {
        fills,
        opening_lots,
        corporate_actions: &inputs.corporate_actions,
        instruments: &inputs.instruments,
        holidays: &inputs.holidays,
        as_of,
    })
    .map_err(|error| chain(&error))
}

pub(crate) fn discrepancies(book: &Book, inputs: &LedgerInputs) -> Value {
    let mut findings: Vec<Value> =
        book.discrepancies.iter().chain(&inputs.short_orders).map(|finding| json!(finding)).collect();
    findings.extend(inputs.unreadable_orders.iter().map(|id| {
        json!({"kind": "unreadable_side", "instrument_key": null, "symbol": null, "isin": null, "quantity": null,
               "since": null, "detail": format!("order row {id} is neither BUY nor SELL and counts nowhere")})
    }));
    Value::Array(findings)
}
