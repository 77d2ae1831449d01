use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use celery::{TaskMessage, Waiting};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{Progress, Wait, WorkQueue};

/// One delivery of a job that is due to run.
#[derive(Debug)]
pub struct Attempt {
    /// The job.
    pub task: TaskMessage,
    /// Where it came from.
    pub queue: WorkQueue,
    /// Whether RabbitMQ has delivered this message before: whoever had it then lost it, or died.
    pub redelivered: bool,
    /// The error of the attempt before, when this is a retry.
    pub last_error: Option<String>,
    /// Where a Celery client waits for its result.
    pub reply_to: Option<String>,
    /// How far its run is.
    pub progress: Progress,
    /// Its span in the job's trace; disabled where nothing is traced.
    pub(crate) span: Span,
}

impl Attempt {
    /// Says something about it in the job's trace, where there is one.
    pub fn note(&self, name: &'static str, value: &str) {
        if !self.span.is_disabled() {
            self.span.set_attribute(name, value.to_owned());
        }
    }

    /// Who may ask for its result; `None`: nobody.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        let is_wanted = self.task.ignore_result != Some(true);
        is_wanted.then(|| Waiting { id: self.task.id.clone(), reply_to: self.reply_to.clone() })
    }
}

/// How an attempt ended, as the handler sees it.
#[derive(Debug)]
pub enum Ending {
    /// Done, and told to everybody who should know; with what it returned.
    Finished(Value),
    /// The job had ended before, and was not run again.
    EndedBefore(End),
    /// Another live run holds what the job needs.
    Held,
    /// The worker that ran the job before is gone without a word: it was not run this time.
    Crashed {
        /// How often that has happened to this job.
        crashes: u32,
    },
    /// It can go no further here: what it needs is free after so long.
    Waiting {
        /// How long.
        delay: Duration,
        /// For what, as a stable word.
        why: &'static str,
    },
    /// The job can never run: its arguments are wrong.
    Refused {
        /// A stable word.
        reason: String,
        /// What exactly was wrong.
        error: String,
    },
    /// The attempt failed; it is tried again while retries are left.
    Failed {
        /// Why, with its chain of causes.
        error: String,
        /// How long whoever failed us asked to be left alone.
        retry_after: Option<Duration>,
        /// What the handler wants back in [`End::Dead`] if this was the last attempt.
        report: Option<Value>,
    },
    /// Stopped because it was told to; nothing of it counts.
    Interrupted,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It ran to its end, with what it returned.
    Finished(Value),
    /// It was too late to run it.
    Expired,
    /// It had failed, and its time ran out between retries. There is no dead letter of it.
    FailedAndExpired {
        /// The error of its last attempt.
        error: String,
    },
    /// Somebody said that it must not run.
    Revoked {
        /// It was running, and was ended.
        is_terminated: bool,
    },
    /// It is given up: there is a dead letter.
    Dead {
        /// A stable word, such as `retries_exhausted`.
        reason: String,
        /// The error, with its chain of causes.
        error: String,
        /// What the last attempt left.
        report: Option<Value>,
    },
}

/// What [`Handler::outcome`] says of a job that did not run because another one had done its work.
pub const SUPERSEDED: &str = "superseded";

/// What runs jobs. It knows the domain; the queue does not.
pub trait Handler: Send + Sync + 'static {
    /// Whether a task of this name can be run.
    fn knows(&self, task: &str) -> bool;

    /// Runs one attempt. It may be run again after any part of it, so every effect must be idempotent. When `stop`
    /// is cancelled it should end at its next safe point with [`Ending::Interrupted`]; it is dropped soon after.
    fn run(&self, attempt: Arc<Attempt>, stop: CancellationToken) -> impl Future<Output = Ending> + Send;

    /// The word of metrics for what a job returned that is done: one of a few; [`SUPERSEDED`] where it did not run.
    fn outcome(&self, _returned: &Value) -> &'static str {
        "success"
    }

    /// Writes down and tells how a job ended without finishing. Returns the end that stands: another one where the job had
    /// ended before. Where a dead letter says it as well, it need not be written down.
    ///
    /// # Errors
    /// Text for the log; the job then goes back to its queue and ends another time.
    fn conclude(&self, attempt: &Attempt, end: End) -> impl Future<Output = Result<End, String>> + Send;

    /// Notes what a job waits for, once it is certain that it comes back. Best effort, for people who look; it may take a
    /// second at most.
    fn note_wait(&self, _attempt: &Attempt, _wait: &Wait) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Tells a Celery result (`celery::result`) to those who wait for it. Best effort: it fails for itself, and is logged.
    fn tell_result(&self, waiting: &Waiting, result: Value) -> impl Future<Output = ()> + Send;
}
