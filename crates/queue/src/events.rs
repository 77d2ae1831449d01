use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use celery::Event;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc::{self, Sender};

use crate::decide::{self, Disposition};
use crate::results::FAILURE;

/// Events that wait for their way to RabbitMQ; beyond that, while it does not take them, they are dropped.
const WAITING_MAX: usize = 4096;

/// Where runs tell what happens to their tasks. Best effort: it never waits, and is silent until somebody listens.
#[derive(Debug)]
pub(crate) struct Events {
    is_enabled: AtomicBool,
    sender: Sender<(Event, DateTime<Utc>)>,
}

/// The side that sends.
pub(crate) type Outbox = mpsc::Receiver<(Event, DateTime<Utc>)>;

impl Events {
    /// The telling side and the side that sends.
    pub(crate) fn new() -> (Self, Outbox) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self { is_enabled: AtomicBool::new(false), sender }, receiver)
    }

    /// Tells an event, which is only made if anybody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        self.tell_some(|| Some(event()));
    }

    /// As [`Events::tell`], of what may be no event.
    fn tell_some(&self, event: impl FnOnce() -> Option<Event>) {
        if self.is_enabled.load(Ordering::Relaxed)
            && let Some(event) = event()
        {
            let _ = self.sender.try_send((event, Utc::now()));
        }
    }

    /// Turns them on or off; returns whether they were on.
    pub(crate) fn enable(&self, on: bool) -> bool {
        self.is_enabled.swap(on, Ordering::Relaxed)
    }
}

/// Tells how an attempt ended, if that is something to Celery's monitors.
pub(crate) fn tell_end(
    events: &Events,
    id: &str,
    event: &decide::Event,
    disposition: &Disposition,
    result: Option<&Value>,
    runtime: Duration,
) {
    events.tell_some(|| match disposition {
        Disposition::Ack if *event == decide::Event::EndedBefore => None,
        Disposition::Ack => Some(Event::succeeded(id, result.unwrap_or(&Value::Null), runtime.as_secs_f64())),
        Disposition::Expire => Some(Event::revoked(id, false, true)),
        Disposition::Revoke { is_terminated } => Some(Event::revoked(id, *is_terminated, false)),
        Disposition::FailExpired => Some(Event::failed(id, FAILURE.0, "expired between retries")),
        Disposition::Retry { error, .. } => Some(Event::retried(id, FAILURE.0, error)),
        Disposition::Dead { reason, error } if reason == "unknown_task" => {
            Some(Event::failed(id, "NotRegistered", error))
        }
        Disposition::Dead { error, .. } => Some(Event::failed(id, FAILURE.0, error)),
        Disposition::Requeue => Some(Event::rejected(id)),
        // It comes back, and nothing of it counts.
        Disposition::Park { .. } | Disposition::Renew { .. } => None,
    });
}
