//! Positions and holdings from the account's fills, by FIFO, at the cost of what is new.

mod folded;
mod notes;
mod rebuild;
mod unstorable;
mod update;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger::{LedgerError, SAVED_VERSION, ist};
use storage::{
    GeneratedRows, Lease, LedgerChanges, LedgerReader, LedgerState, OrderWrites, Storage, StorageError,
    StoredRows,
};

use self::folded::Work;
use self::rebuild::rebuild_all;
use self::update::{Update, update};
use crate::report::GenerationReport;
use crate::sync::{LeaseLost, Pipeline, PipelineSettings};
use crate::{SyncJob, chain};

pub(crate) use self::notes::unreadable_side;
pub(crate) use self::unstorable::withhold_unstorable;

/// Why nothing was replaced.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// PostgreSQL; [`StorageError::LeaseLost`] where the account is another run's by now.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A number of one instrument is too large: only a correction of the data helps.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored ledger contradicts itself. Making everything anew helps, and is tried at once.
    #[error("a stored ledger cannot be read")]
    Unreadable,
    /// A ledger, or a row of it, has no form as JSON.
    #[error("a ledger cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

/// What is asked of a generation.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Every row is looked at after this long, even when nothing changed: somebody else may have changed one.
    pub interval: Duration,
    /// Everything is made anew.
    pub force: bool,
    /// The instant; `None` is now, by PostgreSQL's clock. Instants must not go back.
    pub as_of: Option<DateTime<Utc>>,
}

/// What a generation did.
#[derive(Debug, Clone, PartialEq)]
pub enum Generation {
    /// Nothing: nothing changed, and the interval has not passed.
    Current,
    /// Positions and holdings are as of an instant.
    Done {
        /// Rows of the account, those that stayed as they were included.
        rows: StoredRows,
        /// Orders that were read.
        orders: usize,
        /// The instant.
        at: DateTime<Utc>,
    },
}

/// What is new since Redis last had everything, as the generation found it.
#[derive(Debug, Clone)]
pub(crate) struct News {
    /// The version of the snapshot that had everything else; `None`: all must be written.
    pub(crate) since: Option<i64>,
    /// How orders were written.
    pub(crate) orders: OrderWrites,
    /// Whether any other row was.
    pub(crate) are_rows_new: bool,
    /// The versions of those rows when it looked.
    pub(crate) versions: String,
    /// The changes of orders that it knows.
    pub(crate) changes: Vec<i64>,
    /// There are external orders of which nobody was told.
    pub(crate) has_unannounced: bool,
    /// When it looked.
    pub(crate) at: DateTime<Utc>,
}

impl News {
    fn of(state: &LedgerState, lease: &Lease, orders: OrderWrites, at: DateTime<Utc>) -> Self {
        // A run in between may have been of a program that takes changes in and does not know what they are for Redis.
        let was_last = |sequence: &i64| *sequence == lease.fence - 1;
        Self {
            since: state.cached_sequence.filter(was_last),
            orders,
            are_rows_new: !state.are_rows_cached,
            versions: state.rows_now.clone(),
            changes: state.changes.clone(),
            has_unannounced: state.has_unannounced,
            at,
        }
    }
}

/// Whether a generation may have something to do. `state` is as in [`generate`].
pub(crate) fn is_wanted(pipeline: &Pipeline, job: &SyncJob, state: Option<&LedgerState>) -> bool {
    let PipelineSettings { generation_enabled, generation_interval, .. } = pipeline.settings;
    generation_enabled && (job.force || state.is_none_or(|state| !is_current(state, generation_interval)))
}

/// Brings positions and holdings up to date, as a step of a sync; `state` is what the last generation left behind, where that
/// was seen and nothing was written since. What is new for Redis is known only of one that succeeded.
pub(crate) async fn generate(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
    state: Option<&LedgerState>,
) -> Result<(GenerationReport, Option<News>), LeaseLost> {
    let last_generation = lease.last_generation_at;
    if !pipeline.settings.generation_enabled {
        let reason = "POSITION_GENERATION_ENABLED is false".to_owned();
        return Ok((GenerationReport::Skipped { reason, last_generation }, None));
    }
    let wanted = Wanted { interval: pipeline.settings.generation_interval, force: job.force, as_of: None };
    match generate_with_news(&pipeline.storage, lease, &wanted, state.cloned()).await {
        Ok((Generation::Current, news)) => Ok((GenerationReport::Current { last_generation }, Some(news))),
        Ok((Generation::Done { rows, orders, at }, news)) => {
            Ok((GenerationReport::Done { rows, orders, at }, Some(news)))
        }
        Err(GenerationError::Storage(StorageError::LeaseLost)) => Err(LeaseLost),
        Err(error) => Ok((GenerationReport::Failed(chain(&error)), None)),
    }
}

