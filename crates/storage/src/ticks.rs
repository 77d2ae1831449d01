use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Storage, StorageError};

impl Storage {
    /// Claims a tick for `owner` until `hold` from now, and says whether it is ours.
    ///
    /// One beat of any number wins. A tick that was claimed but not published when its claim ran out (its beat
    /// died) is won by the next who asks.
    pub async fn claim_tick(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        owner: &str,
        hold: Duration,
    ) -> Result<bool, StorageError> {
        let claimed = sqlx::query_scalar!(
            r#"INSERT INTO tradingdb.ticks AS t (schedule, tick_at, claimed_by, claimed_until)
               VALUES ($1, $2, $3, now() + make_interval(secs => $4))
               ON CONFLICT (schedule, tick_at) DO UPDATE
                   SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
                   WHERE t.published_at IS NULL AND t.claimed_until < now()
               RETURNING true AS "claimed!""#,
            schedule,
            tick_at,
            owner,
            hold.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(claimed.is_some())
    }

    /// Holds a claimed tick for longer; `false` when another beat took it over.
    pub async fn renew_tick(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        owner: &str,
        hold: Duration,
    ) -> Result<bool, StorageError> {
        let renewed = sqlx::query!(
            "UPDATE tradingdb.ticks SET claimed_until = now() + make_interval(secs => $4)
             WHERE schedule = $1 AND tick_at = $2 AND claimed_by = $3 AND published_at IS NULL",
            schedule,
            tick_at,
            owner,
            hold.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Gives a claimed tick back unpublished, so that any beat can take it at once.
    pub async fn release_tick(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        owner: &str,
    ) -> Result<(), StorageError> {
        sqlx::query!(
            "UPDATE tradingdb.ticks SET claimed_until = now() - interval '1 second'
             WHERE schedule = $1 AND tick_at = $2 AND claimed_by = $3 AND published_at IS NULL",
            schedule,
            tick_at,
            owner
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Marks a tick as published with its number of accounts; from now on nobody publishes it again.
    pub async fn finish_tick(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        accounts: usize,
    ) -> Result<(), StorageError> {
        sqlx::query!(
            "UPDATE tradingdb.ticks SET published_at = now(), accounts = $3
             WHERE schedule = $1 AND tick_at = $2 AND published_at IS NULL",
            schedule,
            tick_at,
            i32::try_from(accounts).unwrap_or(i32::MAX)
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The latest tick of the schedule that anybody claimed, published or not.
    pub async fn latest_tick(&self, schedule: &str) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!("SELECT max(tick_at) FROM tradingdb.ticks WHERE schedule = $1", schedule)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Ticks that were claimed and not published, and whose claim has run out; oldest first, at most 100.
    pub async fn orphaned_ticks(&self, schedule: &str) -> Result<Vec<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT tick_at FROM tradingdb.ticks
             WHERE schedule = $1 AND published_at IS NULL AND claimed_until < now()
             ORDER BY tick_at LIMIT 100",
            schedule
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes ticks, outcomes, crashes and changes that nobody took in, where older than `days`, at most 10,000 (of changes
    /// 100,000) at once, and says how many went.
    pub async fn delete_expired_records(&self, days: u32) -> Result<u64, StorageError> {
        let days = f64::from(days);
        let ticks = sqlx::query!(
            "DELETE FROM tradingdb.ticks WHERE (schedule, tick_at) IN (
                 SELECT schedule, tick_at FROM tradingdb.ticks
                 WHERE tick_at < now() - make_interval(secs => $1::double precision * 86400) LIMIT 10000)",
            days
        )
        .execute(&self.pool)
        .await?;
        let outcomes = sqlx::query!(
            "DELETE FROM tradingdb.sync_outcomes WHERE (sync_id, organization_id, pseudo_account) IN (
                 SELECT sync_id, organization_id, pseudo_account FROM tradingdb.sync_outcomes
                 WHERE finished_at < now() - make_interval(secs => $1::double precision * 86400) LIMIT 10000)",
            days
        )
        .execute(&self.pool)
        .await?;
        let crashes = sqlx::query!(
            "DELETE FROM tradingdb.job_crashes WHERE (job_id, organization_id, pseudo_account, fence) IN (
                 SELECT job_id, organization_id, pseudo_account, fence FROM tradingdb.job_crashes
                 WHERE at < now() - make_interval(secs => $1::double precision * 86400) LIMIT 10000)",
            days
        )
        .execute(&self.pool)
        .await?;
        let changes = self.forget_changes(days).await?;
        Ok(ticks.rows_affected() + outcomes.rows_affected() + crashes.rows_affected() + changes)
    }
}
