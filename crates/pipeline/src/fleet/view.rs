//! One look at all accounts: counted page by page, never held.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ledger::Account;
use storage::{AccountScan, DueAccount, StorageError};

use super::Fleet;
use crate::fan_out::offset;
use crate::job::job_id;

/// Accounts read together.
const PAGE: usize = 1000;
/// Accounts that are named.
const WORST: usize = 10;
/// Upper ends of the histogram of staleness, in intervals: the same for every setting, and finest where it matters.
pub(super) const BUCKETS: [f64; 13] =
    [0.25, 0.5, 0.75, 1.0, IN_TIME, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0];
/// An account is in time for so many intervals after its last good sync. One more than that would fail every account whose
/// job takes a little longer than the one before it; a fifth is for waiting and for a retry or two.
pub(super) const IN_TIME: f64 = 1.2;
/// What a job is taken to last before any has run, in seconds.
const RUN_SECONDS: f64 = 1.0;

/// What one look saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct View {
    /// Accounts that get jobs.
    pub(super) active: usize,
    /// Accounts whose jobs are held back.
    pub(super) paused: usize,
    /// Active accounts that are in time.
    pub(super) in_time: usize,
    /// Active accounts by staleness: those up to each of [`BUCKETS`], and all.
    pub(super) up_to: [usize; BUCKETS.len()],
    /// Seconds of staleness of all active accounts together.
    pub(super) sum: f64,
    /// The stalest accounts that are not in time, with their seconds, the worst first.
    pub(super) worst: Vec<(Account, f64)>,
    /// Age of the oldest job of a tick that is due and not done, in seconds; zero if there is none.
    pub(super) queue_age: f64,
    /// Seconds since the latest published tick was due; `None` if there never was one.
    pub(super) last_tick_age: Option<f64>,
    /// Seconds within which 95 of 100 jobs ran lately.
    pub(super) run_seconds: Option<f64>,
    /// Slots that sync every active account once an interval.
    pub(super) wanted_slots: f64,
}

/// Looks at the whole fleet.
///
/// # Errors
/// As any statement.
pub(super) async fn look(fleet: &Fleet) -> Result<View, StorageError> {
    let storage = &fleet.storage;
    let now = storage.now().await?;
    let ticks = storage.published_ticks(&fleet.schedule, fleet.interval * 2 + fleet.spread).await?;
    let mut tally = Tally::new(now, fleet.interval, fleet.spread, ticks);
    let mut scan = AccountScan::new();
    loop {
        let page = scan.next_page(storage, PAGE).await?;
        if page.is_empty() {
            break;
        }
        page.iter().for_each(|account| tally.add(account));
        let waiting: Vec<(DateTime<Utc>, String)> =
            page.iter().flat_map(|account| tally.waiting_jobs(account, &fleet.schedule)).collect();
        if !waiting.is_empty() {
            let ids: Vec<String> = waiting.iter().map(|(_, id)| id.clone()).collect();
            let ended = storage.ended_jobs(&ids).await?;
            let open = waiting.into_iter().filter(|(_, id)| !ended.contains(id)).map(|(due, _)| due);
            tally.oldest = open.chain(tally.oldest).min();
        }
    }
    let last_tick = storage.last_published_tick(&fleet.schedule).await?;
    Ok(tally.end(last_tick, storage.recent_run_seconds().await?))
}

/// A view that is being counted.
struct Tally {
    now: DateTime<Utc>,
    interval: Duration,
    spread: Duration,
    /// Published ticks whose jobs may still be worth running, oldest first.
    ticks: Vec<DateTime<Utc>>,
    view: View,
    /// By milliseconds, at most [`WORST`].
    worst: BTreeSet<(i64, Account)>,
    /// When the oldest job was due that has not ended.
    oldest: Option<DateTime<Utc>>,
}

impl Tally {
    fn new(now: DateTime<Utc>, interval: Duration, spread: Duration, ticks: Vec<DateTime<Utc>>) -> Self {
        Self { now, interval, spread, ticks, view: View::default(), worst: BTreeSet::new(), oldest: None }
    }