/// Brings positions and holdings of the leased account up to date.
///
/// What changed since the last generation is folded into the families it concerns; whatever cannot be gone on from
/// makes all of them anew. On a new trading day, and when prices changed, every row is made anew. All is stored in one transaction: whatever
/// dies before its end, the next generation begins where this one did.
pub async fn regenerate(
    storage: &Storage,
    lease: &Lease,
    wanted: &Wanted,
) -> Result<Generation, GenerationError> {
    Ok(generate_with_news(storage, lease, wanted, None).await?.0)
}

async fn generate_with_news(
    storage: &Storage,
    lease: &Lease,
    wanted: &Wanted,
    state: Option<LedgerState>,
) -> Result<(Generation, News), GenerationError> {
    let Wanted { interval, force, as_of } = *wanted;
    let (mut reader, state) = if as_of.is_some() || force && state.is_none() {
        storage.ledger_reader(&lease.account).await?
    } else {
        let state = match state {
            Some(state) => state,
            None => storage.ledger_state(&lease.account).await?,
        };
        if !force && is_current(&state, interval) {
            return Ok((Generation::Current, News::of(&state, lease, OrderWrites::default(), state.now)));
        }
        storage.ledger_reader_after(&lease.account, state).await?
    };
    let at = as_of.unwrap_or(reader.as_of);
    reader.as_of = at;
    let changes = reader.changes(&state).await?;
    let mut news = News::of(&state, lease, changes.orders.clone(), at);
    // What is forced is written whatever is there.
    news.since = news.since.filter(|_| !force);
    let is_due = is_due(&state, at, interval);
    let update = match () {
        () if force || needs_rebuild(&state, &changes, at) => None,
        () if changes.is_empty() && !is_due && !is_new_day(&mut reader, &state).await? => {
            return Ok((Generation::Current, news));
        }
        () => match update(&mut reader, &state, &changes, is_due).await {
            Err(GenerationError::Unreadable) => None,
            updated => updated?,
        },
    };
    let is_rebuilt = update.is_none();
    let Update { work, days, is_whole } = match update {
        Some(update) => update,
        None => everything(&mut reader, &state).await?,
    };
    reader.end().await?;
    let kept = state.rebuild_at.filter(|_| !is_rebuilt);
    let rebuild_at = [kept, work.rebuild_at].into_iter().flatten().min();
    let orders = work.orders;
    let names = work.names.clone();
    let gone: Vec<i64> = work.gone.iter().copied().collect();
    let is_small = work.is_small();
    let write = move || {
        let written = work.write(&days, at);
        (days, written)
    };
    let (days, written) = if is_small { write() } else { off_the_runtime(write).await };
    let (book, families) = written?;
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
    let rows = storage.store_book(lease, &rows).await?;
    Ok((Generation::Done { rows, orders, at }, News { are_rows_new: true, ..news }))
}

/// Runs a calculation where it keeps no lease renewal and no other job waiting.
async fn off_the_runtime<T: Send + 'static>(calculate: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(calculate).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn everything(reader: &mut LedgerReader, state: &LedgerState) -> Result<Update, GenerationError> {
    let work = rebuild_all(reader, state).await?;
    let days = work.days(&BTreeMap::new(), [].into_iter(), &state.holidays, reader.as_of);
    Ok(Update { work, days, is_whole: true })
}

/// Whether there is certainly nothing to do. A day of India's on which every row was looked at brings no other trading day.
fn is_current(state: &LedgerState, interval: Duration) -> bool {
    state.changes.is_empty()
        && !state.has_reference_changes
        && !needs_rebuild(state, &LedgerChanges::default(), state.now)
        && !is_due(state, state.now, interval)
        && state.whole_at.is_some_and(|last| ist::day_of(last) == ist::day_of(state.now))
}

/// Whether every row is to be looked at.
fn is_due(state: &LedgerState, at: DateTime<Utc>, interval: Duration) -> bool {
    state.prices_at.is_some()
        || state.whole_at.is_none_or(|last| (at - last).to_std().is_ok_and(|age| age >= interval))
}

/// Whether what is stored cannot be gone on from.
fn needs_rebuild(state: &LedgerState, changes: &LedgerChanges, as_of: DateTime<Utc>) -> bool {
    state.version != Some(SAVED_VERSION)
        || !state.is_of_this_server
        || changes.all
        || state.rebuild_at.is_some_and(|at| at <= as_of)
}

/// Whether the rows are of another trading day than the one that has begun.
async fn is_new_day(reader: &mut LedgerReader, state: &LedgerState) -> Result<bool, GenerationError> {
    let others = reader.other_days(&[]).await?;
    let days = Work::default().days(&others, [].into_iter(), &state.holidays, reader.as_of);
    Ok(days.iter().ne(others.values().map(|other| &other.stored)))
}
