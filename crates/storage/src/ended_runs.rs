use std::sync::Arc;

use coalesce::Coalescer;
use serde_json::Value;
use sqlx::PgExecutor;

use crate::bounded::Pool;
use crate::{CachedRows, EndedJob, Lease, StorageError};

/// Ends of runs: one statement for all that end at the same time. Answers whether it was written.
pub(crate) type EndedRuns = Coalescer<Arc<EndedRun>, Result<bool, StorageError>>;

/// What `finish_runs.sql` writes of a run.
pub(crate) struct EndedRun {
    organization_id: String,
    pseudo_account: String,
    fence: i64,
    job_id: String,
    status: String,
    reason: Option<String>,
    worker: String,
    retries: i32,
    report: Option<String>,
    forced: bool,
    checked_external: bool,
    cached: Option<CachedRows>,
}

impl EndedRun {
    pub(crate) fn of(
        lease: &Lease,
        ended: &EndedJob<'_>,
        forced: bool,
        checked_external: bool,
        cached: Option<&CachedRows>,
    ) -> Self {
        Self {
            organization_id: lease.account.organization_id.clone(),
            pseudo_account: lease.account.pseudo_account.clone(),
            fence: lease.fence,
            job_id: lease.job_id.clone(),
            status: ended.status.to_owned(),
            reason: ended.reason.map(str::to_owned),
            worker: ended.worker.to_owned(),
            retries: i32::try_from(ended.retries).unwrap_or(i32::MAX),
            report: ended.report.map(Value::to_string),
            forced,
            checked_external,
            cached: cached.cloned(),
        }
    }
}

/// Writes them on connections of `pool`.
pub(crate) fn ended_runs(pool: Pool) -> EndedRuns {
    Coalescer::fallible(move |runs: Vec<Arc<EndedRun>>| {
        let pool = pool.clone();
        async move { finish(&pool, &runs).await }
    })
}

/// Whether each was written: not where the account is another run's, or its row is held by another transaction.
pub(crate) async fn finish(
    executor: impl PgExecutor<'_>,
    runs: &[Arc<EndedRun>],
) -> Result<Vec<bool>, StorageError> {
    let texts = |text: fn(&EndedRun) -> &String| runs.iter().map(|run| text(run).clone()).collect::<Vec<_>>();
    let options = |text: fn(&EndedRun) -> Option<&String>| {
        runs.iter().map(|run| text(run).cloned()).collect::<Vec<Option<String>>>()
    };
    let (mut of, mut changes) = (Vec::new(), Vec::new());
    for (run, number) in runs.iter().zip(1_i64..) {
        for change in run.cached.iter().flat_map(|cached| &cached.changes) {
            of.push(number);
            changes.push(*change);
        }
    }
    let written = sqlx::query_file_scalar!(
        "src/finish_runs.sql",
        &texts(|run| &run.organization_id),
        &texts(|run| &run.pseudo_account),
        &runs.iter().map(|run| run.fence).collect::<Vec<_>>(),
        &texts(|run| &run.job_id),
        &texts(|run| &run.status),
        &options(|run| run.reason.as_ref()) as &[Option<String>],
        &texts(|run| &run.worker),
        &runs.iter().map(|run| run.retries).collect::<Vec<_>>(),
        &options(|run| run.report.as_ref()) as &[Option<String>],
        &runs.iter().map(|run| run.forced).collect::<Vec<_>>(),
        &runs.iter().map(|run| run.checked_external).collect::<Vec<_>>(),
        &options(|run| run.cached.as_ref().map(|cached| &cached.versions)) as &[Option<String>],
        &of,
        &changes
    )
    .fetch_all(executor)
    .await?;
    Ok((1..).take(runs.len()).map(|number: i64| written.contains(&number)).collect())
}
