use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Storage, StorageError};

/// A tick that was just published whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedTick {
    /// From the instant it was due to its last job's confirm.
    pub lateness: Duration,
    /// The tick before it that somebody published, publishes, or will make good; between the two nobody will.
    pub before: Option<DateTime<Utc>>,
}

impl Storage {
    /// Claims a tick for `owner` until `hold` from now, and says whether it is ours.
    ///
    /// One beat of any number wins. A tick that was claimed but not published when its claim ran out (its beat
    /// died) is won by the next who asks. A claim that lasts longer than any is made for was made before the clock was
    /// put back, and has run out as well.
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
                   WHERE t.published_at IS NULL
                     AND t.claimed_until NOT BETWEEN now() AND now() + 2 * make_interval(secs => $4)
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

    /// Notes what a claimed tick's jobs are worth and over how long they are spread, for whoever looks at it later.
    pub async fn note_tick_pace(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        owner: &str,
        interval: Duration,
        spread: Duration,
    ) -> Result<(), StorageError> {
        sqlx::query!(
            "UPDATE tradingdb.ticks SET interval_seconds = $4::double precision, spread_seconds = $5::double precision
             WHERE schedule = $1 AND tick_at = $2 AND claimed_by = $3",
            schedule,
            tick_at,
            owner,
            interval.as_secs_f64(),
            spread.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
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

    /// Marks a tick of `owner` as published with its number of accounts; from now on nobody publishes it again. `None`
    /// when another beat has taken it over: then it is that one's to finish.
    ///
    /// Unpublished ticks up to `given_up` that nobody holds are missed.
    pub async fn finish_tick(
        &self,
        schedule: &str,
        tick_at: DateTime<Utc>,
        owner: &str,
        accounts: usize,
        given_up: DateTime<Utc>,
    ) -> Result<Option<PublishedTick>, StorageError> {
        let published = sqlx::query!(
            r#"UPDATE tradingdb.ticks AS t SET published_at = now(), accounts = $4
               WHERE schedule = $1 AND tick_at = $2 AND claimed_by = $3 AND published_at IS NULL
               RETURNING greatest(extract(epoch FROM now() - tick_at), 0)::double precision AS "lateness!",
                   (SELECT b.tick_at FROM tradingdb.ticks b
                    WHERE b.schedule = $1 AND b.tick_at < $2
                      AND (b.published_at IS NOT NULL OR b.claimed_until >= now() OR b.tick_at > $5)
                    ORDER BY b.tick_at DESC LIMIT 1) AS before"#,
            schedule,
            tick_at,
            owner,
            i32::try_from(accounts).unwrap_or(i32::MAX),
            given_up
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(published.map(|row| PublishedTick {
            lateness: Duration::try_from_secs_f64(row.lateness).unwrap_or_default(),
            before: row.before,
        }))
    }

    /// The latest tick of the schedule that anybody claimed, published or not. Ticks still to come were claimed while the
    /// clock was ahead: they do not count until it gets there.
    pub async fn latest_tick(&self, schedule: &str) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT max(tick_at) FROM tradingdb.ticks WHERE schedule = $1 AND tick_at <= now()",
            schedule
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// What the latest published tick says of its pace: the interval and the spread, in seconds.
    pub async fn tick_pace(&self, schedule: &str) -> Result<Option<(f64, f64)>, StorageError> {
        let pace = sqlx::query!(
            "SELECT interval_seconds::double precision, spread_seconds::double precision FROM tradingdb.ticks
             WHERE schedule = $1 AND tick_at <= now() AND published_at IS NOT NULL ORDER BY tick_at DESC LIMIT 1",
            schedule
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(pace.and_then(|row| row.interval_seconds.zip(row.spread_seconds)))
    }

    /// The ticks from one to another, both included, that anybody claimed, published or not.
    pub async fn claimed_ticks(
        &self,
        schedule: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<BTreeSet<DateTime<Utc>>, StorageError> {
        let ticks = sqlx::query_scalar!(
            "SELECT tick_at FROM tradingdb.ticks WHERE schedule = $1 AND tick_at BETWEEN $2 AND $3",
            schedule,
            from,
            to
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ticks.into_iter().collect())
    }

    /// Ticks after `given_up` that were claimed and not published, and whose claim (made for `hold`) has run out; oldest
    /// first, at most 100.
    pub async fn orphaned_ticks(
        &self,
        schedule: &str,
        given_up: DateTime<Utc>,
        hold: Duration,
    ) -> Result<Vec<DateTime<Utc>>, StorageError> {
        Ok(sqlx::query_scalar!(
            "SELECT tick_at FROM tradingdb.ticks
             WHERE schedule = $1 AND tick_at > $2 AND tick_at <= now() AND published_at IS NULL
               AND claimed_until NOT BETWEEN now() AND now() + 2 * make_interval(secs => $3)
             ORDER BY tick_at LIMIT 100",
            schedule,
            given_up,
            hold.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes ticks, outcomes, crashes, waits and changes that nobody took in, where older than `days`, at most 10,000 (of changes
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
        let waits = sqlx::query!(
            "DELETE FROM tradingdb.waiting_jobs WHERE (job_id, organization_id, pseudo_account) IN (
                 SELECT job_id, organization_id, pseudo_account FROM tradingdb.waiting_jobs
                 WHERE noted_at < now() - make_interval(secs => $1::double precision * 86400) LIMIT 10000)",
            days
        )
        .execute(&self.pool)
        .await?;
        let changes = self.forget_changes(days).await?;
        let deleted = [ticks, outcomes, crashes, waits].map(|deleted| deleted.rows_affected());
        Ok(deleted.into_iter().sum::<u64>() + changes)
    }
}
