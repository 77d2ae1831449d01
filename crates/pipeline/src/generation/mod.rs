//! Positions and holdings from the account's fills, by FIFO, at the cost of what is new.

mod folded;
mod notes;
mod rebuild;
mod unstorable;
mod update;

use chrono::{DateTime, Utc};
use ledger::{LedgerError, SAVED_VERSION};
use storage::{GeneratedRows, Lease, LedgerChanges, LedgerReader, LedgerState, StorageError};

use self::rebuild::rebuild_all;
use self::update::{Update, update};
use crate::report::GenerationReport;
use crate::sync::{LeaseLost, Pipeline};
use crate::{SyncJob, chain};

pub(crate) use self::notes::unreadable_side;
pub(crate) use self::unstorable::withhold_unstorable;

/// Brings positions and holdings up to date.
pub(crate) async fn generate(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
) -> Result<GenerationReport, LeaseLost> {
    if !pipeline.settings.generation_enabled {
        let reason = "POSITION_GENERATION_ENABLED is false".to_owned();
        return Ok(GenerationReport::Skipped { reason, last_generation: lease.last_generation_at });
    }
    match replace_rows(pipeline, job, lease).await {
        Ok(report) => Ok(report),
        Err(NotReplaced::Storage(StorageError::LeaseLost)) => Err(LeaseLost),
        Err(NotReplaced::Storage(error)) => Ok(GenerationReport::Failed(chain(&error))),
        Err(NotReplaced::Ledger(error)) => Ok(GenerationReport::Failed(chain(&error))),
        Err(NotReplaced::Unwritable(error)) => Ok(GenerationReport::Failed(chain(&error))),
        Err(NotReplaced::Unreadable) => {
            Ok(GenerationReport::Failed("a stored ledger cannot be read".to_owned()))
        }
    }
}

/// Why nothing was replaced.
#[derive(Debug)]
enum NotReplaced {
    Storage(StorageError),
    Ledger(LedgerError),
    /// A stored ledger contradicts itself; making everything anew helps.
    Unreadable,
    Unwritable(serde_json::Error),
}

async fn replace_rows(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
) -> Result<GenerationReport, NotReplaced> {
    let mut reader = pipeline.storage.ledger_reader(&job.account).await?;
    let as_of = reader.as_of;
    let state = reader.state().await?;
    let changes = reader.changes().await?;
    let is_due = is_due(pipeline, lease, as_of);
    let update = match () {
        () if job.force || needs_rebuild(&state, &changes, as_of) => None,
        () if changes.is_empty() && !is_due && !is_new_day(&mut reader, &state).await? => {
            return Ok(GenerationReport::Current { last_generation: lease.last_generation_at });
        }
        () => match update(&mut reader, &state, &changes, is_due).await {
            Err(NotReplaced::Unreadable) => None,
            updated => updated?,
        },
    };
    let is_rebuilt = update.is_none();
    let Update { work, days, is_whole } = match update {
        Some(update) => update,
        None => {
            let work = rebuild_all(&mut reader, &state).await?;
            let days = work.days(&Default::default(), [].into_iter(), &state.holidays, as_of);
            Update { work, days, is_whole: true }
        }
    };
    reader.end().await?;
    let (names, gone): (_, Vec<i64>) = (work.names.clone(), work.gone.iter().copied().collect());
    let orders = work.orders.len();
    let rebuild_at = if is_rebuilt {
        work.rebuild_at
    } else {
        [state.rebuild_at, work.rebuild_at].into_iter().flatten().min()
    };
    let (book, families) = work.write(&days, as_of)?;
    let rows = GeneratedRows {
        book: &book,
        touched: (!is_whole).then_some(&names),
        families: &families,
        gone: (!is_rebuilt).then_some(&gone),
        changes: &changes.ids,
        days: &days,
        snapshot: &state.snapshot,
        rebuild_at,
        version: SAVED_VERSION,
    };
    let stored = pipeline.storage.store_book(lease, &rows).await?;
    Ok(GenerationReport::Done {
        positions: stored.positions,
        holdings: stored.holdings,
        orders,
        at: as_of,
        discrepancies: stored.discrepancies,
    })
}

/// Whether what is stored cannot be gone on from.
fn needs_rebuild(state: &LedgerState, changes: &LedgerChanges, as_of: DateTime<Utc>) -> bool {
    state.version != Some(SAVED_VERSION)
        || !state.is_of_this_server
        || changes.all
        || state.rebuild_at.is_some_and(|at| at <= as_of)
}

/// Rows are looked at again after the interval even when nothing changed: somebody else may have.
fn is_due(pipeline: &Pipeline, lease: &Lease, now: DateTime<Utc>) -> bool {
    let interval = pipeline.settings.generation_interval;
    lease.last_generation_at.is_none_or(|at| (now - at).to_std().is_ok_and(|age| age >= interval))
}

/// Whether the rows are of another trading day than the one that has begun.
async fn is_new_day(reader: &mut LedgerReader, state: &LedgerState) -> Result<bool, NotReplaced> {
    let others = reader.other_days(&[]).await?;
    let days = folded::Work::default().days(&others, [].into_iter(), &state.holidays, reader.as_of);
    Ok(days != reader.days().await?)
}

impl From<StorageError> for NotReplaced {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<LedgerError> for NotReplaced {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
