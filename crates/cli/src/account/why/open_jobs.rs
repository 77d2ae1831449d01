use chrono::{DateTime, Utc};
use queue::WorkQueue;
use storage::RunView;

use super::evidence::{Evidence, TickJob, WorkerAnswer};
use super::noted::waiting;
use super::verdict::{State, clock};
use crate::ago::{ago, length};

/// A hold that lasts for less was not renewed when it should have been: it is made for 30 s, and renewed every 10.
const RENEWED_LATELY: chrono::Duration = chrono::Duration::seconds(15);
const LOST_MEND: &str = "another worker takes the job over by itself once RabbitMQ sees that worker's connection die; \
                         `syncfleet worker list` shows who is there; end a worker that hangs";

/// A job that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) queue: Option<String>,
    pub(super) worker: Option<String>,
    pub(super) step: Option<String>,
    /// Since when it is in that state, where that is known.
    pub(super) since: Option<DateTime<Utc>>,
    /// When it is due to run.
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) retries: Option<u32>,
    pub(super) retries_max: Option<u32>,
    pub(super) reason: Option<String>,
    pub(super) error: Option<String>,
    /// The state as the end of a sentence whose subject is the job.
    pub(super) text: String,
    pub(super) mend: Option<String>,
}

/// Every job of the account that is known and has not ended.
pub(super) fn open_jobs(evidence: &Evidence) -> Vec<Job> {
    let mut jobs = Vec::new();
    // A run that was cut off leaves its hold behind, which ends by itself: its job has an outcome all the same.
    let has_ended = |run: &&RunView| {
        let mut outcomes = evidence.jobs.outcomes.iter();
        outcomes.any(|ended| ended.sync_id == run.job_id && Some(ended.finished_at) >= run.started_at)
    };
    if let Some(run) = evidence.jobs.run.as_ref().filter(|run| !has_ended(run)) {
        jobs.push(running(run, evidence));
    }
    for noted in &evidence.jobs.waits {
        if !jobs.iter().any(|job: &Job| job.id == noted.wait.job_id) {
            jobs.extend(waiting(noted, evidence));
        }
    }
    for tick in &evidence.ticks {
        let is_known = jobs.iter().any(|job| job.id == tick.id);
        if tick.outcome.is_none()
            && !is_known
            && let Some(job) = of_tick(tick, evidence)
        {
            jobs.push(job);
        }
    }
    jobs
}

fn running(run: &RunView, evidence: &Evidence) -> Job {
    let now = evidence.jobs.now;
    let worker = run.worker.clone().unwrap_or_else(|| "a worker".to_owned());
    let since =
        run.started_at.map_or_else(String::new, |at| format!(" since {} ({})", clock(at, now), ago(at, now)));
    let step = match &evidence.answer {
        WorkerAnswer::Runs(step) if !step.is_empty() => Some(step.clone()),
        _ => None,
    };
    let left = run.expires_at - now;
    let (state, text, mend) = match &evidence.answer {
        _ if left <= chrono::Duration::zero() => (
            State::Stuck,
            format!(
                "was run by {worker}{since}, which is gone without a word: it held the account until {}",
                clock(run.expires_at, now)
            ),
            Some(LOST_MEND.to_owned()),
        ),
        // A run renews its hold every ten seconds.
        WorkerAnswer::DoesNotRun => (
            State::Stuck,
            format!(
                "is leased to {worker}{since}, which says that it does not run it: its lease ends in {}, then another takes it",
                length(left.num_seconds())
            ),
            None,
        ),
        WorkerAnswer::Silent if left < RENEWED_LATELY => (
            State::Stuck,
            format!(
                "is held by {worker}{since}, which does not answer: the account is free again at {}",
                clock(run.expires_at, now)
            ),
            Some(LOST_MEND.to_owned()),
        ),
        WorkerAnswer::Silent => (
            State::Running,
            format!("runs on {worker}{since}, which does not answer to remote control"),
            None,
        ),
        _ => {
            let at = step.as_ref().map_or_else(String::new, |step| format!(", at the step {step}"));
            (State::Running, format!("runs on {worker}{since}{at}"), None)
        }
    };
    let noted = evidence.jobs.waits.iter().find(|noted| noted.wait.job_id == run.job_id);
    Job {
        id: run.job_id.clone(),
        state,
        queue: None,
        worker: run.worker.clone(),
        step,
        since: run.started_at,
        due_at: None,
        retries: noted.map(|noted| noted.wait.retries),
        retries_max: noted.and_then(|noted| noted.wait.retries_max),
        reason: None,
        error: noted.and_then(|noted| noted.wait.error.clone()),
        text,
        mend,
    }
}