    fn add(&mut self, due: &DueAccount) {
        if due.paused {
            self.view.paused += 1;
            return;
        }
        self.view.active += 1;
        // Before it is due for the first time it cannot be late; nor can one whose first job is still to come.
        let since = due.stale_since().unwrap_or(self.now);
        let stale = (self.now - since).max(TimeDelta::zero());
        let seconds = stale.as_seconds_f64();
        self.view.sum += seconds;
        let intervals = seconds / self.interval.as_secs_f64();
        for (up_to, count) in BUCKETS.iter().zip(&mut self.view.up_to) {
            *count += usize::from(intervals <= *up_to);
        }
        if intervals <= IN_TIME {
            self.view.in_time += 1;
            return;
        }
        self.worst.insert((stale.num_milliseconds(), due.account.clone()));
        if self.worst.len() > WORST {
            self.worst.pop_first();
        }
    }

    /// The jobs of this account, with the instants from which they may run, that may be older than the oldest known one and
    /// have not ended as far as the account itself tells: its last run ended before they were due. A job that is two
    /// intervals old is worth nothing any more, and RabbitMQ drops it.
    fn waiting_jobs(&self, due: &DueAccount, schedule: &str) -> Vec<(DateTime<Utc>, String)> {
        let is_known = due.stale_since().is_some();
        let ends = TimeDelta::from_std(self.interval * 2).unwrap_or(TimeDelta::MAX);
        let ticks = self.ticks.iter().filter(|_| is_known && !due.paused);
        let offset = offset(&due.account, self.spread);
        ticks
            .map(|tick| (*tick, *tick + offset))
            .filter(|(_, run_at)| *run_at <= self.now && *run_at + ends > self.now)
            .filter(|(_, run_at)| due.due_since.is_none_or(|since| since <= *run_at))
            .filter(|(_, run_at)| due.last_sync_at.is_none_or(|ended| ended < *run_at))
            .filter(|(_, run_at)| self.oldest.is_none_or(|oldest| *run_at < oldest))
            .map(|(tick, run_at)| (run_at, job_id(schedule, &firing(tick), &due.account)))
            .collect()
    }

    fn end(self, last_tick: Option<DateTime<Utc>>, run_seconds: Option<f64>) -> View {
        let age = |at: DateTime<Utc>| (self.now - at).as_seconds_f64().max(0.0);
        let worst = self.worst.into_iter().rev();
        View {
            // Far from 2^53.
            wanted_slots: self.view.active as f64 * run_seconds.unwrap_or(RUN_SECONDS)
                / self.interval.as_secs_f64(),
            worst: worst.map(|(millis, account)| (account, millis as f64 / 1000.0)).collect(),
            queue_age: self.oldest.map_or(0.0, age),
            last_tick_age: last_tick.map(age),
            run_seconds,
            ..self.view
        }
    }
}

