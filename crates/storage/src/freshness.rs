//! What the fleet as a whole has done lately, for metrics. Each question costs the same however long the past is.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Storage, StorageError};

/// Runs that the recent ones are told from: enough for a percentile, few enough to read often.
const RECENT_RUNS: i64 = 2000;

impl Storage {
    /// Seconds within which 95 of 100 recent runs ended, retries not counted: of the last 2000 jobs that ended within a day,
    /// those that ran. `None` when there was none.
    pub async fn recent_run_seconds(&self) -> Result<Option<f64>, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)::double precision)
               FROM (
                   SELECT started_at, finished_at, superseded_by FROM tradingdb.sync_outcomes
                   WHERE finished_at > now() - interval '1 day' ORDER BY finished_at DESC LIMIT $1
               ) ended
               WHERE started_at IS NOT NULL AND superseded_by IS NULL"#,
            RECENT_RUNS
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// The latest tick of the schedule that is published whole, and when it was due.
    pub async fn last_published_tick(&self, schedule: &str) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT tick_at FROM tradingdb.ticks WHERE schedule = $1 AND published_at IS NOT NULL
             ORDER BY tick_at DESC LIMIT 1",
            schedule
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The published ticks of the schedule that were due within `window` from now, oldest first, at most 100.
    pub async fn published_ticks(
        &self,
        schedule: &str,
        window: Duration,
    ) -> Result<Vec<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT tick_at FROM tradingdb.ticks
             WHERE schedule = $1 AND tick_at > now() - make_interval(secs => $2) AND published_at IS NOT NULL
             ORDER BY tick_at LIMIT 100",
            schedule,
            window.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Those of these jobs that have ended, however they did.
    pub async fn ended_jobs(&self, ids: &[String]) -> Result<HashSet<String>, StorageError> {
        let ended =
            sqlx::query_scalar!("SELECT sync_id FROM tradingdb.sync_outcomes WHERE sync_id = ANY($1)", ids)
                .fetch_all(&self.pool)
                .await?;
        Ok(ended.into_iter().collect())
    }
}