/// The job of a tick that nobody has noted anything of; `None` where there is none.
fn of_tick(tick: &TickJob, evidence: &Evidence) -> Option<Job> {
    let now = evidence.jobs.now;
    let published = tick.tick.published_at;
    let is_first = evidence.ticks.first().is_some_and(|first| first.id == tick.id);
    // Since when it is due is when its first job is, which this one may be, or when it was resumed, which is after.
    let resumed = evidence.jobs.due_since.filter(|since| *since != tick.due_at);
    let is_resumed_since = resumed.zip(published).is_some_and(|(resumed, published)| resumed > published);
    // A tick that finds an account for the first time notes that it is due.
    let was_found = evidence.jobs.due_since.is_some() || evidence.overview.last_sync_at.is_some();
    let had_none = !evidence.jobs.is_known || is_resumed_since || (published.is_some() && !was_found);
    if had_none || evidence.overview.paused || is_overtaken(tick, evidence) {
        return None;
    }
    let periodic = WorkQueue::Periodic.name();
    // A queue that is empty holds no job of it; a delay step may.
    let is_empty = evidence.queue(periodic).is_some_and(|queue| queue.ready == 0);
    let (state, text, mend) = match published {
        None if is_first && tick.tick.claimed_until > now => (
            State::Publishing,
            format!("is being published with the tick of {} by {}", clock(tick.tick.at, now), tick.tick.beat),
            None,
        ),
        None if is_first && evidence.is_of_late(tick.tick.at) => {
            let place = match evidence.queue(periodic) {
                Some(queue) if queue.ready > 0 => {
                    format!("may be one of the {} in {periodic}, or still to come", queue.ready)
                }
                Some(_) => "is still to come".to_owned(),
                None => format!("may be in {periodic}, or still to come"),
            };
            (
                State::Publishing,
                format!(
                    "{place}: the tick of {} is not complete, {} stopped while it published it",
                    clock(tick.tick.at, now),
                    tick.tick.beat
                ),
                Some("nothing if another beat runs, which takes the tick over; else start one: `syncfleet-beat`".to_owned()),
            )
        }
        None => return None,
        Some(_) if tick.due_at > now => (
            State::Scheduled,
            format!(
                "is due at {} ({}), its place in the spread of the tick of {}",
                clock(tick.due_at, now),
                ago(tick.due_at, now),
                clock(tick.tick.at, now)
            ),
            None,
        ),
        Some(_) if tick.expires_at.is_some_and(|expires| expires <= now) && !is_empty => (
            State::Expired,
            format!(
                "the job of the tick of {} waited in {periodic} until it was not worth running any more",
                clock(tick.tick.at, now)
            ),
            None,
        ),
        Some(_) if is_empty && may_be_delayed(evidence) => (
            State::Parked,
            String::from(
                "is in no work queue; it may be one of those in the delay steps: why it would be there could not be noted \
                 while PostgreSQL was away",
            ),
            None,
        ),
        Some(_) if is_empty => return None,
        Some(at) => {
            let (more, mend) = in_queue(periodic, evidence);
            (
                State::Queued,
                format!("is in {periodic} since {} ({}){more}", clock(at, now), ago(at, now)),
                mend,
            )
        }
    };
    Some(Job {
        id: tick.id.clone(),
        state,
        queue: Some(periodic.to_owned()),
        worker: None,
        step: None,
        since: published,
        due_at: Some(tick.due_at),
        retries: Some(0),
        retries_max: None,
        reason: None,
        error: None,
        text,
        mend,
    })
}

/// Whether a delay step may hold a job of an account that was there before.
fn may_be_delayed(evidence: &Evidence) -> bool {
    let has_history = !evidence.jobs.outcomes.is_empty() || !evidence.jobs.waits.is_empty();
    has_history && evidence.delayed() > 0
}

/// A later tick's job has ended: RabbitMQ hands jobs out in their order, so this one is no longer there.
fn is_overtaken(tick: &TickJob, evidence: &Evidence) -> bool {
    evidence.ticks.iter().any(|later| later.tick.at > tick.tick.at && later.outcome.is_some())
}

/// What is known of a queue, and what is wrong with it.
pub(super) fn in_queue(name: &str, evidence: &Evidence) -> (String, Option<String>) {
    match evidence.queue(name) {
        None => (String::new(), None),
        Some(queue) if queue.consumers == 0 => (
            format!(", which nobody consumes ({} ready)", queue.ready),
            Some(format!(
                "start a worker that consumes {name}: `syncfleet-worker`; `syncfleet worker list` shows those there are"
            )),
        ),
        Some(queue) if queue.ready == 0 => {
            (format!(" or on its way to or from it: 0 ready, {} consumers", queue.consumers), None)
        }
        Some(queue) => {
            (format!(", one of at most {} waiting there; {} consumers", queue.ready, queue.consumers), None)
        }
    }
}
