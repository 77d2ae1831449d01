use chrono::{DateTime, Utc};
use queue::WorkQueue;

use super::evidence::{Evidence, errors_of};
use super::open_jobs::{Job, open_jobs};
use crate::ago::{ago, length};

/// In one word. The words are told in JSON and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Running,
    Stuck,
    Retry,
    Parked,
    Queued,
    Scheduled,
    Publishing,
    Missing,
    Expired,
    Paused,
    NoTick,
    New,
    Dead,
    Idle,
    Unknown,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stuck => "stuck",
            Self::Retry => "retry",
            Self::Parked => "parked",
            Self::Queued => "queued",
            Self::Scheduled => "scheduled",
            Self::Publishing => "publishing",
            Self::Missing => "missing",
            Self::Expired => "expired",
            Self::Paused => "paused",
            Self::NoTick => "no_tick",
            Self::New => "new",
            Self::Dead => "dead",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

/// The answer: of all that is known, what matters most, in words.
pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) text: String,
    /// What to do about it, where there is anything to do.
    pub(super) mend: Option<String>,
    /// All jobs that have not ended, what matters most first.
    pub(super) jobs: Vec<Job>,
}

impl Verdict {
    /// Pure: everything it depends on is in the evidence.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut jobs = open_jobs(evidence);
        jobs.sort_by_key(|job| job.state);
        let name = &evidence.account.pseudo_account;
        if let Some(job) = jobs.first().filter(|job| job.state != State::Expired) {
            let text = format!("{name}: {}; its job {}", freshness(evidence), job.text);
            return Self { state: job.state, text, mend: job.mend.clone(), jobs };
        }
        let (state, text, mend) = without_job(evidence, jobs.first());
        let text = format!("{name}: {}; {text}", freshness(evidence));
        Self { state, text, mend, jobs }
    }
}

/// How old what is known of the account is.
fn freshness(evidence: &Evidence) -> String {
    let (overview, now) = (&evidence.overview, evidence.jobs.now);
    let Some((status, at)) = overview.status.as_deref().zip(overview.last_sync_at) else {
        return "never synced".to_owned();
    };
    let last = format!("last sync {}, {status}", ago(at, now));
    match overview.last_success_at {
        _ if matches!(status, "success" | "partial_success") => last,
        Some(good) => format!("{last}; in order until {} ({})", clock(good, now), ago(good, now)),
        None => format!("{last}; never in order"),
    }
}

