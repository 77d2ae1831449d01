//! What becomes of a delivery, carried out. The only place that acks, through `settle.rs`.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use lapin::message::Delivery;
use tracing::{Span, debug, error, info, warn};

use crate::copy::{self, Again};
use crate::decide::Disposition;
use crate::delay::DelayStep;
use crate::executor::{Executor, Handled, Session};
use crate::handler::{End, Handler};
use crate::settle::Held;
use crate::{PublishError, Wait, WorkQueue, trace};

/// How long the telling of an end may take; then the delivery goes back, to end another time.
const CONCLUDE_LIMIT: Duration = Duration::from_secs(60);
/// How long a queue that refused a copy is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// How often a message is offered again to a queue that is not ours.
const FOREIGN_REFUSALS_MAX: usize = 3;
/// How long an end waits that nobody could write down.
const END_PAUSE: Duration = Duration::from_secs(8);

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

impl<H: Handler> Executor<H> {
    /// Carries a disposition out: publish and confirm first, ack last.
    pub(crate) async fn dispose(
        &self,
        held: Box<Held>,
        handled: Handled,
        disposition: Disposition,
        wait: Option<Wait>,
    ) {
        let (delivery, queue, session) = (&held.delivery, held.queue, &*held.session);
        let attempt = handled.attempt.clone();
        let id = attempt.as_ref().map(|attempt| attempt.task.id.clone());
        let has_no_letter = matches!(
            disposition,
            Disposition::Expire | Disposition::FailExpired | Disposition::Revoke { .. }
        );
        let ready = match disposition {
            Disposition::Ack => Ok(()),
            Disposition::Requeue => {
                info!(id, "interrupted: given back to {}", queue.name());
                return held.give_back();
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
            Ok(()) => {
                if let (Some(wait), Some(attempt)) = (&wait, &attempt) {
                    let noted = self.handler.note_wait(attempt, wait);
                    tokio::select! { () = noted => {}, () = session.lost.cancelled() => {} }
                }
                held.ack();
            }
            Err(error) if has_no_letter && !session.lost.is_cancelled() => {
                warn!(id, error, "its end cannot be written down, it waits for {END_PAUSE:?}: {error}");
                let again = copy::delayed(delivery, queue, DelayStep::towards(END_PAUSE), &Again::Unchanged);
                match self.publish_copy(again, session).await {
                    Ok(()) => held.ack(),
                    Err(_) => held.give_back(),
                }
            }
            Err(error) => {
                trace::fail(&Span::current(), &error);
                error!(id, error, "disposition failed, given back to {}: {error}", queue.name());
                // It comes here again at once, so the pause is ours to make.
                let pause = tokio::time::sleep(REFUSED_PAUSE);
                tokio::select! { () = pause => {}, () = session.lost.cancelled() => {} }
                held.give_back();
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
}
