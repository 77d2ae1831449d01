//! What comes after a job's end: the tasks that follow it, and what those who wait are told.

use std::time::Duration;

use celery::{FollowUp, Sequel, Waiting, result};
use chrono::Utc;
use serde_json::Value;
use tracing::{error, warn};

use crate::decide::Event;
use crate::dispose::Unpublished;
use crate::executor::{Executor, Session};
use crate::handler::{Attempt, End, Handler};
use crate::{Destination, Message, results};

/// Why a job whose followers have no queue is a dead letter.
const UNROUTABLE: &str = "unroutable_callback";
/// Where Celery sends a task that names no queue.
const CELERY_QUEUE: &str = "celery";
/// Most who are told that what they wait for will not run, and how long that may take.
const WAITING_MAX: usize = 1000;
const TELL_LIMIT: Duration = Duration::from_secs(20);
/// How long the errbacks of a job may take: their queues may be full.
const ERRBACKS_LIMIT: Duration = Duration::from_secs(20);

impl<H: Handler> Executor<H> {
    /// Sends what follows a job that has run to its end, then tells its result.
    pub(crate) async fn finish(
        &self,
        attempt: &Attempt,
        returned: Value,
        session: &Session,
    ) -> (Event, Option<Value>) {
        let mut followers = Vec::new();
        if !attempt.task.embed.is_empty() {
            followers = match Box::pin(self.send_followers(attempt, &returned, session)).await {
                Ok(followers) => followers,
                Err(event) => return (event, None),
            };
        }
        if let Some(waiting) = attempt.waiting() {
            let result = result::success(&waiting.id, returned.clone(), &followers, Utc::now());
            Box::pin(self.tell(&waiting, result, session)).await;
        }
        (Event::Finished, Some(returned))
    }

    /// Makes up for what a worker that died may have left undone after a job's end.
    pub(crate) async fn finish_again(
        &self,
        attempt: &Attempt,
        end: End,
        session: &Session,
    ) -> (Event, Option<Value>) {
        match end {
            End::Finished(returned) => self.finish(attempt, returned, session).await,
            end => match Box::pin(self.follow_end(attempt, &end, &end, session)).await {
                Ok(()) => (Event::EndedBefore, None),
                Err(_) => (Event::Interrupted, None),
            },
        }
    }

    /// Its callbacks and the rest of its chain; returns their ids. They are confirmed before the job is acked, and have the
    /// same ids when a worker dies in between and they are sent again.
    async fn send_followers(
        &self,
        attempt: &Attempt,
        returned: &Value,
        session: &Session,
    ) -> Result<Vec<String>, Event> {
        let refused = |error| Event::Refused { reason: UNROUTABLE.to_owned(), error };
        let sequel = Sequel::of(&attempt.task).map_err(|error| refused(error.to_string()))?;
        let mut ids = Vec::new();
        for next in sequel.after_success(&attempt.task, returned, &self.worker, Utc::now()) {
            let queue = self.destination(&next, attempt).routing_key().to_owned();
            let what = format!("{} ({}) for {queue}", next.task, next.id);
            ids.push(next.id.clone());
            match self.send(next, attempt, session).await {
                Ok(()) => {}
                Err(Unpublished::Lost) => return Err(Event::Interrupted),
                Err(Unpublished::Failed(error)) => {
                    return Err(refused(format!(
                        "it is done, but what follows it was not sent: {what}: {error}; see to that queue, then replay this job"
                    )));
                }
            }
        }
        Ok(ids)
    }

    /// Sends what follows a job that did not finish, and tells its end. `stands` is how it had ended before, if it had.
    pub(crate) async fn follow_end(
        &self,
        attempt: &Attempt,
        end: &End,
        stands: &End,
        session: &Session,
    ) -> Result<(), Unpublished> {
        if matches!(stands, End::Dead { .. } | End::FailedAndExpired { .. }) {
            let sent = self.send_errbacks(attempt, session);
            match tokio::time::timeout(ERRBACKS_LIMIT, sent).await {
                Ok(sent) => sent?,
                Err(_) => {
                    error!(id = attempt.task.id, "not all errbacks were sent within {ERRBACKS_LIMIT:?}")
                }
            }
        }
        self.tell_end(attempt, end, stands, session).await;
        Ok(())
    }

