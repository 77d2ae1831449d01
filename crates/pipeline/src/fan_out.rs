use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc, Weekday};
use ledger::Account;
use metrics::counter;
use queue::{Message, PublishError, Publisher, WorkQueue};
use sha2::{Digest, Sha256};
use storage::{AccountScan, DueAccount, Storage, StorageError};
use thiserror::Error;
use tracing::warn;

use crate::chain;
use crate::job::{SyncJob, encode_sync, job_id};

/// Accounts read and published together: two such pages are held in memory, however many accounts there are.
const PAGE: usize = 512;
/// Messages that are made in one go, while those of the page before wait for their turn to be published.
const IN_ONE_GO: usize = 100;
/// How long RabbitMQ may take to confirm a page; then the firing is given back for somebody else to try.
const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// Why a firing was not published whole. Publishing it again sends the same jobs with the same ids.
#[derive(Debug, Error)]
pub enum FanOutError {
    /// The accounts could not be read.
    #[error("the accounts could not be read")]
    Storage(#[from] StorageError),
    /// A job was not confirmed.
    #[error("a job was not published")]
    Publish(#[from] PublishError),
}

/// When an account's brokerage is looked at.
#[derive(Debug, Clone)]
pub struct CheckSchedule {
    /// Time between two looks at one account.
    pub interval: Duration,
    /// From and to, IST, both included, on trading days; past midnight when `from > to`. `None`: always.
    pub hours: Option<(NaiveTime, NaiveTime)>,
}

impl CheckSchedule {
    /// Whether an account is due at `now`. Half a tick early counts as due, else a look every 30 minutes with a tick
    /// every 5 would drift to one every 35.
    fn is_due(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>, tick: Duration) -> bool {
        let Some(last) = last else { return true };
        (now - last).to_std().is_ok_and(|age| age + tick / 2 >= self.interval)
    }

    /// Whether brokerages are looked at at all at `now`.
    fn is_open(&self, now: DateTime<Utc>, holidays: &BTreeSet<NaiveDate>) -> bool {
        let Some((from, to)) = self.hours else { return true };
        let ist = now.with_timezone(&ledger::ist::OFFSET);
        let day = ist.date_naive();
        let trading = !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !holidays.contains(&day);
        // The last minute counts to its end.
        let time = ist.time().with_second(0).unwrap_or_default().with_nanosecond(0).unwrap_or_default();
        let inside = if from <= to { (from..=to).contains(&time) } else { time >= from || time <= to };
        trading && inside
    }
}

/// One firing of a schedule.
#[derive(Debug, Clone)]
pub struct Tick {
    /// The schedule's name, part of each job's id.
    pub schedule: String,
    /// Which firing, part of each job's id.
    pub firing: String,
    /// When it was due.
    pub at: DateTime<Utc>,
}

/// Publishes one sync job per account.
#[derive(Debug, Clone)]
pub struct FanOut {
    /// Where the accounts are.
    pub storage: Storage,
    /// Where the jobs go.
    pub publisher: Publisher,
    /// Time between ticks: how long a job is worth running.
    pub interval: Duration,
    /// Jobs are spread over this long, each account at its own stable offset.
    pub spread: Duration,
    /// When brokerages are looked at.
    pub checks: CheckSchedule,
    /// The sender's name in the messages.
    pub origin: String,
}

impl FanOut {
    /// The interval of looks at a brokerage, in minutes.
    pub(crate) fn check_minutes(&self) -> u64 {
        self.checks.interval.as_secs() / 60
    }

    /// Publishes for a job for all accounts; the job's id stands for the tick, so that a retry sends the same jobs.
    pub(crate) async fn publish_for_job(&self, id: &str) -> Result<usize, FanOutError> {
        let at = self.storage.now().await?;
        let tick = Tick { schedule: "job".to_owned(), firing: id.to_owned(), at };
        self.publish(&tick).await
    }

    /// Publishes the jobs of a tick, page by page, and returns how many accounts it had.
    ///
    /// A page is read and its messages are made while the one before it is being confirmed. A firing published twice sends
    /// the same job ids, so it may be begun again by anybody, and dropped at any point.
    ///
    /// # Errors
    /// [`FanOutError`]; what was published so far stays published.
    pub async fn publish(&self, tick: &Tick) -> Result<usize, FanOutError> {
        let holidays = self.storage.holidays().await?;
        let mut scan = AccountScan::new();
        let mut page = self.next_page(&mut scan, tick, &holidays).await?;
        let mut published = 0;
        while let Some(messages) = page {
            let jobs = messages.len();
            let (confirmed, next) =
                tokio::join!(self.publish_page(messages), self.next_page(&mut scan, tick, &holidays));
            confirmed?;
            published += jobs;
            page = next?;
        }
        Ok(published)
    }

    /// The messages of the next accounts, those that are paused left out; `None` at the end.
    async fn next_page(
        &self,
        scan: &mut AccountScan,
        tick: &Tick,
        holidays: &BTreeSet<NaiveDate>,
    ) -> Result<Option<Vec<Message>>, FanOutError> {
        let page = scan.next_page(&self.storage, PAGE).await?;
        if page.is_empty() {
            return Ok(None);
        }
        let now = self.storage.now().await?;
        let open = self.checks.is_open(now, holidays);
        let due: Vec<DueAccount> = page.into_iter().filter(|due| !due.paused).collect();
        self.note_new(tick, &due).await;
        let mut messages = Vec::with_capacity(due.len());
        for some in due.chunks(IN_ONE_GO) {
            messages.extend(some.iter().map(|due| self.message(tick, due, open, now)));
            tokio::task::yield_now().await;
        }
        Ok(Some(messages))
    }

    /// Accounts that are due for the first time are stale from now on until they are synced. Only what is told of the fleet
    /// depends on it, so no tick fails over it.
    async fn note_new(&self, tick: &Tick, due: &[DueAccount]) {
        let new: Vec<_> = (due.iter())
            .filter(|due| due.stale_since().is_none())
            .map(|due| (&due.account, tick.at + offset(&due.account, self.spread)))
            .collect();
        if !new.is_empty()
            && let Err(error) = self.storage.note_due(&new).await
        {
            warn!("since when {} new accounts are due was not noted: {}", new.len(), chain(&error));
        }
    }

    async fn publish_page(&self, messages: Vec<Message>) -> Result<(), PublishError> {
        let jobs = u64::try_from(messages.len()).unwrap_or(u64::MAX);
        match tokio::time::timeout(PAGE_LIMIT, self.publisher.publish_all(messages)).await {
            Ok(result) => result?,
            Err(_) => return Err(PublishError::TimedOut(PAGE_LIMIT)),
        }
        counter!("syncfleet_accounts_published_total").increment(jobs);
        Ok(())
    }

    fn message(&self, tick: &Tick, due: &DueAccount, open: bool, now: DateTime<Utc>) -> Message {
        let run_at = tick.at + offset(&due.account, self.spread);
        let eta = Some(run_at).filter(|run_at| *run_at > now);
        let check_external = open && self.checks.is_due(due.last_external_check_at, now, self.interval);
        let job = job(tick, &due.account, (run_at, now), self.interval, check_external);
        let expires = run_at.max(now) + self.interval;
        // One interval later than the header, and only so that the pile is bounded while nobody consumes.
        let dropped = expires + self.interval;
        let encoded = encode_sync(&job, &self.origin, eta);
        let mut message = Message::job(WorkQueue::Periodic, job.id, encoded);
        message.expiration_ms = (dropped - now).num_milliseconds().try_into().ok();
        message
    }
}

/// The job of an account, to run from the one instant on, enqueued at the other.
fn job(
    tick: &Tick,
    account: &Account,
    (run_at, now): (DateTime<Utc>, DateTime<Utc>),
    interval: Duration,
    check_external: bool,
) -> SyncJob {
    let due = run_at.max(now);
    SyncJob {
        id: job_id(&tick.schedule, &tick.firing, account),
        account: account.clone(),
        force: false,
        check_external,
        // A run that began before it is due makes it no less due: else an account with an offset near the interval's end
        // would miss a tick whenever the run before was late.
        enqueued_at: Some(due),
        replayed_at: None,
        expires: Some(due + interval),
        retries: 0,
        wants_result: false,
    }
}

/// The account's own place inside the spread: stable, and even over many accounts.
pub fn offset(account: &Account, spread: Duration) -> Duration {
    let spread_ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    if spread_ms == 0 {
        return Duration::ZERO;
    }
    let digest = Sha256::digest(format!("{}\0{}", account.organization_id, account.pseudo_account));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    Duration::from_millis(u64::from_be_bytes(first) % spread_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn schedule(hours: Option<(&str, &str)>) -> CheckSchedule {
        let time = |text| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        CheckSchedule {
            interval: Duration::from_secs(1800),
            hours: hours.map(|(from, to)| (time(from), time(to))),
        }
    }

    #[test]
    fn an_account_is_due_by_its_own_last_check() {
        let (checks, tick) = (schedule(None), Duration::from_secs(300));
        let now = at("2025-06-17T10:30:00Z");
        assert!(checks.is_due(None, now, tick));
        assert!(checks.is_due(Some(at("2025-06-17T10:00:07Z")), now, tick));
        assert!(!checks.is_due(Some(at("2025-06-17T10:05:07Z")), now, tick));
    }

    #[test]
    fn brokerages_rest_outside_the_hours_and_on_days_without_trading() {
        let checks = schedule(Some(("09:00", "23:55")));
        let holidays = BTreeSet::from(["2025-06-18".parse().unwrap()]);
        assert!(checks.is_open(at("2025-06-17T03:30:00Z"), &holidays));
        assert!(!checks.is_open(at("2025-06-17T03:29:00Z"), &holidays), "before nine");
        assert!(!checks.is_open(at("2025-06-18T06:00:00Z"), &holidays), "a holiday");
        assert!(!checks.is_open(at("2025-06-21T06:00:00Z"), &holidays), "a Saturday");
        assert!(schedule(None).is_open(at("2025-06-21T06:00:00Z"), &holidays));
    }

    #[test]
    fn a_late_run_does_not_supersede_the_job_of_the_next_tick_which_is_due_after_it_began() {
        let published = at("2025-06-17T10:30:00Z");
        let tick = Tick { schedule: "s".to_owned(), firing: "f".to_owned(), at: published };
        let (account, interval) = (Account::new("o", "a"), Duration::from_secs(300));
        let enqueued = |run_at, now| job(&tick, &account, (run_at, now), interval, false);
        // That of the tick before, which began between the publishing of this one and the account's place in its spread.
        let (late_run, run_at) = (at("2025-06-17T10:33:00Z"), at("2025-06-17T10:34:00Z"));
        let spread = enqueued(run_at, published);
        assert!(spread.enqueued_at.is_some_and(|enqueued| enqueued > late_run), "{:?}", spread.enqueued_at);
        assert_eq!(spread.expires, Some(run_at + interval));
        // A tick that is late itself is enqueued when it is published.
        let now = at("2025-06-17T10:36:00Z");
        assert_eq!(enqueued(run_at, now).enqueued_at, Some(now));
    }

    #[test]
    fn offsets_are_stable_and_spread_over_the_whole_span() {
        let spread = Duration::from_secs(60);
        let offsets: Vec<Duration> =
            (0..200).map(|n| offset(&Account::new("org", format!("a{n}")), spread)).collect();
        assert!(offsets.iter().all(|offset| *offset < spread));
        assert!(offsets.iter().any(|offset| *offset < spread / 4));
        assert!(offsets.iter().any(|offset| *offset > spread * 3 / 4));
        assert_eq!(offset(&Account::new("o", "a"), Duration::ZERO), Duration::ZERO);
    }
}
