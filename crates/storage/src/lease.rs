use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ledger::Account;

use crate::free_accounts::Asking;
use crate::transaction::Transaction;
use crate::{LedgerState, Storage, StorageError};

/// Who wants which account, and what the job asks for.
#[derive(Debug)]
pub struct LeaseRequest<'a> {
    /// The account.
    pub account: &'a Account,
    /// The job.
    pub job_id: &'a str,
    /// Whether it was delivered before: then the run that holds the account under its id is one whose delivery was lost, and
    /// is taken over at once. Any other message with that id is a duplicate of a job that runs, and waits.
    pub redelivered: bool,
    /// The worker that will run it.
    pub worker: &'a str,
    /// When the job was enqueued, by PostgreSQL's clock; without it the job is never superseded.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When somebody replayed the job from the dead letters, by PostgreSQL's clock. What ended it before, and the crashes
    /// of before, do not count then. Nor does a later failure: the worker that wrote the letter may have told it late.
    pub replayed_at: Option<DateTime<Utc>>,
    /// Whether the job asks for a rebuild.
    pub force: bool,
    /// Whether the job asks for a look at the brokerage's book.
    pub check_external: bool,
    /// Runs of one job that may end with the death of their worker.
    pub crash_limit: u32,
    /// How long the lease lasts without a renewal.
    pub hold: Duration,
}

/// One run's right to write an account, until it expires or another run takes a higher fence.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The account.
    pub account: Account,
    /// The job that runs.
    pub job_id: String,
    /// Grows with each lease of the account; the `sequence` of its notifications.
    pub fence: i64,
    /// When this run began.
    pub started_at: DateTime<Utc>,
    /// When positions and holdings were last generated.
    pub last_generation_at: Option<DateTime<Utc>>,
    /// Runs of this job that ended with the death of their worker.
    pub crashes: u32,
    /// When it was taken, by the clock of this process.
    pub taken: Instant,
    /// What the last generation left behind, where it was seen with the taking.
    pub state: Option<Box<LedgerState>>,
}

/// What became of a request for a lease.
#[derive(Debug)]
pub enum LeaseAnswer {
    /// The account is ours.
    Taken(Lease),
    /// Another live run holds it until then.
    Held {
        /// When its lease runs out if it is not renewed.
        until: DateTime<Utc>,
    },
    /// The worker that ran this job last is gone without a word. The account is free, and the job is to come back later.
    Crashed {
        /// How often that has happened to this job.
        crashes: u32,
    },
    /// This job has an outcome already.
    Done,
    /// A run that started after the job was enqueued did at least as much.
    Superseded {
        /// The job of that run.
        by: String,
    },
}

