//! The names of what is counted, and what each means.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::WorkQueue;
use crate::decide::{Disposition, Event};

/// Says what each metric means, for whoever reads `/metrics`. Once a process.
pub fn describe_metrics() {
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
            // Beyond ten they are all alike, and labels must not grow without bound.
            let number = (*retries).min(10).to_string();
            histogram!("syncfleet_retry_delay_seconds", "retry" => number).record(delay.as_secs_f64());
        }
        Disposition::Dead { reason, .. } => {
            counter!("syncfleet_dead_letters_total", "reason" => reason.clone()).increment(1);
        }
        _ => {}
    }
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
