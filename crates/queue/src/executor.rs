use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use celery::{Envelope, Reason, Sequel, TaskMessage, Waiting};
use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, info_span, warn};

use crate::copy::{self, Again};
use crate::decide::{Disposition, Event, Facts, decide};
use crate::delay::DelayStep;
use crate::events::{self, Events};
use crate::handler::{Attempt, End, Ending, Handler};
use crate::roster::Roster;
use crate::{PublishError, Publisher, RetryPolicy, WorkQueue};
use crate::{headers, returns, telemetry};

/// How long a run that was told to stop may take to reach a safe point before it is dropped.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// How long the telling of an end may take; then the delivery goes back, to end another time.
const CONCLUDE_LIMIT: Duration = Duration::from_secs(60);
/// How long a queue that refused a copy is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// How often a message is offered again to a queue that is not ours.
const FOREIGN_REFUSALS_MAX: usize = 3;
/// How long an end waits that nobody could write down.
const END_PAUSE: Duration = Duration::from_secs(8);
/// A job waits in its slot for a place under a rate limit when that is no longer off; else it is parked.
const RATE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a job waits whose account is held by another run.
const HOLD_DELAY: Duration = Duration::from_secs(1);

/// A job that is to wait for longer would go round the delay steps for as long as anybody lives.
const ETA_MAX: chrono::Duration = chrono::Duration::days(366);