impl Storage {
    /// Takes the account for one run, unless the job is done, superseded, or another live run holds it.
    pub async fn lease_account(&self, request: &LeaseRequest<'_>) -> Result<LeaseAnswer, StorageError> {
        if !request.redelivered && request.replayed_at.is_none() {
            match self.free_accounts.ask(Asking::of(request)).await {
                Some(Ok(Some(lease))) => return Ok(LeaseAnswer::Taken(lease)),
                Some(Err(error)) if !error.is_of_the_statement() => return Err(error),
                // For itself then. What that statement cannot look at keeps no account from being leased: the step that needs it
                // fails, for itself.
                None | Some(Ok(None) | Err(_)) => {}
            }
        }
        let account = request.account;
        let mut transaction = self.begin().await?;
        // A statement does not see what was written elsewhere while it waited for a row: the next one does.
        if !lock_state(&mut transaction, account).await? {
            sqlx::query!(
                "INSERT INTO tradingdb.account_sync_state (organization_id, pseudo_account) VALUES ($1, $2)
                 ON CONFLICT DO NOTHING",
                account.organization_id,
                account.pseudo_account
            )
            .execute(&mut *transaction)
            .await?;
            lock_state(&mut transaction, account).await?;
        }
        let state = sqlx::query!(
            r#"SELECT lease_job, lease_worker, lease_started_at, fence, lease_expires_at,
                      coalesce(lease_expires_at > now(), false) AS "live!",
                      (SELECT count(*) FROM tradingdb.job_crashes
                       WHERE job_id = $3 AND organization_id = $1 AND pseudo_account = $2
                         AND ($4::timestamptz IS NULL OR at > $4)) AS "crashes!",
                      last_sync_id, last_started_at, last_status, last_forced, last_checked_external,
                      EXISTS (SELECT FROM tradingdb.sync_outcomes
                              WHERE sync_id = $3 AND organization_id = $1 AND pseudo_account = $2
                                AND ($4::timestamptz IS NULL OR finished_at > $4 AND status <> 'failed')) AS "done!"
               FROM tradingdb.account_sync_state
               WHERE organization_id = $1 AND pseudo_account = $2"#,
            account.organization_id,
            account.pseudo_account,
            request.job_id,
            request.replayed_at
        )
        .fetch_one(&mut *transaction)
        .await?;
        if state.done {
            return Ok(LeaseAnswer::Done);
        }
        let covers = state.last_status.as_deref() == Some("success")
            && (state.last_forced || !request.force)
            && (state.last_checked_external || !request.check_external);
        if let (Some(enqueued), Some(started), Some(by)) =
            (request.enqueued_at, state.last_started_at, state.last_sync_id)
            && started > enqueued
            && covers
        {
            return Ok(LeaseAnswer::Superseded { by });
        }
        if let Some(until) = state.lease_expires_at
            && state.live
            && !(request.redelivered && state.lease_job.as_deref() == Some(request.job_id))
        {
            return Ok(LeaseAnswer::Held { until });
        }
        let crashes = u32::try_from(state.crashes).unwrap_or(u32::MAX);
        // A mark that another worker left open. Its own worker's is of a session that was lost, and no crash, unless it is of
        // one that died under the same name: a container that is started again has its host name and process id.
        let is_of_before = (state.lease_started_at.zip(self.born.get().copied()))
            .is_some_and(|(started, born)| started < born);
        let is_its_own = state.lease_worker.as_deref() == Some(request.worker) && !is_of_before;
        if let Some(open) = state.lease_job.filter(|_| !is_its_own) {
            charge_crash(&mut transaction, account, &open, state.fence, state.lease_worker.as_deref())
                .await?;
            if open == request.job_id {
                close_mark(&mut transaction, account, state.fence).await?;
                transaction.commit().await?;
                return Ok(LeaseAnswer::Crashed { crashes: crashes + 1 });
            }
        }
        if crashes > request.crash_limit {
            return Ok(LeaseAnswer::Crashed { crashes });
        }
        // Not `now()`, which is when the transaction began: the run before this one may have ended since.
        let taken = sqlx::query!(
            r#"UPDATE tradingdb.account_sync_state
               SET fence = fence + 1, lease_job = $3, lease_worker = $4, lease_started_at = clock_timestamp(),
                   lease_expires_at = clock_timestamp() + make_interval(secs => $5)
               WHERE organization_id = $1 AND pseudo_account = $2
               RETURNING fence, lease_started_at AS "started_at!", last_generation_at"#,
            account.organization_id,
            account.pseudo_account,
            request.job_id,
            request.worker,
            request.hold.as_secs_f64()
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(LeaseAnswer::Taken(Lease {
            account: account.clone(),
            job_id: request.job_id.to_owned(),
            fence: taken.fence,
            started_at: taken.started_at,
            last_generation_at: taken.last_generation_at,
            crashes,
            taken: Instant::now(),
            state: None,
        }))
    }

    /// Prolongs a lease to `hold` from now.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when another run has the account: the caller's run must end.
    pub async fn renew_lease(&self, lease: &Lease, hold: Duration) -> Result<(), StorageError> {
        let renewed = sqlx::query!(
            "UPDATE tradingdb.account_sync_state SET lease_expires_at = now() + make_interval(secs => $5)
             WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3 AND lease_job = $4",
            lease.account.organization_id,
            lease.account.pseudo_account,
            lease.fence,
            lease.job_id,
            hold.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        if renewed.rows_affected() == 0 { Err(StorageError::LeaseLost) } else { Ok(()) }
    }

    /// Gives the account back without an outcome: the attempt failed or was interrupted and comes again. If it was taken for
    /// dead meanwhile, that is taken back.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StorageError> {
        sqlx::query!(
            "UPDATE tradingdb.account_sync_state
             SET lease_job = NULL, lease_worker = NULL, lease_started_at = NULL, lease_expires_at = NULL
             WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3",
            lease.account.organization_id,
            lease.account.pseudo_account,
            lease.fence
        )
        .execute(&self.pool)
        .await?;
        // A statement of its own: who took the run for dead while the first one waited for the row has charged it by now.
        sqlx::query!(
            "DELETE FROM tradingdb.job_crashes
             WHERE job_id = $4 AND organization_id = $1 AND pseudo_account = $2 AND fence = $3",
            lease.account.organization_id,
            lease.account.pseudo_account,
            lease.fence,
            lease.job_id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A transaction in which the account is certainly ours: nobody can take the lease before it ends.
    pub(crate) async fn begin_fenced(&self, lease: &Lease) -> Result<Transaction, StorageError> {
        let mut transaction = self.begin().await?;
        let held = sqlx::query_scalar!(
            r#"SELECT true AS "held!" FROM tradingdb.account_sync_state
               WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3 AND lease_job = $4
               FOR UPDATE"#,
            lease.account.organization_id,
            lease.account.pseudo_account,
            lease.fence,
            lease.job_id
        )
        .fetch_optional(&mut *transaction)
        .await?;
        held.map(|_| transaction).ok_or(StorageError::LeaseLost)
    }
}

/// Waits until the account's row is ours to read and write; whether there is one.
async fn lock_state(transaction: &mut Transaction, account: &Account) -> Result<bool, StorageError> {
    let locked = sqlx::query_scalar!(
        r#"SELECT true AS "locked!" FROM tradingdb.account_sync_state
           WHERE organization_id = $1 AND pseudo_account = $2 FOR UPDATE"#,
        account.organization_id,
        account.pseudo_account
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(locked.is_some())
}

async fn charge_crash(
    transaction: &mut Transaction,
    account: &Account,
    job: &str,
    fence: i64,
    worker: Option<&str>,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO tradingdb.job_crashes (job_id, organization_id, pseudo_account, fence, worker)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        job,
        account.organization_id,
        account.pseudo_account,
        fence,
        worker
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The fence moves on, so that a run that was taken for dead and is not writes nothing more.
async fn close_mark(
    transaction: &mut Transaction,
    account: &Account,
    fence: i64,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE tradingdb.account_sync_state
         SET fence = fence + 1, lease_job = NULL, lease_worker = NULL, lease_started_at = NULL, lease_expires_at = NULL
         WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3",
        account.organization_id,
        account.pseudo_account,
        fence
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
