use chrono::{DateTime, Utc};
use ledger::Account;

use crate::{Storage, StorageError};

/// Where a job is that neither runs nor has ended.
#[derive(Debug, Clone)]
pub struct JobWait {
    /// The job.
    pub job_id: String,
    /// Its account.
    pub account: Account,
    /// The work queue it is in, or comes back to.
    pub queue: String,
    /// `queued`, `retry` or `parked`.
    pub state: String,
    /// A stable word for why, of a parked or queued one.
    pub reason: Option<String>,
    /// What failed, or what it waits for.
    pub error: Option<String>,
    /// Retries so far, the one it waits for included.
    pub retries: u32,
    /// Retries it may have.
    pub retries_max: Option<u32>,
    /// When it is due to run.
    pub due_at: Option<DateTime<Utc>>,
    /// Who noted it.
    pub worker: String,
    /// Seen on its way to when it is due: what was noted of it before says more, if it is due at the same time.
    pub is_on_its_way: bool,
}

impl Storage {
    /// When the oldest of the `ready` jobs in a queue was enqueued or replayed by an operator; of those enqueued by others nobody
    /// knows.
    ///
    /// Jobs leave a queue in their order, so more than the `ready` latest are not there, whatever was noted of them.
    pub async fn oldest_enqueued(
        &self,
        queue: &str,
        ready: u32,
    ) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT min(noted_at) FROM (
                 SELECT w.noted_at FROM tradingdb.waiting_jobs w
                 WHERE w.queue = $1 AND w.state = 'queued'
                   AND NOT EXISTS (SELECT FROM tradingdb.sync_outcomes o
                                   WHERE o.sync_id = w.job_id AND o.organization_id = w.organization_id
                                     AND o.pseudo_account = w.pseudo_account AND o.finished_at >= w.noted_at)
                   AND NOT EXISTS (SELECT FROM tradingdb.account_sync_state s
                                   WHERE s.organization_id = w.organization_id AND s.pseudo_account = w.pseudo_account
                                     AND s.lease_job = w.job_id)
                 ORDER BY w.noted_at DESC LIMIT $2
             ) latest",
            queue,
            i64::from(ready)
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes where jobs of one state, queue and reason wait, in place of what was noted of them before. For people who look:
    /// nothing depends on it.
    pub async fn note_waits(&self, waits: &[JobWait]) -> Result<(), StorageError> {
        // A row twice in one statement would be refused.
        let column =
            |get: fn(&JobWait) -> &str| waits.iter().map(|wait| get(wait).to_owned()).collect::<Vec<_>>();
        let optional = |get: fn(&JobWait) -> Option<&String>| {
            waits.iter().map(|wait| get(wait).cloned()).collect::<Vec<Option<String>>>()
        };
        let retries: Vec<i32> =
            waits.iter().map(|wait| i32::try_from(wait.retries).unwrap_or(i32::MAX)).collect();
        let most: Vec<Option<i32>> =
            waits.iter().map(|wait| wait.retries_max.map(|n| i32::try_from(n).unwrap_or(i32::MAX))).collect();
        let due: Vec<Option<DateTime<Utc>>> = waits.iter().map(|wait| wait.due_at).collect();
        let is_on_its_way = waits.iter().any(|wait| wait.is_on_its_way);
        sqlx::query!(
            "INSERT INTO tradingdb.waiting_jobs AS w
                 (job_id, organization_id, pseudo_account, queue, state, reason, error, retries, retries_max, due_at, worker)
             SELECT DISTINCT ON (1, 2, 3) * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                 $6::text[], $7::text[], $8::int[], $9::int[], $10::timestamptz[], $11::text[])
             ON CONFLICT (job_id, organization_id, pseudo_account) DO UPDATE
                 SET queue = excluded.queue, state = excluded.state, reason = excluded.reason, error = excluded.error,
                     retries = excluded.retries, retries_max = excluded.retries_max, due_at = excluded.due_at,
                     worker = excluded.worker, noted_at = now()
                 WHERE NOT $12 OR w.due_at IS NULL OR abs(extract(epoch FROM w.due_at - excluded.due_at)) > 0.001",
            &column(|wait| &wait.job_id),
            &column(|wait| &wait.account.organization_id),
            &column(|wait| &wait.account.pseudo_account),
            &column(|wait| &wait.queue),
            &column(|wait| &wait.state),
            &optional(|wait| wait.reason.as_ref()) as &[Option<String>],
            &optional(|wait| wait.error.as_ref()) as &[Option<String>],
            &retries,
            &most as &[Option<i32>],
            &due as &[Option<DateTime<Utc>>],
            &column(|wait| &wait.worker),
            is_on_its_way,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes back notes of jobs that were not enqueued after all. What a worker has noted of them since stays.
    pub async fn forget_enqueued(&self, waits: &[JobWait]) -> Result<(), StorageError> {
        let column =
            |get: fn(&JobWait) -> &str| waits.iter().map(|wait| get(wait).to_owned()).collect::<Vec<_>>();
        sqlx::query!(
            "DELETE FROM tradingdb.waiting_jobs
             WHERE state = 'queued' AND (job_id, organization_id, pseudo_account) IN (
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))",
            &column(|wait| &wait.job_id),
            &column(|wait| &wait.account.organization_id),
            &column(|wait| &wait.account.pseudo_account),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
