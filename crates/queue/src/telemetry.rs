//! The names of what is counted about jobs, and what each means. What concerns connections is in `connections.rs` beside.

mod connections;

use std::time::Duration;

use celery::TaskMessage;
use chrono::{DateTime, Utc};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

pub(crate) use self::connections::{
    Purpose, SlotInUse, SlotsInUse, blocked, confirmed, connected, lost, slots, waiting,
};
use crate::WorkQueue;
use crate::decide::{Disposition, Event};

/// The label of tasks that are none of ours: names on the wire are anybody's, and labels must not grow without bound.
const OTHER: &str = "other";
/// Every reason a dead letter may have; what is no such word is counted as `other`.
const REASONS: [&str; 15] = [
    "retries_exhausted",
    "crash_loop",
    "redelivery_limit",
    "not_json",
    "bad_body",
    "no_id",
    "no_task",
    "bad_headers",
    "unsupported_content_type",
    "unsupported_encoding",
    "too_large",
    "unknown_task",
    "unsupported_chord",
    "unsupported_callbacks",
    "unroutable_callback",
];
/// The one that handlers give.
const BAD_ARGUMENTS: &str = "bad_arguments";

/// Says what each metric means, for whoever reads `/metrics`. Once a process, before anything is connected.
pub fn describe_metrics() {
    connections::describe();
    describe_counter!(
        "syncfleet_jobs_total",
        "Jobs that ended, by task (one of ours, or other) and outcome (success, partial_success, superseded, ended_before, failed, \
         expired, revoked)"
    );
    describe_histogram!(
        "syncfleet_job_seconds",
        Unit::Seconds,
        "How long attempts that ran took, whether they failed or not, by task"
    );
    describe_histogram!(
        "syncfleet_job_wait_seconds",
        Unit::Seconds,
        "From the instant a job was due (its eta, else when it was enqueued) to the begin of its attempt, by queue"
    );
    describe_counter!("syncfleet_retries_total", "Attempts that failed and are tried again, by queue");
    describe_counter!(
        "syncfleet_dispositions_total",
        "What became of deliveries, by queue and disposition (ack, expire, fail_expired, revoke, retry, renew, park, dead, requeue), \
         and why (finished, refused, early, expired, revoked, held, crashed, returned, waiting, failed, interrupted)"
    );
    describe_histogram!(
        "syncfleet_retry_delay_seconds",
        Unit::Seconds,
        "Delays of retries, jitter included, by the number of the retry"
    );
    describe_counter!("syncfleet_dead_letters_total", "Dead letters written, by reason");
    describe_counter!(
        "syncfleet_control_requests_total",
        "Requests of remote control to this worker, by outcome (done, refused)"
    );
}

