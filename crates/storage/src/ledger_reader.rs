use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::Account;
use sqlx::PgExecutor;

use crate::ledger_changes::{OrderChange, OrderChanges};
use crate::transaction::Transaction;
use crate::{Storage, StorageError};

/// One look at everything a generation reads, in one snapshot of the database: what others commit meanwhile is left
/// to the next one, whole.
pub struct LedgerReader {
    pub(crate) transaction: Transaction,
    pub(crate) account: Account,
    pub(crate) organizations: Vec<String>,
    /// The instant of the look; what is dated later does not exist yet.
    pub as_of: DateTime<Utc>,
    /// The changes, where they are read already.
    pub(crate) order_changes: Option<Vec<OrderChange>>,
}

/// What the last generation of an account left behind.
#[derive(Debug, Clone)]
pub struct LedgerState {
    /// When it was read, by PostgreSQL's clock.
    pub now: DateTime<Utc>,
    /// The changes of orders, fills and lots that no generation has taken in.
    pub changes: Vec<i64>,
    /// Instruments, corporate actions or holidays were changed since the last generation; maybe none of the account's.
    pub has_reference_changes: bool,
    /// There are external orders of which nobody was told.
    pub has_unannounced: bool,
    /// The form its families are saved in; `None` before the first generation.
    pub version: Option<i32>,
    /// When something dated in the future comes to exist.
    pub rebuild_at: Option<DateTime<Utc>>,
    /// When every row of the account was looked at last.
    pub whole_at: Option<DateTime<Utc>>,
    /// When prices changed that no generation has counted with; `None`: all are in the rows.
    pub prices_at: Option<DateTime<Utc>>,
    /// The families were stored by this database, so that "since then" can be told.
    pub is_of_this_server: bool,
    /// The snapshot of this look, to be stored with what is made of it.
    pub snapshot: String,
    /// The version of the snapshot in Redis that had everything by the end of a run; `None`: none is known to.
    pub cached_sequence: Option<i64>,
    /// No row of the account beside its orders was written since.
    pub are_rows_cached: bool,
    /// The versions of those rows in this look.
    pub rows_now: String,
    /// Holidays of the NSE, whose calendar decides the trading days; none in a look without a reader.
    pub holidays: Arc<BTreeSet<NaiveDate>>,
}

/// The trading day that the rows of an account or of a strategy are of, and the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerDays {
    /// Empty for the account itself.
    pub strategy_id: String,
    /// The view's day.
    pub view_day: NaiveDate,
    /// The trading day before.
    pub day_before: NaiveDate,
}

/// The state from a row of either statement that reads it: sqlx gives each statement's rows a type of their own.
macro_rules! ledger_state {
    ($row:ident, $holidays:expr) => {
        LedgerState {
            now: $row.now,
            version: $row.ledger_version,
            rebuild_at: $row.ledger_rebuild_at,
            whole_at: $row.ledger_whole_at,
            prices_at: $row.prices_at,
            is_of_this_server: $row.is_of_this_server,
            snapshot: $row.snapshot,
            changes: $row.changes,
            has_reference_changes: $row.has_reference_changes,
            has_unannounced: $row.has_unannounced,
            cached_sequence: $row.cached_sequence.filter(|_| $row.is_of_this_server),
            are_rows_cached: $row.cached_rows.as_ref() == Some(&$row.rows_now),
            rows_now: $row.rows_now,
            holidays: Arc::new($holidays),
        }
    };
}
pub(crate) use ledger_state;

impl Storage {
    /// Begins a look at an account, with what the last generation left behind, and whether anything is new since.
    pub async fn ledger_reader(
        &self,
        account: &Account,
    ) -> Result<(LedgerReader, LedgerState), StorageError> {
        let mut transaction = self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let organizations = self.organization_keys(account);
        let state = read_state(&mut *transaction, account, &organizations, true).await?;
        let reader = LedgerReader {
            transaction,
            account: account.clone(),
            organizations,
            as_of: state.now,
            order_changes: None,
        };
        Ok((reader, state))
    }

    /// Begins a look at an account whose state was read just before, of which only the changes and the clock are read
    /// again, and the holidays now.
    ///
    /// Executions are read with the changes that tell of them, or else the next generation would count some twice. The rest is
    /// this run's own, or stays true: of reference data the stored snapshot promises what this look sees at least, and what
    /// it sees beyond that is made anew by the next generation.
    pub async fn ledger_reader_after(
        &self,
        account: &Account,
        mut state: LedgerState,
    ) -> Result<(LedgerReader, LedgerState), StorageError> {
        if state.has_too_many_changes() {
            return self.ledger_reader(account).await;
        }
        let transaction = self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let organizations = self.organization_keys(account);
        let mut reader = LedgerReader {
            transaction,
            account: account.clone(),
            organizations,
            as_of: state.now,
            order_changes: None,
        };
        let OrderChanges { now, holidays, changes } = reader.read_order_changes().await?;
        state.now = now;
        state.holidays = Arc::new(holidays);
        state.changes = changes.iter().map(|change| change.id).collect();
        reader.as_of = now;
        reader.order_changes = Some(changes);
        Ok((reader, state))
    }

    /// What the last generation of an account left behind, and whether anything is new since: enough where nothing is.
    pub async fn ledger_state(&self, account: &Account) -> Result<LedgerState, StorageError> {
        read_state(&self.pool, account, &self.organization_keys(account), false).await
    }
}

async fn read_state(
    executor: impl PgExecutor<'_>,
    account: &Account,
    organizations: &[String],
    with_holidays: bool,
) -> Result<LedgerState, StorageError> {
    let row = sqlx::query_file!(
        "src/ledger_state.sql",
        account.organization_id,
        account.pseudo_account,
        organizations,
        with_holidays
    )
    .fetch_one(executor)
    .await?;
    let holidays = row.holidays.into_iter().flatten().collect();
    Ok(ledger_state!(row, holidays))
}

impl LedgerReader {
    /// Ends the look, so that its connection is free for others.
    pub async fn end(self) -> Result<(), StorageError> {
        Ok(self.transaction.commit().await?)
    }
}
