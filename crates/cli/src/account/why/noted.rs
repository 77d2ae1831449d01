use storage::NotedWait;

use super::evidence::Evidence;
use super::open_jobs::{Job, in_queue};
use super::verdict::{State, clock};
use crate::ago::ago;

/// A message is between two queues, or between a queue and a run, for less.
const BETWEEN: chrono::Duration = chrono::Duration::seconds(30);

/// The job that a note tells of; `None`: it is nowhere to be seen, and the account was synced without it.
pub(super) fn waiting(noted: &NotedWait, evidence: &Evidence) -> Option<Job> {
    let (wait, now) = (&noted.wait, evidence.jobs.now);
    let error = wait.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    let retry = match wait.retries_max {
        Some(most) => format!("retry {} of {most}", wait.retries),
        None => format!("retry {}", wait.retries),
    };
    let due = wait.due_at.filter(|due| *due > now);
    let (state, text, mend) = match (wait.state.as_str(), due) {
        ("retry", Some(due)) => (
            State::Retry,
            format!("waits for {retry} at {} ({}){error}", clock(due, now), ago(due, now)),
            Some("the error says what to mend; `syncfleet sync` tries at once".to_owned()),
        ),
        ("parked", Some(due)) => {
            let why = parked_because(wait.reason.as_deref());
            (
                State::Parked,
                format!("is parked until {} ({}): {why}{error}", clock(due, now), ago(due, now)),
                None,
            )
        }
        _ => due_again(noted, &retry, evidence)?,
    };
    Some(Job {
        id: wait.job_id.clone(),
        state,
        queue: Some(wait.queue.clone()),
        worker: None,
        step: None,
        since: Some(noted.noted_at),
        due_at: wait.due_at,
        retries: Some(wait.retries),
        retries_max: wait.retries_max,
        reason: wait.reason.clone(),
        error: wait.error.clone(),
        text,
        mend,
    })
}

/// What has been due, and is in its work queue if anywhere.
fn due_again(noted: &NotedWait, retry: &str, evidence: &Evidence) -> Option<(State, String, Option<String>)> {
    let (wait, now) = (&noted.wait, evidence.jobs.now);
    let due = wait.due_at.unwrap_or(noted.noted_at);
    let since = format!("since {} ({})", clock(due, now), ago(due, now));
    let is_gone = evidence.queue(&wait.queue).is_some_and(|queue| queue.ready == 0) && now - due > BETWEEN;
    if !is_gone {
        let (queue, error) = (&wait.queue, wait.error.as_deref().unwrap_or("no error was noted"));
        let (more, mend) = in_queue(queue, evidence);
        let text = match (wait.state.as_str(), wait.reason.as_deref()) {
            ("retry", _) => format!("has been due for {retry} {since}, and is in {queue}{more}: {error}"),
            ("parked", _) => format!("has been due again {since}, and is in {queue}{more}"),
            (_, Some("replayed")) => {
                format!("is in {queue} since its replay at {} ({}){more}", clock(due, now), ago(due, now))
            }
            _ => format!("is in {queue} {since}{more}"),
        };
        return Some((State::Queued, text, mend));
    }
    // Whoever came after it has done what it was for.
    let mut later = evidence.jobs.outcomes.iter().map(|ended| ended.started_at.unwrap_or(ended.finished_at));
    if later.any(|at| at > due) {
        return None;
    }
    let what = match wait.state.as_str() {
        "retry" => format!("has been due for {retry} {since}"),
        "parked" => format!("has been due again {since}"),
        _ => format!("was put into {} {}", wait.queue, ago(due, now)),
    };
    let mend = format!("`syncfleet sync {}` enqueues another", evidence.account.pseudo_account);
    Some(match evidence.delayed() {
        0 => (
            State::Missing,
            format!(
                "{what} and is nowhere to be seen: {} has 0 ready, the delay steps are empty, and no worker of ours runs it; \
                 its message was lost, or somebody took it out",
                wait.queue
            ),
            Some(mend),
        ),
        delayed => (
            State::Parked,
            format!(
                "{what} and is not in {}: it may be one of the {delayed} in the delay steps, or its message was lost",
                wait.queue
            ),
            Some(mend),
        ),
    })
}

fn parked_because(reason: Option<&str>) -> &'static str {
    match reason {
        Some("held") => "another run holds the account",
        Some("early") => "it is not due before",
        Some("crashed") => "the worker that ran it before died",
        Some("rate_limit") => "the brokerage's rate limits have no room",
        Some("task_rate_limit") => "the task's rate limit, set by remote control, has no room",
        Some("busy") => "the worker that had it was busy with others for too long",
        Some("suspect") => "workers died while they ran it, so it runs only where no other such job does",
        Some("returned") => "it was returned to its queue often, and is a fresh copy",
        _ => "no reason was noted",
    }
}