/// What there is to say when no job waits or runs.
fn without_job(evidence: &Evidence, expired: Option<&Job>) -> (State, String, Option<String>) {
    let now = evidence.jobs.now;
    let name = &evidence.account.pseudo_account;
    let last = evidence.jobs.outcomes.first();
    if !evidence.jobs.is_known && last.is_none() && evidence.overview.last_sync_at.is_none() {
        let mend = "look for its name in `syncfleet account list`, and at --org; accounts are those with orders or a brokerage";
        return (State::Unknown, "nobody has heard of it".to_owned(), Some(mend.to_owned()));
    }
    if evidence.overview.paused {
        let mend = format!("`syncfleet account resume {name}`");
        return (State::Paused, "it is paused: ticks publish no jobs for it".to_owned(), Some(mend));
    }
    let latest = evidence.ticks.first();
    let is_ticking = latest.is_some_and(|tick| evidence.is_of_late(tick.tick.at));
    // Where Celery's beat drives the fleet, its jobs end and no tick is known.
    if !is_ticking && !last.is_some_and(|last| evidence.is_of_late(last.finished_at)) {
        return no_tick(evidence);
    }
    if let Some(expired) = expired.filter(|_| is_ticking) {
        let mend = "more workers, or more slots in them: `syncfleet queue status` and `syncfleet worker list` show what is there";
        return (State::Expired, expired.text.clone(), Some(mend.to_owned()));
    }
    let next = match latest.filter(|_| is_ticking) {
        Some(tick) => {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of an interval")]
            let interval = chrono::Duration::milliseconds((evidence.interval_seconds() * 1000.0) as i64);
            let at = tick.tick.at + interval;
            format!("the next tick is at {} ({})", clock(at, now), ago(at, now))
        }
        None => "no syncfleet-beat publishes ticks, so its jobs come from elsewhere: `syncfleet sync`, or Celery's beat"
            .to_owned(),
    };
    match last {
        // It has no dead letter.
        Some(last) if last.status == "failed" && last.reason.as_deref() == Some("expired") => {
            let error =
                errors_of(last.report.as_ref()).map_or_else(String::new, |error| format!(": {error}"));
            let text = format!(
                "its last job failed and ran out of time between retries ({}){error}; {next}",
                ago(last.finished_at, now)
            );
            let mend = "the error says what to mend; the next tick tries again, `syncfleet sync` at once";
            (State::Expired, text, Some(mend.to_owned()))
        }
        Some(last) if last.status == "failed" => {
            let error =
                errors_of(last.report.as_ref()).map_or_else(String::new, |error| format!(": {error}"));
            let reason = last.reason.as_deref().unwrap_or("failed");
            let text = format!(
                "its last job is dead since {} ({}), {reason}{error}; {next}",
                clock(last.finished_at, now),
                ago(last.finished_at, now)
            );
            let mend = format!(
                "`syncfleet dead show {}`, mend what it says, then `syncfleet dead replay {0}`",
                last.sync_id
            );
            (State::Dead, text, Some(mend))
        }
        Some(last) if last.status == "expired" => {
            let text = format!(
                "its last job expired before any worker took it ({}); {next}",
                ago(last.finished_at, now)
            );
            (
                State::Expired,
                text,
                Some("more workers, or more slots in them: `syncfleet queue status`".to_owned()),
            )
        }
        Some(last) => {
            let error =
                errors_of(last.report.as_ref()).map_or_else(String::new, |error| format!(" ({error})"));
            let took = last.started_at.map_or_else(String::new, |at| {
                format!(" after {}", length((last.finished_at - at).num_seconds()))
            });
            (
                State::Idle,
                format!(
                    "its last job ended {}{took}: {}{error}; {next}",
                    ago(last.finished_at, now),
                    last.status
                ),
                login_mend(evidence),
            )
        }
        None => {
            // Messages cannot be looked at, and a beat that could not note that it found an account goes on.
            let periodic = WorkQueue::Periodic.name();
            let others = match evidence.queue(periodic).map_or(0, |queue| queue.ready) {
                0 => String::new(),
                ready => format!(" (nobody can see whose the {ready} in {periodic} are)"),
            };
            (State::New, format!("no job of it is known{others}: {next}, and finds it"), None)
        }
    }
}

fn no_tick(evidence: &Evidence) -> (State, String, Option<String>) {
    let now = evidence.jobs.now;
    let text = match evidence.ticks.first() {
        None => "no beat has ever published a tick".to_owned(),
        Some(tick) => format!(
            "the last tick was at {} ({}), and no beat has published one since",
            clock(tick.tick.at, now),
            ago(tick.tick.at, now)
        ),
    };
    let mend = "start a beat, or read its log: `syncfleet-beat` (or Celery's, where that one drives the fleet); till then \
                `syncfleet sync` enqueues by hand";
    (State::NoTick, text, Some(mend.to_owned()))
}

fn login_mend(evidence: &Evidence) -> Option<String> {
    let (_, message) = evidence.overview.login_needed.as_ref()?;
    let name = &evidence.account.pseudo_account;
    Some(format!(
        "its brokerage refuses the login ({message}): renew its secret, then `syncfleet brokerage test {name}`"
    ))
}

/// The time of day, with the date where it is another one; UTC, as in the logs.
pub(super) fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    at.format(format).to_string()
}