    /// One that cannot be sent does not keep the others.
    async fn send_errbacks(&self, attempt: &Attempt, session: &Session) -> Result<(), Unpublished> {
        for next in celery::after_failure(&attempt.task, &self.worker, Utc::now()) {
            let (id, task) = (next.id.clone(), next.task.clone());
            match self.send(next, attempt, session).await {
                Err(Unpublished::Failed(why)) => {
                    error!(id, task, error = %why, "an errback of {} was not sent: {why}", attempt.task.id);
                }
                sent => sent?,
            }
        }
        Ok(())
    }

    async fn send(&self, next: FollowUp, attempt: &Attempt, session: &Session) -> Result<(), Unpublished> {
        let destination = self.destination(&next, attempt);
        self.publish(Message::follow_up(next, destination, attempt.reply_to.as_deref()), session).await
    }

    /// A task of ours that names no queue stays where its predecessor was.
    fn destination(&self, next: &FollowUp, attempt: &Attempt) -> Destination {
        match &next.queue {
            Some(queue) => Destination::Queue(queue.clone()),
            None if self.handler.knows(&next.task) => Destination::Work(attempt.queue),
            None => Destination::Queue(CELERY_QUEUE.to_owned()),
        }
    }

    /// Tells that a job runs, where that is wanted.
    pub(crate) async fn tell_start(&self, attempt: &Attempt, session: &Session) {
        if self.tracks_started
            && let Some(waiting) = attempt.waiting()
        {
            let started = result::started(&waiting.id, std::process::id(), &self.worker);
            Box::pin(self.tell(&waiting, started, session)).await;
        }
    }

    /// Tells that a job failed and comes back.
    pub(crate) async fn tell_retry(&self, attempt: &Attempt, error: &str, session: &Session) {
        if let Some(waiting) = attempt.waiting() {
            self.tell(&waiting, results::of_retry(&waiting.id, error), session).await;
        }
    }

    /// Tells how a job ended that did not finish, also to those who wait for what should have followed it. `stands` is how
    /// it had ended before, if it had.
    async fn tell_end(&self, attempt: &Attempt, end: &End, stands: &End, session: &Session) {
        if let Some(waiting) = attempt.waiting() {
            self.tell(&waiting, results::of(&waiting.id, stands, Utc::now()), session).await;
        }
        let unreached = match (end, stands) {
            (End::Dead { reason, .. }, _) if reason == UNROUTABLE => end,
            // It is a duplicate: what follows was sent.
            (_, End::Finished(_)) => return,
            _ => stands,
        };
        let waiting = celery::waiting(&attempt.task.embed);
        let told = async {
            for waiting in waiting.iter().take(WAITING_MAX) {
                self.tell(waiting, results::of(&waiting.id, unreached, Utc::now()), session).await;
            }
        };
        if tokio::time::timeout(TELL_LIMIT, told).await.is_err() || waiting.len() > WAITING_MAX {
            warn!(
                id = attempt.task.id,
                "{} wait for what should have followed: not all were told",
                waiting.len()
            );
        }
    }

    /// Tells whoever sent what could not be decoded.
    pub(crate) async fn tell_refusal(&self, waiting: &Waiting, end: &End, session: &Session) {
        self.tell(waiting, results::of(&waiting.id, end, Utc::now()), session).await;
    }

    /// For as long as the delivery is ours.
    async fn tell(&self, waiting: &Waiting, result: Value, session: &Session) {
        tokio::select! {
            () = self.handler.tell_result(waiting, result) => {}
            () = session.lost.cancelled() => {}
        }
    }
}