/// How a tick is called in the ids of its jobs.
fn firing(tick_at: DateTime<Utc>) -> String {
    tick_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    fn now() -> DateTime<Utc> {
        "2025-06-17T10:32:00Z".parse().unwrap()
    }

    fn ago(seconds: i64) -> Option<DateTime<Utc>> {
        Some(now() - TimeDelta::seconds(seconds))
    }

    fn account(name: &str) -> DueAccount {
        DueAccount {
            account: Account::new("org", name),
            paused: false,
            last_external_check_at: None,
            last_sync_at: None,
            last_success_at: None,
            due_since: None,
        }
    }

    fn synced(name: &str, seconds: i64) -> DueAccount {
        DueAccount { last_sync_at: ago(seconds), last_success_at: ago(seconds), ..account(name) }
    }

    fn tally(accounts: &[DueAccount]) -> Tally {
        let ticks = [720, 420, 120].map(|seconds| now() - TimeDelta::seconds(seconds)).to_vec();
        let mut tally = Tally::new(now(), INTERVAL, Duration::ZERO, ticks);
        accounts.iter().for_each(|account| tally.add(account));
        tally
    }

    fn view(accounts: &[DueAccount]) -> View {
        tally(accounts).end(None, None)
    }

    #[test]
    fn an_account_is_in_time_for_an_interval_and_a_fifth() {
        let view = view(&[synced("a", 0), synced("b", 300), synced("c", 360), synced("d", 361)]);
        assert_eq!((view.active, view.in_time), (4, 3));
        assert_eq!(view.worst, [(Account::new("org", "d"), 361.0)]);
        assert_eq!(view.up_to, [1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert!((view.sum - 1021.0).abs() < 1e-9);
    }

    #[test]
    fn what_failed_since_does_not_make_an_account_fresh() {
        let failing = DueAccount { last_sync_at: ago(5), ..synced("a", 4000) };
        assert_eq!(view(&[failing]).worst, [(Account::new("org", "a"), 4000.0)]);
    }

    #[test]
    fn a_new_account_counts_from_when_it_was_first_due_and_a_resumed_one_from_then() {
        let never_due = account("a");
        let new = DueAccount { due_since: ago(1000), ..account("b") };
        let to_come = DueAccount { due_since: ago(-30), ..account("c") };
        let resumed = DueAccount { due_since: ago(10), ..synced("d", 90_000) };
        let view = view(&[never_due, new, to_come, resumed]);
        assert_eq!(view.worst, [(Account::new("org", "b"), 1000.0)]);
        assert_eq!((view.active, view.in_time), (4, 3));
    }

    #[test]
    fn the_ten_worst_are_named_worst_first_and_paused_ones_are_not() {
        let mut accounts: Vec<DueAccount> = (0..50).map(|n| synced(&format!("a{n}"), 1000 + n)).collect();
        accounts.push(DueAccount { paused: true, ..synced("paused", 1_000_000) });
        let view = view(&accounts);
        let names: Vec<&str> =
            view.worst.iter().map(|(account, _)| account.pseudo_account.as_str()).collect();
        assert_eq!(names, ["a49", "a48", "a47", "a46", "a45", "a44", "a43", "a42", "a41", "a40"]);
        assert_eq!((view.active, view.paused), (50, 1));
    }

    #[test]
    fn a_job_waits_that_was_due_after_the_accounts_last_run() {
        let due = |account: &DueAccount| {
            let jobs = tally(&[]).waiting_jobs(account, "s");
            jobs.into_iter().map(|(at, _)| (now() - at).num_seconds()).collect::<Vec<_>>()
        };
        assert_eq!(due(&synced("a", 60)), []);
        assert_eq!(due(&synced("a", 200)), [120]);
        assert_eq!(due(&synced("a", 500)), [420, 120]);
        assert_eq!(due(&synced("a", 5000)), [420, 120], "what is two intervals old is gone");
        assert_eq!(due(&account("a")), [], "it has no job yet");
        assert_eq!(due(&DueAccount { due_since: ago(120), ..account("a") }), [120], "its first one");
        assert_eq!(due(&DueAccount { paused: true, ..synced("a", 500) }), []);
        assert_eq!(due(&DueAccount { due_since: ago(300), ..synced("a", 5000) }), [120], "resumed");
    }

    #[test]
    fn ids_of_waiting_jobs_are_those_of_the_tick() {
        let jobs = tally(&[]).waiting_jobs(&synced("a", 200), "s");
        assert_eq!(jobs[0].1, job_id("s", "2025-06-17T10:30:00Z", &Account::new("org", "a")));
    }

    #[test]
    fn wanted_slots_are_accounts_times_seconds_by_interval() {
        let accounts: Vec<DueAccount> = (0..600).map(|n| synced(&format!("a{n}"), 10)).collect();
        let slots = tally(&accounts).end(None, Some(4.5)).wanted_slots;
        assert!((slots - 9.0).abs() < 1e-9, "{slots}");
        assert!((view(&accounts).wanted_slots - 2.0).abs() < 1e-9, "a second each while nothing has run");
    }
}