/// Takes one delivery from its arrival to its disposition. The only place that acks.
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

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpublished {
    /// The delivery is no longer ours.
    #[error("the connection was lost")]
    Lost,
    /// It cannot be published.
    #[error(transparent)]
    Failed(#[from] PublishError),
}

/// The session a delivery belongs to.
#[derive(Clone)]
pub(crate) struct Session {
    /// Cancelled when the session is over: its deliveries are no longer ours.
    pub(crate) lost: CancellationToken,
    /// Cancelled when the grace of a shutdown has passed: runs are cut short and given back.
    pub(crate) interrupt: CancellationToken,
}

impl<H: Handler> Executor<H> {
    /// Handles one delivery.
    pub(crate) async fn handle(&self, delivery: Delivery, queue: WorkQueue, session: &Session) {
        let begun = Instant::now();
        // A body that is too large is copied twice on its way to the dead letters: one such at a time.
        let _alone = match delivery.data.len() > celery::BODY_LIMIT {
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let received = match returns::renewals_due(&delivery) {
            Some(renewals) => Err(Box::new(Handled::of_bare(Event::Returned { renewals }))),
            None => self.receive(&delivery, queue, Utc::now()),
        };
        let handled = match received {
            Ok(attempt) => {
                let attempt = Arc::new(attempt);
                let span = info_span!("job", id = %attempt.task.id, task = %attempt.task.task,
                                      queue = queue.name(), retries = attempt.task.retries);
                let (event, report) = self.attempt(&attempt, session).instrument(span).await;
                Handled { waiting: None, attempt: Some(attempt), event, report }
            }
            Err(unready) => {
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
        if let Some(attempt) = &handled.attempt {
            let result = handled.report.as_ref();
            let (id, event) = (&attempt.task.id, &handled.event);
            events::tell_end(&self.events, id, event, &disposition, result, begun.elapsed());
        }
        self.dispose(&delivery, queue, handled, disposition, session).await;
    }

    /// Decodes and looks at what can be known without running.
    fn receive(
        &self,
        delivery: &Delivery,
        queue: WorkQueue,
        now: DateTime<Utc>,
    ) -> Result<Attempt, Box<Handled>> {
        let properties = &delivery.properties;
        let header_map = properties.headers().as_ref().map(headers::to_json).unwrap_or_default();
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
        let last_error = header_map.get(copy::LAST_ERROR).and_then(|text| text.as_str()).map(str::to_owned);
        let reply_to = waits_in(properties);
        let attempt = Attempt { task, queue, redelivered: delivery.redelivered, last_error, reply_to };
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

    /// Runs the handler within the time limit, guarding against its panics.
    async fn attempt(&self, attempt: &Arc<Attempt>, session: &Session) -> (Event, Option<serde_json::Value>) {
        if let Some(delay) = self.admit(&attempt.task, session).await {
            return (Event::Waiting { delay }, None);
        }
        let most = self.roster.time_limit(&attempt.task.task).unwrap_or(self.time_limit);
        let asked = [attempt.task.time_limit, attempt.task.soft_time_limit];
        let limit = asked.into_iter().flatten().fold(most, Duration::min);
        let run = self.roster.begin(attempt, Utc::now());
        self.events.tell(|| celery::Event::received(&attempt.task));
        self.events.tell(|| celery::Event::started(&attempt.task.id));
        self.tell_start(attempt, session).await;
        let stop = session.lost.child_token();
        let (handler, job, token) = (Arc::clone(&self.handler), Arc::clone(attempt), stop.clone());
        // Boxed, so that the types of everything a job does end here.
        let handled: Pin<Box<dyn Future<Output = Ending> + Send>> =
            Box::pin(async move { handler.run(job, token).await });
        let mut running = tokio::spawn(handled.in_current_span());
        let ended = tokio::select! {
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
            Ok(Ending::Waiting { delay }) => (Event::Waiting { delay }, None),
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

    /// Carries a disposition out: publish and confirm first, ack last.
    async fn dispose(
        &self,
        delivery: &Delivery,
        queue: WorkQueue,
        handled: Handled,
        disposition: Disposition,
        session: &Session,
    ) {
        let id = handled.attempt.as_ref().map(|attempt| attempt.task.id.clone());
        let has_no_letter = matches!(
            disposition,
            Disposition::Expire | Disposition::FailExpired | Disposition::Revoke { .. }
        );
        let ready = match disposition {
            Disposition::Ack => Ok(()),
            Disposition::Requeue => {
                info!(id, "interrupted: given back to {}", queue.name());
                return self.give_back(delivery, session).await;
            }
            Disposition::Expire => {
                info!(id, "expired before it could run");
                self.conclude(&handled, End::Expired, session).await
            }
            Disposition::FailExpired => {
                let error = (handled.attempt.as_ref().and_then(|attempt| attempt.last_error.clone()))
                    .unwrap_or_else(|| "expired between retries".to_owned());
                warn!(id, error, "expired between retries: {error}");
                self.conclude(&handled, End::FailedAndExpired { error }, session).await
            }
            Disposition::Revoke { is_terminated } => {
                info!(id, is_terminated, "revoked");
                self.conclude(&handled, End::Revoked { is_terminated }, session).await
            }
            Disposition::Retry { retries, due, delay, error } => {
                let seconds = delay.as_secs_f64();
                let retries_max = self.policy.retries;
                warn!(
                    id,
                    retry = retries,
                    delay_seconds = seconds,
                    error,
                    "attempt failed, retry {retries} of {retries_max} in {seconds:.1} s: {error}"
                );
                let again = Again::Retry { retries, due, error: &error, now: Utc::now() };
                let copy = copy::delayed(delivery, queue, DelayStep::towards(delay), &again);
                let published = self.publish(copy, session).await;
                if let (Ok(()), Some(attempt)) = (&published, &handled.attempt) {
                    self.tell_retry(attempt, &error, session).await;
                }
                published.map_err(|error| error.to_string())
            }
            Disposition::Park { delay, due } => {
                let step = DelayStep::towards(delay);
                debug!(id, delay_seconds = delay.as_secs_f64(), "parked for {:?}", step.duration());
                let again = due.map_or(Again::Unchanged, Again::At);
                self.publish_copy(copy::delayed(delivery, queue, step, &again), session).await
            }
            Disposition::Renew { renewals, delay } => {
                warn!(
                    renewals,
                    "returned to {} ten times: renewed, so that RabbitMQ does not drop it",
                    queue.name()
                );
                let again = Again::Renewed(renewals);
                self.publish_copy(copy::delayed(delivery, queue, DelayStep::towards(delay), &again), session)
                    .await
            }
            Disposition::Dead { reason, error } => {
                error!(id, reason, error, "dead: {reason}: {error}");
                self.bury(delivery, queue, handled, reason, error, session).await
            }
        };
        match ready {
            Ok(()) => self.ack(delivery, session).await,
            Err(error) if has_no_letter && !session.lost.is_cancelled() => {
                warn!(id, error, "its end cannot be written down, it waits for {END_PAUSE:?}: {error}");
                let again = copy::delayed(delivery, queue, DelayStep::towards(END_PAUSE), &Again::Unchanged);
                match self.publish_copy(again, session).await {
                    Ok(()) => self.ack(delivery, session).await,
                    Err(_) => self.give_back(delivery, session).await,
                }
            }
            Err(error) => {
                error!(id, error, "disposition failed, given back to {}: {error}", queue.name());
                // It comes here again at once, so the pause is ours to make.
                let pause = tokio::time::sleep(REFUSED_PAUSE);
                tokio::select! { () = pause => {}, () = session.lost.cancelled() => {} }
                self.give_back(delivery, session).await;
            }
        }
    }

    /// The letter first: once the job has an outcome nobody would write it any more.
    async fn bury(
        &self,
        delivery: &Delivery,
        queue: WorkQueue,
        mut handled: Handled,
        reason: String,
        error: String,
        session: &Session,
    ) -> Result<(), String> {
        let attempts = handled.attempt.as_ref().map_or(0, |attempt| attempt.task.retries.saturating_add(1));
        let letter = copy::dead(delivery, queue, &reason, &error, attempts, &self.worker, Utc::now());
        self.publish_copy(letter, session).await?;
        let report = handled.report.take();
        self.conclude(&handled, End::Dead { reason, error, report }, session).await
    }

    /// Writes down and tells how a job ended without finishing.
    async fn conclude(&self, handled: &Handled, end: End, session: &Session) -> Result<(), String> {
        if let Some(waiting) = &handled.waiting {
            self.tell_refusal(waiting, &end, session).await;
        }
        let Some(attempt) = &handled.attempt else { return Ok(()) };
        let stands = tokio::select! {
            concluded = self.handler.conclude(attempt, end.clone()) => concluded?,
            () = tokio::time::sleep(CONCLUDE_LIMIT) => {
                return Err(format!("its end could not be told within {} s", CONCLUDE_LIMIT.as_secs()));
            }
            () = session.lost.cancelled() => return Err(Unpublished::Lost.to_string()),
        };
        let followed = self.follow_end(attempt, &end, &stands, session).await;
        followed.map_err(|error| error.to_string())
    }

    async fn publish_copy(&self, copy: crate::Message, session: &Session) -> Result<(), String> {
        self.publish(copy, session).await.map_err(|error| error.to_string())
    }

    /// Publishes and waits for the confirm, for as long as the delivery is ours. A queue of ours that refuses (it is full, or
    /// has no majority) is asked again, since giving the job back would only bring it here again at once; somebody else's is
    /// not waited for that long.
    pub(crate) async fn publish(
        &self,
        message: crate::Message,
        session: &Session,
    ) -> Result<(), Unpublished> {
        let message = Arc::new(message);
        let publish = async {
            let mut refusals = 0;
            loop {
                match self.publisher.publish(Arc::clone(&message)).await {
                    Err(error @ PublishError::Nacked)
                        if message.destination.is_ours() || refusals < FOREIGN_REFUSALS_MAX =>
                    {
                        if refusals == 0 {
                            warn!(id = message.message_id, "not taken, offered again each second: {error}");
                        }
                        refusals += 1;
                        tokio::time::sleep(REFUSED_PAUSE).await;
                    }
                    published => return published.map_err(Unpublished::Failed),
                }
            }
        };
        tokio::select! {
            published = publish => published,
            () = session.lost.cancelled() => Err(Unpublished::Lost),
        }
    }

    async fn ack(&self, delivery: &Delivery, session: &Session) {
        let sent = delivery.acker.ack(BasicAckOptions::default());
        self.check_sent(tokio::time::timeout(STOP_LIMIT, sent).await, session);
    }

    /// Gives a delivery back to its queue, uncharged; also one that has not started when a shutdown begins.
    pub(crate) async fn give_back(&self, delivery: &Delivery, session: &Session) {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.check_sent(tokio::time::timeout(STOP_LIMIT, delivery.acker.nack(options)).await, session);
    }

    /// `Ok(false)` means that the channel was dead and nothing was sent: the session is over.
    fn check_sent(&self, sent: Result<lapin::Result<bool>, tokio::time::error::Elapsed>, session: &Session) {
        if !matches!(sent, Ok(Ok(true))) && !session.lost.is_cancelled() {
            warn!("an acknowledgement could not be sent: the session is over");
            session.lost.cancel();
        }
    }
}

/// What happened to a delivery, and what is known of it.
struct Handled {
    /// The job, if it could be decoded.
    attempt: Option<Arc<Attempt>>,
    /// Who waits for a message that could not be decoded, where that is known.
    waiting: Option<Waiting>,
    event: Event,
    /// What the handler wants back if this was the last attempt, or returned.
    report: Option<serde_json::Value>,
}

impl Handled {
    /// Of a message that was not decoded.
    fn of_bare(event: Event) -> Self {
        Self { attempt: None, waiting: None, event, report: None }
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
