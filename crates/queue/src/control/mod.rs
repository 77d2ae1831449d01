//! Remote control and events: what `celery inspect`, `celery control` and Flower ask of a worker and hear from it.
//!
//! A connection of its own, beside the jobs: nothing of it waits for a job, and no job for it. What is lost here, an answer or
//! an event, is lost; whoever asks asks again.

mod answers;
mod client;
mod session;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use self::client::{Answers, ask_workers, tell_workers};
use crate::WorkQueue;
use crate::connection::{Link, RabbitUrls, reconnect_pause};
use crate::events::{Events, Outbox};
use crate::roster::Roster;
use crate::telemetry::{self, Purpose};

/// Tries in a row that are made at the usual pace, and the pause between further ones: permission for it may be missing,
/// and nobody wants to read that every five seconds.
const TRIES: usize = 10;
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// A lost connection is built anew so much later than those for jobs: when RabbitMQ has trouble, a fleet that declares all
/// of this as well would keep it from what matters.
const JOBS_FIRST: Duration = Duration::from_secs(5);

/// The queues that a worker consumes, with their slots.
pub(crate) type Queues = Vec<(WorkQueue, usize)>;

/// Answers requests and sends events, session after session. Made by [`Consumer::control`].
///
/// [`Consumer::control`]: crate::Consumer::control
pub struct Control {
    pub(crate) urls: RabbitUrls,
    /// The worker's name, by which it is called; unique in the fleet.
    pub(crate) worker: String,
    /// The tasks that it runs.
    pub(crate) tasks: Vec<String>,
    /// Its settings for `celery inspect conf`, without any secret.
    pub(crate) conf: Map<String, Value>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) events: Arc<Events>,
    pub(crate) outbox: Outbox,
    /// What the consumer is to consume.
    pub(crate) wanted: Arc<watch::Sender<Queues>>,
    /// What it was told at its start, for queues that are turned off and on again.
    pub(crate) configured: Queues,
    pub(crate) clock: Clock,
    pub(crate) since: Instant,
}

impl Control {
    /// Serves until `done` is cancelled. A request to shut down cancels `stop`.
    ///
    /// It never gives up: without it jobs run all the same.
    pub async fn run(mut self, stop: CancellationToken, done: CancellationToken) {
        let mut attempt = 0;
        while !done.is_cancelled() {
            match self.open(attempt).await {
                Ok(session) => {
                    attempt = 0;
                    debug!("remote control through {}", session.link.server());
                    telemetry::connected(Purpose::Control);
                    let served = self.serve(session, &stop, &done).await;
                    telemetry::lost(Purpose::Control, served.is_err());
                    if let Err(error) = served {
                        warn!(error, "connection for remote control lost, building it anew: {error}");
                    }
                }
                Err(error) => {
                    let text = crate::connection_error_text(&error);
                    warn!(attempt, "no remote control, trying again: {text}");
                }
            }
            let pause = if attempt < TRIES { JOBS_FIRST + reconnect_pause(attempt) } else { LONG_PAUSE };
            let pause = tokio::time::sleep(pause);
            tokio::select! { () = pause => {}, () = done.cancelled() => {} }
            attempt += 1;
        }
    }
}

/// A logical clock (Lamport's): greater than any that was heard of.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

/// Beyond this a clock is no honest one, and Python would no longer count in whole numbers of JSON.
const CLOCK_MAX: u64 = 1 << 53;

impl Clock {
    /// The time of what happens now.
    pub(crate) fn forward(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes notice of another clock.
    pub(crate) fn adjust(&self, other: Option<u64>) {
        if let Some(other) = other.filter(|other| *other < CLOCK_MAX) {
            self.0.fetch_max(other, Ordering::Relaxed);
        }
    }
}
