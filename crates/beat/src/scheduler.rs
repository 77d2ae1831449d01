use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{counter, histogram};
use pipeline::{FanOut, SCHEDULE, Tick, chain};
use service::CatchUp;
use storage::{PublishedTick, Storage, StorageError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, debug, field, info, info_span, warn};

use crate::due::{due_ticks, given_up, missed_between, until_next};
use crate::vitals::Course;
use crate::watch::Watch;

/// How long a claim lasts without a renewal; a beat that dies while publishing is replaced after this.
const CLAIM_HOLD: Duration = Duration::from_secs(6);
/// How often a claim is renewed while its tick is published: two renewals may fail.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often orphaned ticks are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long old records are deleted after a tick.
const FORGET_LIMIT: Duration = Duration::from_secs(10);

/// Publishes due ticks. Any number may run: PostgreSQL's tick ledger gives each tick to one of them.
pub(crate) struct Scheduler {
    pub(crate) course: Course,
    pub(crate) storage: Storage,
    pub(crate) fan_out: FanOut,
    pub(crate) owner: String,
    pub(crate) catch_up: CatchUp,
    pub(crate) retention_days: u32,
}

impl Scheduler {
    /// Runs until `stop` is cancelled; a tick being published then is given back for another beat.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        for name in
            ["syncfleet_ticks_total", "syncfleet_missed_ticks_total", "syncfleet_accounts_published_total"]
        {
            counter!(name).increment(0);
        }
        drop(histogram!("syncfleet_tick_lateness_seconds"));
        let mut watch = None;
        while !stop.is_cancelled() {
            self.course.gets_on();
            let pause = match self.look(&mut watch, stop).await {
                Ok(now) => until_next(now, self.fan_out.interval).min(LOOK_EVERY),
                Err(error) => {
                    warn!("ticks not looked at, trying again: {}", chain(&error));
                    LOOK_EVERY
                }
            };
            tokio::select! { () = tokio::time::sleep(pause) => {}, () = stop.cancelled() => {} }
        }
    }

    /// One look at the tick ledger: publishes what others left behind and what is due. Returns PostgreSQL's time.
    async fn look(
        &self,
        watch: &mut Option<(Watch, Instant)>,
        stop: &CancellationToken,
    ) -> Result<DateTime<Utc>, StorageError> {
        let now = self.storage.now().await?;
        let looked = Instant::now();
        let (watch, looked_before) = watch.get_or_insert_with(|| (Watch::begin(now), looked));
        let watched_since = watch.look(now, looked.duration_since(*looked_before));
        *looked_before = looked;

        let given_up = given_up(now, self.fan_out.interval, self.catch_up);
        let mut ticks = self.storage.orphaned_ticks(SCHEDULE, given_up, CLAIM_HOLD).await?;
        ticks.extend(self.unclaimed_ticks(now, watched_since).await?);
        let mut published_any = false;
        for tick_at in ticks {
            if stop.is_cancelled()
                || !self.storage.claim_tick(SCHEDULE, tick_at, &self.owner, CLAIM_HOLD).await?
            {
                continue;
            }
            if !self.publish(tick_at, given_up, stop).instrument(span_of(tick_at)).await? {
                // What comes after it would fare no better, and what is due may be something else by now.
                break;
            }
            published_any = true;
        }
        if published_any {
            self.forget(stop).await;
        }
        self.storage.now().await
    }

    /// Deletes what has been kept long enough, piece by piece, and no longer than the next tick can wait.
    async fn forget(&self, stop: &CancellationToken) {
        let begun = Instant::now();
        while !stop.is_cancelled() && begun.elapsed() < FORGET_LIMIT {
            match self.storage.delete_expired_records(self.retention_days).await {
                Ok(0) => return,
                Ok(_) => self.course.gets_on(),
                Err(error) => return warn!("old records not deleted: {}", chain(&error)),
            }
        }
    }

    async fn unclaimed_ticks(
        &self,
        now: DateTime<Utc>,
        watched_since: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>, StorageError> {
        let latest = self.storage.latest_tick(SCHEDULE).await?;
        let mut due = due_ticks(latest, watched_since, now, self.fan_out.interval, self.catch_up);
        if let (Some(first), Some(last)) = (due.first(), due.last()) {
            let claimed = self.storage.claimed_ticks(SCHEDULE, *first, *last).await?;
            due.retain(|tick| !claimed.contains(tick));
        }
        Ok(due)
    }

    /// Publishes a tick that is ours, and says whether it is published whole.
    async fn publish(
        &self,
        tick_at: DateTime<Utc>,
        given_up: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<bool, StorageError> {
        let firing = pipeline::firing(tick_at);
        let (interval, spread) = (self.fan_out.interval, self.fan_out.spread);
        self.storage.note_tick_pace(SCHEDULE, tick_at, &self.owner, interval, spread).await?;
        let tick = Tick { schedule: SCHEDULE.to_owned(), firing: firing.clone(), at: tick_at };
        let published = tokio::select! {
            published = self.fan_out.publish(&tick) => published,
            () = self.hold_until_lost(tick_at) => {
                warn!(tick = firing, "tick {firing}: another beat has taken it over");
                return Ok(false);
            }
            () = stop.cancelled() => {
                info!(tick = firing, "stopping: the tick is left to another beat");
                self.storage.release_tick(SCHEDULE, tick_at, &self.owner).await?;
                return Ok(false);
            }
        };
        let accounts = match published {
            Ok(accounts) => accounts,
            Err(error) => {
                Span::current().record("otel.status_description", chain(&error));
                warn!(tick = firing, "tick {firing} not published, given back: {}", chain(&error));
                self.storage.release_tick(SCHEDULE, tick_at, &self.owner).await?;
                return Ok(false);
            }
        };
        Span::current().record("syncfleet.accounts", i64::try_from(accounts).unwrap_or(i64::MAX));
        match self.storage.finish_tick(SCHEDULE, tick_at, &self.owner, accounts, given_up).await? {
            Some(published) => self.tell(tick_at, accounts, published),
            None => warn!(tick = firing, "tick {firing}: another beat has taken it over"),
        }
        Ok(true)
    }

    /// Renews a claim beside the publishing, so that no slow page loses it. Returns when another beat has it.
    async fn hold_until_lost(&self, tick_at: DateTime<Utc>) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            self.course.gets_on();
            match self.storage.renew_tick(SCHEDULE, tick_at, &self.owner, CLAIM_HOLD).await {
                Ok(true) => {}
                Ok(false) => return,
                // Two beats that publish one tick publish the same jobs: to go on is the lesser evil.
                Err(error) => {
                    debug!(tick = pipeline::firing(tick_at), "claim not renewed: {}", chain(&error))
                }
            }
        }
    }

    fn tell(&self, tick_at: DateTime<Utc>, accounts: usize, published: PublishedTick) {
        let firing = pipeline::firing(tick_at);
        let late_seconds = published.lateness.as_secs_f64();
        counter!("syncfleet_ticks_total").increment(1);
        histogram!("syncfleet_tick_lateness_seconds").record(late_seconds);
        self.course.published(&firing, accounts);
        info!(
            tick = firing,
            accounts, late_seconds, "tick {firing}: {accounts} jobs published, {late_seconds:.1} s late"
        );
        let missed =
            published.before.and_then(|before| missed_between(before, tick_at, self.fan_out.interval));
        if let Some((missed, first, last)) = missed {
            counter!("syncfleet_missed_ticks_total").increment(missed);
            let (first, last, catch_up) =
                (pipeline::firing(first), pipeline::firing(last), self.catch_up.name());
            warn!(
                missed,
                first,
                last,
                catch_up,
                "{missed} ticks missed, from {first} to {last}: no beat published them in time, and BEAT_CATCH_UP is {catch_up}"
            );
        }
    }
}

/// The publishing of a tick, a trace of its own to which those of its jobs are linked (its target makes it a trace, and no
/// log).
fn span_of(tick_at: DateTime<Utc>) -> Span {
    info_span!(
        target: "otel", "tick",
        otel.status_description = field::Empty,
        syncfleet.schedule = SCHEDULE, syncfleet.tick = pipeline::firing(tick_at), syncfleet.accounts = field::Empty,
    )
}
