use chrono::{DateTime, Duration, Utc};
use ledger::{Book, Fill, Input, OpeningLot};
use serde_json::{Value, json};
use storage::{GeneratedRows, Lease, LedgerInputs};

use crate::report::GenerationReport;
use crate::sync::Pipeline;
use crate::{SyncJob, chain};

/// Positions and holdings from the account's fills, by FIFO. Also returns the inputs, which the snapshot needs for
/// the rows of strategies.
pub(crate) async fn generate(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
) -> (GenerationReport, Option<LedgerInputs>) {
    if !pipeline.settings.generation_enabled {
        let reason = "POSITION_GENERATION_ENABLED is false".to_owned();
        return (GenerationReport::Skipped { reason, last_generation: lease.last_generation_at }, None);
    }
    let inputs = match pipeline.storage.ledger_inputs(&job.account).await {
        Ok(inputs) => inputs,
        Err(error) => return (GenerationReport::Failed(chain(&error)), None),
    };
    let report = replace_rows(pipeline, job, lease, &inputs).await.unwrap_or_else(GenerationReport::Failed);
    (report, Some(inputs))
}

async fn replace_rows(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
    inputs: &LedgerInputs,
) -> Result<GenerationReport, String> {
    let now = pipeline.storage.now().await.map_err(|error| chain(&error))?;
    // The market's day begins at 08:00 IST: from then on the same fills give other positions and holdings.
    let digest = format!("{} {}", ledger::ist::day_of(now - Duration::hours(8)), inputs.digest);
    if !job.force && is_current(pipeline, lease, &digest, now) {
        return Ok(GenerationReport::Current { last_generation: lease.last_generation_at });
    }
    let book = book_of(inputs, &inputs.fills, &inputs.opening_lots, now)?;
    let discrepancies = discrepancies(&book, inputs);
    let rows = GeneratedRows { book: &book, digest: &digest, discrepancies: &discrepancies };
    let stored = pipeline.storage.store_book(lease, &rows).await.map_err(|error| chain(&error))?;
    Ok(GenerationReport::Done {
        positions: stored.positions,
        holdings: stored.holdings,
        orders: inputs.orders,
        at: now,
        discrepancies,
    })
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

fn discrepancies(book: &Book, inputs: &LedgerInputs) -> Value {
    let mut findings: Vec<Value> = book.discrepancies.iter().map(|finding| json!(finding)).collect();
    findings.extend(inputs.unreadable_orders.iter().map(|id| {
        json!({"kind": "unreadable_side", "instrument_key": null, "symbol": null, "isin": null, "quantity": null,
               "since": null, "detail": format!("order row {id} is neither BUY nor SELL and counts nowhere")})
    }));
    Value::Array(findings)
}
