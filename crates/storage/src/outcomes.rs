use std::sync::Arc;

use chrono::{DateTime, Utc};
use ledger::Account;
use serde_json::Value;

use crate::ended_runs::{self, EndedRun};
use crate::{Lease, Storage, StorageError};

/// How a job ended, as it goes into `sync_outcomes`.
#[derive(Debug)]
pub struct EndedJob<'a> {
    /// The job's id.
    pub sync_id: &'a str,
    /// Its account.
    pub account: &'a Account,
    /// `success`, `partial_success`, `failed` or `expired`.
    pub status: &'a str,
    /// Why, where the report does not say it (`expired`, `retries_exhausted`, …).
    pub reason: Option<&'a str>,
    /// The worker that ended it.
    pub worker: &'a str,
    /// How often it had been retried.
    pub retries: u32,
    /// What the sync returned.
    pub report: Option<&'a Value>,
}

/// What a run has put into Redis, for the next one to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRows {
    /// The versions of the rows beside orders.
    pub versions: String,
    /// The changes of orders that are in it.
    pub changes: Vec<i64>,
}

/// How a job ended, as it is read back.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The job's id.
    pub sync_id: String,
    /// Its account.
    pub account: Account,
    /// `success`, `partial_success`, `failed` or `expired`.
    pub status: String,
    /// Why, where the report does not say it.
    pub reason: Option<String>,
    /// What the sync returned.
    pub report: Option<Value>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

impl Storage {
    /// Writes the outcome of a run, releases its lease, forgets what was noted of its waits, and marks the external orders
    /// it announced: all or nothing, the last of a run. It remembers what the run has put into Redis (`None`: not all of the account). An earlier `failed` or `expired` outcome of the same job, which was replayed, gives way to it; any
    /// other stands.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn finish_run(
        &self,
        lease: &Lease,
        ended: &EndedJob<'_>,
        forced: bool,
        checked_external: bool,
        announced: &[i32],
        cached: Option<&CachedRows>,
    ) -> Result<(), StorageError> {
        let run = Arc::new(EndedRun::of(lease, ended, forced, checked_external, cached));
        if announced.is_empty() {
            match self.ended_runs.ask(Arc::clone(&run)).await {
                Some(Ok(true)) => return Ok(()),
                Some(Err(error)) if !error.is_of_the_statement() => return Err(error),
                // For itself then, as long as that takes.
                None | Some(Ok(false) | Err(_)) => {}
            }
        }
        let mut transaction = self.begin_fenced(lease).await?;
        if ended_runs::finish(&mut *transaction, &[run]).await? != [true] {
            return Err(StorageError::LeaseLost);
        }
        // To update none of them opens their indexes all the same.
        if !announced.is_empty() {
            sqlx::query!("UPDATE tradingdb.orders SET announced_at = now() WHERE id = ANY($1)", announced)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Writes the outcome of a job that ends without a run of its own: expired, or given up on.
    ///
    /// The first outcome of a job stands, except that `failed` takes the place of `failed` or `expired`: the job may have been
    /// replayed since. A `failed` one shows as the account's last status.
    pub async fn record_end(&self, ended: &EndedJob<'_>) -> Result<(), StorageError> {
        sqlx::query!(
            "WITH written AS (
                 INSERT INTO tradingdb.sync_outcomes AS o
                     (sync_id, organization_id, pseudo_account, status, reason, worker, retries, report)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (sync_id, organization_id, pseudo_account) DO UPDATE
                     SET status = excluded.status, reason = excluded.reason, worker = excluded.worker,
                         retries = excluded.retries, started_at = NULL, finished_at = excluded.finished_at,
                         report = excluded.report
                     WHERE o.status IN ('failed', 'expired') AND excluded.status = 'failed'
                 RETURNING sync_id
             ),
             forgotten AS (
                 DELETE FROM tradingdb.waiting_jobs
                 WHERE job_id = $1 AND organization_id = $2 AND pseudo_account = $3
             )
             INSERT INTO tradingdb.account_sync_state AS s
                 (organization_id, pseudo_account, last_sync_id, last_status, last_sync_at)
             SELECT $2, $3, $1, $4, now() FROM written WHERE $4 = 'failed'
             ON CONFLICT (organization_id, pseudo_account) DO UPDATE
                 SET last_sync_id = excluded.last_sync_id, last_status = excluded.last_status,
                     last_sync_at = excluded.last_sync_at,
                     last_success_at = greatest(
                         s.last_success_at,
                         CASE WHEN s.last_status IN ('success', 'partial_success') THEN s.last_sync_at END)",
            ended.sync_id,
            ended.account.organization_id,
            ended.account.pseudo_account,
            ended.status,
            ended.reason,
            ended.worker,
            i32::try_from(ended.retries).unwrap_or(i32::MAX),
            ended.report
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives a superseded job the outcome of the run that superseded it, and returns that run's report.
    pub async fn record_superseded(
        &self,
        sync_id: &str,
        account: &Account,
        by: &str,
        worker: &str,
    ) -> Result<Option<Value>, StorageError> {
        let report = sqlx::query_scalar!(
            "WITH superseding AS (
                 SELECT * FROM tradingdb.sync_outcomes
                 WHERE sync_id = $2 AND organization_id = $4 AND pseudo_account = $5
             ),
             written AS (
                 INSERT INTO tradingdb.sync_outcomes AS o
                     (sync_id, organization_id, pseudo_account, status, reason, superseded_by, worker, retries,
                      started_at, report)
                 SELECT $1, organization_id, pseudo_account, status, 'superseded', $2, $3, 0, started_at, report
                 FROM superseding
                 ON CONFLICT (sync_id, organization_id, pseudo_account) DO UPDATE
                     SET status = excluded.status, reason = excluded.reason, superseded_by = excluded.superseded_by,
                         worker = excluded.worker, retries = excluded.retries, started_at = excluded.started_at,
                         finished_at = excluded.finished_at, report = excluded.report
                     WHERE o.status IN ('failed', 'expired')
             ),
             forgotten AS (
                 DELETE FROM tradingdb.waiting_jobs
                 WHERE job_id = $1 AND organization_id = $4 AND pseudo_account = $5
             )
             SELECT report FROM superseding",
            sync_id,
            by,
            worker,
            account.organization_id,
            account.pseudo_account
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(report.flatten())
    }

    /// The outcome of one account's job, if it has ended.
    pub async fn outcome(&self, sync_id: &str, account: &Account) -> Result<Option<Outcome>, StorageError> {
        let outcomes = self.outcomes(&[sync_id.to_owned()]).await?;
        Ok(outcomes.into_iter().find(|outcome| outcome.account == *account))
    }

    /// The outcomes of those of `sync_ids` that have ended.
    pub async fn outcomes(&self, sync_ids: &[String]) -> Result<Vec<Outcome>, StorageError> {
        let rows = sqlx::query!(
            "SELECT sync_id, organization_id, pseudo_account, status, reason, report, finished_at
             FROM tradingdb.sync_outcomes WHERE sync_id = ANY($1) ORDER BY finished_at, sync_id",
            sync_ids
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Outcome {
                sync_id: row.sync_id,
                account: Account::new(row.organization_id, row.pseudo_account),
                status: row.status,
                reason: row.reason,
                report: row.report,
                finished_at: row.finished_at,
            })
            .collect())
    }
}
