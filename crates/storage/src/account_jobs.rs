use chrono::{DateTime, Utc};
use ledger::Account;
use serde_json::Value;

use crate::waits::JobWait;
use crate::{Storage, StorageError};

/// Waits and outcomes that are looked at; there are hardly ever more than one wait.
const ROWS_MAX: i64 = 20;

/// What PostgreSQL knows of an account's jobs, at one instant.
#[derive(Debug, Clone)]
pub struct AccountJobs {
    /// That instant, by PostgreSQL's clock.
    pub now: DateTime<Utc>,
    /// Whether ticks publish jobs for it: it has orders or a brokerage.
    pub is_known: bool,
    /// When the first job of a tick was due for it, or when it was last given jobs again after a pause.
    pub due_since: Option<DateTime<Utc>>,
    /// The latest ticks, the last one first, published or not; at most two.
    pub ticks: Vec<TickView>,
    /// The run that holds the account.
    pub run: Option<RunView>,
    /// Jobs that were noted as waiting and have not ended since, the last noted first.
    pub waits: Vec<NotedWait>,
    /// How its last jobs ended, the last one first.
    pub outcomes: Vec<OutcomeView>,
}

/// A tick.
#[derive(Debug, Clone)]
pub struct TickView {
    /// When it was due.
    pub at: DateTime<Utc>,
    /// The beat that has it or had it.
    pub beat: String,
    /// When the last of its jobs was confirmed.
    pub published_at: Option<DateTime<Utc>>,
    /// Until when its beat holds it while it is not published.
    pub claimed_until: DateTime<Utc>,
    /// Seconds to the next one; `None`: published by a beat that did not say.
    pub interval_seconds: Option<f64>,
    /// Its jobs are spread over so many seconds.
    pub spread_seconds: Option<f64>,
}

/// A run that holds an account.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its job.
    pub job_id: String,
    /// Its worker.
    pub worker: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// Until when it holds the account if it does not say more.
    pub expires_at: DateTime<Utc>,
}

/// A wait, and when it was noted.
#[derive(Debug, Clone)]
pub struct NotedWait {
    /// The wait.
    pub wait: JobWait,
    /// When.
    pub noted_at: DateTime<Utc>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct OutcomeView {
    /// The job.
    pub sync_id: String,
    /// `success`, `partial_success`, `failed`, `expired` or `revoked`.
    pub status: String,
    /// Why, where the errors do not say it.
    pub reason: Option<String>,
    /// The job whose run did the work of this one.
    pub superseded_by: Option<String>,
    /// The worker that ended it.
    pub worker: String,
    /// Retries it took.
    pub retries: u32,
    /// When its last run began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What the sync returned.
    pub report: Option<Value>,
}

impl Storage {
    /// Everything PostgreSQL knows of where an account's jobs are.
    pub async fn account_jobs(&self, schedule: &str, account: &Account) -> Result<AccountJobs, StorageError> {
        let (organization, name) = (&account.organization_id, &account.pseudo_account);
        let organizations = self.organization_keys(account);
        let mut transaction = self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let state = sqlx::query!(
            r#"SELECT now() AS "now!",
                      EXISTS (SELECT FROM tradingdb.orders
                              WHERE pseudo_account = $2 AND coalesce(organization_id, '') = ANY($3::text[]))
                      OR EXISTS (SELECT FROM tradingdb.brokerage_accounts
                                 WHERE organization_id = $1 AND pseudo_account = $2) AS "known!",
                      s.lease_job AS "lease_job?", s.lease_worker AS "lease_worker?",
                      s.lease_started_at AS "lease_started_at?", s.lease_expires_at AS "lease_expires_at?",
                      s.due_since AS "due_since?"
               FROM (SELECT) one
               LEFT JOIN tradingdb.account_sync_state s ON s.organization_id = $1 AND s.pseudo_account = $2"#,
            organization,
            name,
            &organizations
        )
        .fetch_one(&mut *transaction)
        .await?;
        let ticks = sqlx::query_as!(
            TickView,
            r#"SELECT tick_at AS at, claimed_by AS beat, published_at, claimed_until,
                      interval_seconds::double precision, spread_seconds::double precision
               FROM tradingdb.ticks WHERE schedule = $1 AND tick_at <= now() ORDER BY tick_at DESC LIMIT 2"#,
            schedule
        )
        .fetch_all(&mut *transaction)
        .await?;
        let waits = sqlx::query!(
            "SELECT w.job_id, w.queue, w.state, w.reason, w.error, w.retries, w.retries_max, w.due_at, w.worker, w.noted_at
             FROM tradingdb.waiting_jobs w
             WHERE w.pseudo_account = $2 AND w.organization_id = $1
               AND NOT EXISTS (SELECT FROM tradingdb.sync_outcomes o
                               WHERE o.sync_id = w.job_id AND o.organization_id = $1 AND o.pseudo_account = $2
                                 AND o.finished_at >= w.noted_at)
             ORDER BY w.noted_at DESC LIMIT $3",
            organization,
            name,
            ROWS_MAX
        )
        .fetch_all(&mut *transaction)
        .await?;
        let outcomes = sqlx::query!(
            "SELECT sync_id, status, reason, superseded_by, worker, retries, started_at, finished_at, report
             FROM tradingdb.sync_outcomes WHERE pseudo_account = $2 AND organization_id = $1
             ORDER BY finished_at DESC LIMIT $3",
            organization,
            name,
            ROWS_MAX
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(AccountJobs {
            now: state.now,
            is_known: state.known,
            due_since: state.due_since,
            ticks,
            run: (state.lease_job.zip(state.lease_expires_at)).map(|(job_id, expires_at)| RunView {
                job_id,
                worker: state.lease_worker,
                started_at: state.lease_started_at,
                expires_at,
            }),
            waits: (waits.into_iter())
                .map(|row| NotedWait {
                    noted_at: row.noted_at,
                    wait: JobWait {
                        job_id: row.job_id,
                        account: account.clone(),
                        queue: row.queue,
                        state: row.state,
                        reason: row.reason,
                        error: row.error,
                        retries: u32::try_from(row.retries).unwrap_or_default(),
                        retries_max: row.retries_max.and_then(|most| u32::try_from(most).ok()),
                        due_at: row.due_at,
                        worker: row.worker,
                        is_on_its_way: false,
                    },
                })
                .collect(),
            outcomes: (outcomes.into_iter())
                .map(|row| OutcomeView {
                    sync_id: row.sync_id,
                    status: row.status,
                    reason: row.reason,
                    superseded_by: row.superseded_by,
                    worker: row.worker,
                    retries: u32::try_from(row.retries).unwrap_or_default(),
                    started_at: row.started_at,
                    finished_at: row.finished_at,
                    report: row.report,
                })
                .collect(),
        })
    }
}
