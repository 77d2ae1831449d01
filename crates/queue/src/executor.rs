use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use celery::{Envelope, Reason, Sequel, TaskMessage, Waiting};
use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::message::Delivery;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info_span};

use crate::copy;
use crate::decide::{Disposition, Event, Facts, decide};
use crate::events::{self, Events};
use crate::handler::{Attempt, Ending, Handler, SUPERSEDED};
use crate::progress::Progress;
use crate::roster::Roster;
use crate::settle::Held;
use crate::wait::Wait;
use crate::{Publisher, RetryPolicy, WorkQueue};
use crate::{headers, returns, telemetry, trace};

/// How long a run that was told to stop may take to reach a safe point before it is dropped.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(2);
/// A job waits in its slot for a place under a rate limit when that is no longer off; else it is parked.
const RATE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a job waits whose account is held by another run.
const HOLD_DELAY: Duration = Duration::from_secs(1);

/// A job that is to wait for longer would go round the delay steps for as long as anybody lives.
const ETA_MAX: chrono::Duration = chrono::Duration::days(366);

/// Takes one delivery from its arrival to its disposition, which `dispose.rs` carries out.
pub(crate) struct Executor<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) publisher: Publisher,
    pub(crate) policy: RetryPolicy,
    pub(crate) time_limit: Duration,
    /// Deaths of its worker that a job may cause.
    pub(crate) crash_limit: u32,
    pub(crate) worker: String,
    /// Has one permit: see [`Executor::handle`].
    pub(crate) large: Semaphore,
    /// What runs, for remote control.
    pub(crate) roster: Arc<Roster>,
    /// Where Celery's monitors hear of it.
    pub(crate) events: Arc<Events>,
    /// Whether clients are told when a job starts.
    pub(crate) tracks_started: bool,
}

/// The session a delivery belongs to.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Cancelled when the session is over: its deliveries are no longer ours.
    pub(crate) lost: CancellationToken,
    /// Cancelled when the grace of a shutdown has passed: runs are cut short and given back.
    pub(crate) interrupt: CancellationToken,
    /// Has a token for each delivery that is not settled.
    pub(crate) jobs: TaskTracker,
}

impl<H: Handler> Executor<H> {
    /// Handles one delivery.
    pub(crate) async fn handle(&self, mut held: Box<Held>) {
        let span = trace::processing(&mut held.delivery, held.queue);
        self.process(held, &span).instrument(span.clone()).await;
    }

