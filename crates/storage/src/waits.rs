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
}

impl Storage {
    /// When the oldest job was enqueued or replayed by an operator that has not begun or ended since; of those enqueued by
    /// others nobody knows.
    pub async fn oldest_enqueued(&self, queue: &str) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT min(w.noted_at) FROM tradingdb.waiting_jobs w
             WHERE w.queue = $1 AND w.state = 'queued'
               AND NOT EXISTS (SELECT FROM tradingdb.sync_outcomes o
                               WHERE o.sync_id = w.job_id AND o.organization_id = w.organization_id
                                 AND o.pseudo_account = w.pseudo_account AND o.finished_at >= w.noted_at)
               AND NOT EXISTS (SELECT FROM tradingdb.account_sync_state s
                               WHERE s.organization_id = w.organization_id AND s.pseudo_account = w.pseudo_account
                                 AND s.lease_job = w.job_id)",
            queue
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
        sqlx::query!(
            "INSERT INTO tradingdb.waiting_jobs AS w
                 (job_id, organization_id, pseudo_account, queue, state, reason, error, retries, retries_max, due_at, worker)
             SELECT DISTINCT ON (1, 2, 3) * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                 $6::text[], $7::text[], $8::int[], $9::int[], $10::timestamptz[], $11::text[])
             ON CONFLICT (job_id, organization_id, pseudo_account) DO UPDATE
                 SET queue = excluded.queue, state = excluded.state, reason = excluded.reason, error = excluded.error,
                     retries = excluded.retries, retries_max = excluded.retries_max, due_at = excluded.due_at,
                     worker = excluded.worker, noted_at = now()",
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
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