/// Begins a worker's metrics at nothing: of a counter that appears with its first event nobody sees that event.
/// `tasks` are those it runs.
pub fn begin_worker_metrics(tasks: &[&'static str]) {
    for task in tasks.iter().copied().chain([OTHER]) {
        for outcome in ["success", "partial_success", "superseded", "failed", "expired", "revoked"] {
            counter!("syncfleet_jobs_total", "task" => task, "outcome" => outcome).increment(0);
        }
    }
    for task in tasks.iter().copied() {
        drop(histogram!("syncfleet_job_seconds", "task" => task));
    }
    for queue in WorkQueue::ALL {
        counter!("syncfleet_retries_total", "queue" => queue.name()).increment(0);
        drop(histogram!("syncfleet_job_wait_seconds", "queue" => queue.name()));
        counter!("syncfleet_dispositions_total", "queue" => queue.name(), "disposition" => "ack", "why" => "finished")
            .increment(0);
    }
    drop(histogram!("syncfleet_retry_delay_seconds", "retry" => "1"));
    for reason in REASONS.into_iter().chain([BAD_ARGUMENTS, OTHER]) {
        counter!("syncfleet_dead_letters_total", "reason" => reason).increment(0);
    }
    for outcome in ["done", "refused"] {
        counter!("syncfleet_control_requests_total", "outcome" => outcome).increment(0);
    }
    connections::begin_worker();
}

/// Counts a request of remote control.
pub(crate) fn count_control(outcome: &'static str) {
    counter!("syncfleet_control_requests_total", "outcome" => outcome).increment(1);
}

/// Counts a decision.
pub(crate) fn count(queue: WorkQueue, event: &Event, disposition: &Disposition) {
    counter!(
        "syncfleet_dispositions_total",
        "queue" => queue.name(), "disposition" => disposition_name(disposition), "why" => event_name(event)
    )
    .increment(1);
    match disposition {
        Disposition::Retry { retries, delay, .. } => {
            counter!("syncfleet_retries_total", "queue" => queue.name()).increment(1);
            // Beyond ten they are all alike, and labels must not grow without bound.
            let number = (*retries).min(10).to_string();
            histogram!("syncfleet_retry_delay_seconds", "retry" => number).record(delay.as_secs_f64());
        }
        Disposition::Dead { reason, .. } => {
            counter!("syncfleet_dead_letters_total", "reason" => known_reason(reason)).increment(1);
        }
        _ => {}
    }
}

/// Counts a job that has ended, where the disposition is an end. `task` is its name if it is one of ours, `returned` what the
/// handler calls that which it returned.
pub(crate) fn count_end(
    task: Option<&str>,
    event: &Event,
    disposition: &Disposition,
    returned: Option<&'static str>,
) {
    let outcome = match (disposition, event) {
        (Disposition::Ack, Event::Finished) => returned.unwrap_or("success"),
        (Disposition::Ack, _) => "ended_before",
        (Disposition::Expire, _) => "expired",
        (Disposition::Revoke { .. }, _) => "revoked",
        (Disposition::FailExpired | Disposition::Dead { .. }, _) => "failed",
        _ => return,
    };
    counter!("syncfleet_jobs_total", "task" => task.unwrap_or(OTHER).to_owned(), "outcome" => outcome)
        .increment(1);
}

/// How long a job has waited that begins now. `None` where nobody said since when.
pub(crate) fn wait_of(task: &TaskMessage, now: DateTime<Utc>) -> Option<Duration> {
    let due = task.eta.or(task.enqueued_at)?;
    // Its clock may be ahead of ours.
    Some((now - due).to_std().unwrap_or_default())
}

/// Counts an attempt that ran: one that found its account held, or had to wait for its turn, did not.
pub(crate) fn count_run(
    task: &TaskMessage,
    queue: WorkQueue,
    wait: Option<Duration>,
    took: Duration,
    event: &Event,
) {
    let has_run = matches!(event, Event::Finished | Event::Failed { .. } | Event::Revoked { .. });
    if !has_run {
        return;
    }
    histogram!("syncfleet_job_seconds", "task" => task.task.clone()).record(took.as_secs_f64());
    if let Some(wait) = wait {
        histogram!("syncfleet_job_wait_seconds", "queue" => queue.name()).record(wait.as_secs_f64());
    }
}

fn known_reason(reason: &str) -> &'static str {
    REASONS.into_iter().chain([BAD_ARGUMENTS]).find(|known| *known == reason).unwrap_or(OTHER)
}

/// The word for a disposition, in metrics and in traces.
pub(crate) fn disposition_name(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Ack => "ack",
        Disposition::Expire => "expire",
        Disposition::FailExpired => "fail_expired",
        Disposition::Revoke { .. } => "revoke",
        Disposition::Retry { .. } => "retry",
        Disposition::Renew { .. } => "renew",
        Disposition::Park { .. } => "park",
        Disposition::Dead { .. } => "dead",
        Disposition::Requeue => "requeue",
    }
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Refused { .. } => "refused",
        Event::Early { .. } => "early",
        Event::Expired => "expired",
        Event::Revoked { .. } => "revoked",
        Event::Finished => "finished",
        Event::EndedBefore => "ended_before",
        Event::Held => "held",
        Event::Crashed { .. } => "crashed",
        Event::Returned { .. } => "returned",
        Event::Waiting { .. } => "waiting",
        Event::Failed { .. } => "failed",
        Event::Interrupted => "interrupted",
    }
}
