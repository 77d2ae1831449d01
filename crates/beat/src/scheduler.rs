use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::{FanOut, FanOutError, Tick, chain};
use service::CatchUp;
use storage::{Storage, StorageError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::due::{due_ticks, until_next};

/// The schedule's name: the entry of the replaced system's `beat_schedule`, and part of every job id.
const SCHEDULE: &str = "comprehensive-sync-all-accounts";
/// How long a claim lasts without a renewal; a beat that dies while publishing is replaced after this.
const CLAIM_HOLD: Duration = Duration::from_secs(15);
/// How often orphaned ticks are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Publishes due ticks. Any number may run: PostgreSQL's tick ledger gives each tick to one of them.
pub(crate) struct Scheduler {
    pub(crate) storage: Storage,
    pub(crate) fan_out: FanOut,
    pub(crate) owner: String,
    pub(crate) catch_up: CatchUp,
    pub(crate) retention_days: u32,
}

impl Scheduler {
    /// Runs until `stop` is cancelled; a tick being published then is given back for another beat.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut started_at = None;
        while !stop.is_cancelled() {
            let pause = match self.look(&mut started_at, stop).await {
                Ok(now) => until_next(now, self.fan_out.interval).min(LOOK_EVERY),
                Err(error) => {
                    warn!("ticks not looked at, trying again: {}", chain(&error));
                    LOOK_EVERY
                }
            };
            tokio::select! { () = tokio::time::sleep(pause) => {}, () = stop.cancelled() => {} }
        }
    }

    /// One look at the tick ledger: publishes what is due and what others left behind. Returns PostgreSQL's time.
    async fn look(
        &self,
        started_at: &mut Option<DateTime<Utc>>,
        stop: &CancellationToken,
    ) -> Result<DateTime<Utc>, StorageError> {
        let now = self.storage.now().await?;
        let latest = self.storage.latest_tick(SCHEDULE).await?;
        let started_at = *started_at.get_or_insert(now);
        let mut ticks = self.storage.orphaned_ticks(SCHEDULE).await?;
        ticks.extend(due_ticks(latest, started_at, now, self.fan_out.interval, self.catch_up));
        for tick_at in ticks {
            if !stop.is_cancelled()
                && self.storage.claim_tick(SCHEDULE, tick_at, &self.owner, CLAIM_HOLD).await?
            {
                self.publish(tick_at, stop).await?;
            }
        }
        self.storage.now().await
    }

    async fn publish(&self, tick_at: DateTime<Utc>, stop: &CancellationToken) -> Result<(), StorageError> {
        let firing = tick_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let tick = Tick { schedule: SCHEDULE.to_owned(), firing: firing.clone(), at: tick_at };
        let hold = async || self.storage.renew_tick(SCHEDULE, tick_at, &self.owner, CLAIM_HOLD).await;
        let published = tokio::select! {
            published = self.fan_out.publish(&tick, hold) => published,
            () = stop.cancelled() => {
                info!(tick = firing, "stopping: the tick is left to another beat");
                return self.storage.release_tick(SCHEDULE, tick_at, &self.owner).await;
            }
        };
        match published {
            Ok(accounts) => {
                self.storage.finish_tick(SCHEDULE, tick_at, accounts).await?;
                info!(tick = firing, accounts, "tick {firing}: {accounts} jobs published");
                self.storage.delete_expired_records(self.retention_days).await?;
                Ok(())
            }
            Err(FanOutError::TakenOver) => {
                warn!(tick = firing, "tick {firing}: another beat has taken it over");
                Ok(())
            }
            Err(error) => {
                warn!(tick = firing, "tick {firing} not published, given back: {}", chain(&error));
                self.storage.release_tick(SCHEDULE, tick_at, &self.owner).await
            }
        }
    }
}