    async fn process(&self, held: Box<Held>, span: &Span) {
        let Held { delivery, queue, session, .. } = &*held;
        let (queue, begun) = (*queue, Instant::now());
        // A body that is too large is copied twice on its way to the dead letters: one such at a time.
        let _alone = match delivery.data.len() > celery::BODY_LIMIT {
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let received = match returns::renewals_due(delivery) {
            Some(renewals) => Err(Box::new(Handled::of_bare(Event::Returned { renewals }))),
            None => self.receive(delivery, queue, Utc::now(), span),
        };
        // What is logged of its end belongs to the job as well.
        let mut log_span = Span::none();
        let handled = match received {
            Ok(attempt) => {
                let attempt = Arc::new(attempt);
                log_span = span_of(&attempt);
                let (event, report) = self.attempt(&attempt, session).instrument(log_span.clone()).await;
                Handled { waiting: None, attempt: Some(attempt), event, report }
            }
            Err(unready) => {
                if let Some(attempt) = &unready.attempt {
                    log_span = span_of(attempt);
                }
                if let (Some(attempt), Event::Refused { .. } | Event::Expired | Event::Revoked { .. }) =
                    (&unready.attempt, &unready.event)
                {
                    self.events.tell(|| celery::Event::received(&attempt.task));
                }
                *unready
            }
        };
        if session.lost.is_cancelled() {
            debug!("delivery of a lost session: RabbitMQ gives it to somebody again");
            return;
        }
        let retries = handled.attempt.as_ref().map_or(0, |attempt| attempt.task.retries);
        let facts = Facts {
            retries,
            retries_max: self.policy.retries,
            retry_delay: self.policy.delay(retries),
            hold_delay: HOLD_DELAY,
            crash_limit: self.crash_limit,
            crash_jitter: crate::backoff::spread(),
            now: Utc::now(),
        };
        let disposition = decide(&handled.event, &facts);
        telemetry::count(queue, &handled.event, &disposition);
        let last_error = handled.attempt.as_ref().and_then(|attempt| attempt.last_error.as_deref());
        let wait = Wait::of(&handled.event, &disposition, &facts, last_error);
        let task = handled.attempt.as_ref().map(|attempt| attempt.task.task.as_str());
        let returned = handled.report.as_ref().map(|returned| self.handler.outcome(returned));
        let task = task.filter(|task| self.handler.knows(task));
        telemetry::count_end(task, &handled.event, &disposition, returned);
        tell_trace(span, &handled, &disposition);
        if let Some(attempt) = &handled.attempt {
            let result = handled.report.as_ref();
            let (id, event) = (&attempt.task.id, &handled.event);
            events::tell_end(&self.events, id, event, &disposition, result, begun.elapsed());
        }
        // Boxed, so that it takes no room in a job that still runs.
        Box::pin(self.dispose(held, handled, disposition, wait)).instrument(log_span).await;
    }

    /// Decodes and looks at what can be known without running.
    fn receive(
        &self,
        delivery: &Delivery,
        queue: WorkQueue,
        now: DateTime<Utc>,
        span: &Span,
    ) -> Result<Attempt, Box<Handled>> {
        let properties = &delivery.properties;
        let table = properties.headers().as_ref();
        let header_map =
            table.map(|table| headers::some_to_json(table, celery::reads_header)).unwrap_or_default();
        let envelope = Envelope {
            content_type: properties.content_type().as_ref().map(|text| text.as_str()),
            content_encoding: properties.content_encoding().as_ref().map(|text| text.as_str()),
            correlation_id: properties.correlation_id().as_ref().map(|text| text.as_str()),
            headers: &header_map,
            body: &delivery.data,
        };
        let task = celery::decode(&envelope).map_err(|error| {
            let reason = error.reason.as_str().to_owned();
            let event = Event::Refused { reason, error: error.to_string() };
            let waiting = error.id.map(|id| Waiting { id, reply_to: waits_in(properties) });
            Box::new(Handled { waiting, ..Handled::of_bare(event) })
        })?;
        let last_error = table.and_then(|table| headers::text(table, copy::LAST_ERROR));
        let reply_to = waits_in(properties);
        let (redelivered, span) = (delivery.redelivered, span.clone());
        let progress = Progress::default();
        let attempt = Attempt { task, queue, redelivered, last_error, reply_to, progress, span };
        match self.not_now(&attempt.task, now) {
            Some(event) => {
                Err(Box::new(Handled { attempt: Some(Arc::new(attempt)), ..Handled::of_bare(event) }))
            }
            None => Ok(attempt),
        }
    }

    /// Why a decoded job must not run now, if so.
    fn not_now(&self, task: &TaskMessage, now: DateTime<Utc>) -> Option<Event> {
        if !self.handler.knows(&task.task) {
            let error = format!("this worker has no task {:?}", task.task);
            return Some(Event::Refused { reason: "unknown_task".to_owned(), error });
        }
        if !task.embed.is_empty()
            && let Err(error) = Sequel::of(task)
        {
            // Dropping what should follow would leave its caller waiting for ever.
            let what = if task.embed.has_chord() { "chord" } else { "callbacks" };
            return Some(Event::Refused { reason: format!("unsupported_{what}"), error: error.to_string() });
        }
        if self.roster.is_revoked(&task.id) {
            return Some(Event::Revoked { is_terminated: false });
        }
        if task.expires.is_some_and(|expires| expires <= now) {
            return Some(Event::Expired);
        }
        let eta = task.eta.filter(|eta| *eta > now)?;
        if eta - now > ETA_MAX {
            let error = format!("eta is more than {} days ahead", ETA_MAX.num_days());
            return Some(Event::Refused { reason: Reason::BadHeaders.as_str().to_owned(), error });
        }
        Some(Event::Early { eta })
    }

    /// Runs a job when its rate limit allows it.
    async fn attempt(&self, attempt: &Arc<Attempt>, session: &Session) -> (Event, Option<serde_json::Value>) {
        if let Some(delay) = self.admit(&attempt.task, session).await {
            return (Event::Waiting { delay, why: "task_rate_limit" }, None);
        }
        let (begun, wait) = (Instant::now(), telemetry::wait_of(&attempt.task, Utc::now()));
        let ended = self.run(attempt, session).await;
        let returned = ended.1.as_ref().map(|returned| self.handler.outcome(returned));
        if returned != Some(SUPERSEDED) {
            telemetry::count_run(&attempt.task, attempt.queue, wait, begun.elapsed(), &ended.0);
        }
        ended
    }

    /// Runs the handler within the time limit, guarding against its panics.
    async fn run(&self, attempt: &Arc<Attempt>, session: &Session) -> (Event, Option<serde_json::Value>) {
        let run = self.roster.begin(attempt, Utc::now());
        let most = run.time_limit.unwrap_or(self.time_limit);
        let asked = [attempt.task.time_limit, attempt.task.soft_time_limit];
        let limit = asked.into_iter().flatten().fold(most, Duration::min);
        self.events.tell(|| celery::Event::received(&attempt.task));
        self.events.tell(|| celery::Event::started(&attempt.task.id));
        self.tell_start(attempt, session).await;
        let stop = CancellationToken::new();
        let (handler, job, token) = (Arc::clone(&self.handler), Arc::clone(attempt), stop.clone());
        // Boxed, so that the types of everything a job does end here.
        let handled: Pin<Box<dyn Future<Output = Ending> + Send>> =
            Box::pin(async move { handler.run(job, token).await });
        // The logs' span inside that of the trace, as around us.
        let mut running = tokio::spawn(handled.in_current_span().instrument(attempt.span.clone()));
        let ended = tokio::select! {
            biased;
            ended = &mut running => ended,
            () = tokio::time::sleep(limit) => {
                // It gives back what it holds; nobody should take its end for the death of its worker.
                stop.cancel();
                if tokio::time::timeout(STOP_LIMIT, &mut running).await.is_err() {
                    running.abort();
                }
                let error = format!("time limit of {} s exceeded", limit.as_secs());
                return (Event::Failed { error, retry_after: None }, None);
            }
            () = run.terminated.cancelled() => {
                stop.cancel();
                let ended = tokio::time::timeout(STOP_LIMIT, &mut running).await;
                running.abort();
                match ended {
                    // It was done before it heard of it.
                    Ok(ended @ Ok(Ending::Finished(_) | Ending::EndedBefore(_))) => ended,
                    _ => return (Event::Revoked { is_terminated: true }, None),
                }
            }
            () = async { tokio::select! {
                () = session.lost.cancelled() => {}
                () = session.interrupt.cancelled() => {}
            }} => {
                stop.cancel();
                match tokio::time::timeout(STOP_LIMIT, &mut running).await {
                    Ok(ended) => ended,
                    Err(_) => { running.abort(); return (Event::Interrupted, None) }
                }
            }
        };
        match ended {
            Ok(Ending::Finished(returned)) => self.finish(attempt, returned, session).await,
            Ok(Ending::EndedBefore(end)) => self.finish_again(attempt, end, session).await,
            Ok(Ending::Held) => (Event::Held, None),
            Ok(Ending::Crashed { crashes }) => (Event::Crashed { crashes }, None),
            Ok(Ending::Waiting { delay, why }) => (Event::Waiting { delay, why }, None),
            Ok(Ending::Refused { reason, error }) => (Event::Refused { reason, error }, None),
            Ok(Ending::Failed { error, retry_after, report }) => {
                (Event::Failed { error, retry_after }, report)
            }
            Ok(Ending::Interrupted) => (Event::Interrupted, None),
            Err(join) => {
                (Event::Failed { error: format!("panicked: {}", panic_text(join)), retry_after: None }, None)
            }
        }
    }

    /// Waits for a place under the task's rate limit if that is soon, or says how long it will take.
    async fn admit(&self, task: &TaskMessage, session: &Session) -> Option<Duration> {
        while let Some(delay) = self.roster.admit(task) {
            if delay > RATE_PATIENCE {
                return Some(delay);
            }
            let pause = tokio::time::sleep(delay);
            tokio::select! { () = pause => {}, () = session.lost.cancelled() => return Some(delay) }
        }
        None
    }
}

/// What happened to a delivery, and what is known of it.
pub(crate) struct Handled {
    /// The job, if it could be decoded.
    pub(crate) attempt: Option<Arc<Attempt>>,
    /// Who waits for a message that could not be decoded, where that is known.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) event: Event,
    /// What the handler wants back if this was the last attempt, or returned.
    pub(crate) report: Option<serde_json::Value>,
}

impl Handled {
    /// Of a message that was not decoded.
    fn of_bare(event: Event) -> Self {
        Self { attempt: None, waiting: None, event, report: None }
    }
}

/// What log lines of a job say of it. Its handler knows the account.
fn span_of(attempt: &Attempt) -> Span {
    info_span!("job", id = %attempt.task.id, task = %attempt.task.task, queue = attempt.queue.name(),
               retries = attempt.task.retries, account = Empty)
}

/// What a delivery was, what becomes of it, and what was wrong with it, for its trace.
fn tell_trace(span: &Span, handled: &Handled, disposition: &Disposition) {
    if span.is_disabled() {
        return;
    }
    if let Some(attempt) = &handled.attempt {
        span.record("syncfleet.task", &attempt.task.task);
        span.record("syncfleet.retries", trace::number(attempt.task.retries));
    }
    span.record("syncfleet.disposition", telemetry::disposition_name(disposition));
    if let Event::Failed { error, .. } | Event::Refused { error, .. } = &handled.event {
        trace::fail(span, error);
    }
}

/// The queue in which whoever sent it waits for results. To RabbitMQ's own queues only their owners may send.
fn waits_in(properties: &BasicProperties) -> Option<String> {
    let reply_to = properties.reply_to().as_ref()?.to_string();
    Some(reply_to).filter(|queue| !queue.is_empty() && !queue.starts_with("amq."))
}

fn panic_text(join: tokio::task::JoinError) -> String {
    match join.try_into_panic() {
        Ok(panic) => match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_owned(),
            None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".to_owned()),
        },
        Err(error) => error.to_string(),
    }
}
