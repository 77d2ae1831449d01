use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, info, warn};

use crate::batch::BATCH;
use crate::connection::{Link, Liveness, RabbitUrls, reconnect_pause};
use crate::lanes::{self, LANES};
use crate::telemetry::{self, Purpose};
use crate::{Message, PublishError, QueueError};
use crate::{topology, trace};

/// Publishes messages and waits for RabbitMQ's confirm. Cheap to clone.
///
/// One task owns the connection and works in batches: publish all that waits, await every confirm, answer. That is
/// what makes a returned message attributable, because lapin attaches it to whichever confirm of its channel resolves
/// next; a batch is looked through as a whole, by `message_id`. Some batches are under way at a time, each on a channel
/// of its own, so messages that do not wait for each other may arrive in another order. A message without a confirm is
/// unknown and is sent again, with the same `message_id`, as soon as there is a connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<State>,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) message: Arc<Message>,
    pub(crate) answer: oneshot::Sender<Result<(), PublishError>>,
    /// How often RabbitMQ has closed a channel on which this one, and perhaps others with it, was published.
    pub(crate) closings: u32,
}

#[derive(Debug, Clone, Default)]
struct State {
    connection: Option<Liveness>,
    last_error: Option<String>,
    /// Every server of the list is there, and with none of them there is TLS.
    is_refused: bool,
}

impl Publisher {
    /// Starts the publishing task; it connects in the background, again and again.
    pub fn start(urls: RabbitUrls, client: &str) -> Self {
        let (requests, receiver) = mpsc::channel(4 * BATCH);
        let (state_sender, state) = watch::channel(State::default());
        tokio::spawn(run(urls, format!("{client} publisher"), receiver, state_sender));
        Self { requests, state }
    }

    /// Waits until there is a connection with everything declared.
    ///
    /// # Errors
    /// Text of the last failed try when `limit` has passed, or at once when certificates are refused on either side: then
    /// waiting does not help.
    pub async fn connected(&self, limit: Duration) -> Result<(), String> {
        let mut state = self.state.clone();
        let is_decided = |state: &State| state.connection.is_some() || state.is_refused;
        match tokio::time::timeout(limit, state.wait_for(is_decided)).await {
            Ok(Ok(state)) if state.connection.is_some() => Ok(()),
            _ => {
                let error = self.state.borrow().last_error.clone();
                Err(error.unwrap_or_else(|| format!("no answer within {limit:?}")))
            }
        }
    }

    /// Whether there is a connection with everything declared.
    pub fn is_connected(&self) -> bool {
        self.state.borrow().connection.is_some()
    }

    /// Whether RabbitMQ takes nothing for now (memory or disk alarm): what is published waits for the end of it.
    fn is_blocked(&self) -> bool {
        self.state.borrow().connection.as_ref().is_some_and(Liveness::is_blocked)
    }

    /// Returns when there has been no connection for as long as `limit`.
    pub async fn unreachable_for(&self, limit: Duration) {
        let mut state = self.state.clone();
        loop {
            if state.wait_for(|state| state.connection.is_none()).await.is_err() {
                return;
            }
            if tokio::time::timeout(limit, state.wait_for(|state| state.connection.is_some())).await.is_err()
            {
                return;
            }
        }
    }

    /// Publishes one message; returns when it is confirmed, however many connections that takes.
    ///
    /// # Errors
    /// [`PublishError`]; none of them leaves the message half published.
    pub async fn publish(&self, message: impl Into<Arc<Message>>) -> Result<(), PublishError> {
        let mut message = message.into();
        let span = trace::publishing(&mut message);
        let sent = self.send(message).instrument(span.clone()).await;
        if let Err(error) = &sent {
            trace::fail(&span, &error.to_string());
        }
        sent
    }

    async fn send(&self, message: Arc<Message>) -> Result<(), PublishError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request { message, answer, closings: 0 })
            .await
            .map_err(|_| PublishError::Closed)?;
        answered.await.unwrap_or(Err(PublishError::Closed))
    }

    /// Sets the metrics that only somebody who asks needs.
    pub fn refresh_metrics(&self) {
        telemetry::blocked(self.is_blocked());
    }

    /// Whether something can be published now.
    ///
    /// # Errors
    /// Why not, for whoever asks whether a program is ready.
    pub fn ready(&self) -> Result<(), String> {
        if !self.is_connected() {
            return Err("RabbitMQ: nothing can be published".to_owned());
        }
        if self.is_blocked() {
            return Err("RabbitMQ: blocked, it takes no messages for now (memory or disk alarm)".to_owned());
        }
        Ok(())
    }

    /// As [`Self::publish_all`], waiting no longer than `limit`, unless RabbitMQ says that it takes nothing for now: then
    /// until the end of that.
    ///
    /// # Errors
    /// [`PublishError::TimedOut`]: the messages may or may not arrive. Else the first error.
    pub async fn publish_patiently(
        &self,
        messages: Vec<Message>,
        limit: Duration,
    ) -> Result<(), PublishError> {
        let mut publishing = std::pin::pin!(self.publish_all(messages));
        loop {
            match tokio::time::timeout(limit, &mut publishing).await {
                Ok(published) => return published,
                // To fail for this would do the same again, and publish no earlier.
                Err(_) if self.is_blocked() => {}
                Err(_) => return Err(PublishError::TimedOut(limit)),
            }
        }
    }

    /// Publishes many messages and returns when each is confirmed.
    ///
    /// # Errors
    /// The first error; the others may be published.
    pub async fn publish_all(&self, messages: Vec<Message>) -> Result<(), PublishError> {
        let results = join_all(messages.into_iter().map(|message| self.publish(message))).await;
        results.into_iter().collect()
    }
}

/// The session supervisor: connect, declare, work until something breaks, again. Ends when every [`Publisher`] is
/// dropped and nothing waits.
async fn run(
    urls: RabbitUrls,
    client: String,
    mut requests: mpsc::Receiver<Request>,
    state: watch::Sender<State>,
) {
    let mut waiting: Vec<Request> = Vec::new();
    let (mut attempt, mut refusals) = (0, 0);
    loop {
        match open(&urls, attempt, &client).await {
            Ok((link, channels)) => {
                (attempt, refusals) = (0, 0);
                state.send_replace(State { connection: Some(link.liveness()), ..State::default() });
                telemetry::connected(Purpose::Publish);
                info!(server = link.server(), "publishing through {}", link.server());
                let ended = lanes::publish_all(&link, &channels, &mut requests, &mut waiting).await;
                telemetry::lost(Purpose::Publish, ended.is_err());
                state.send_replace(State::default());
                link.close().await;
                match ended {
                    Ok(()) => return,
                    Err(error) => {
                        warn!(
                            error,
                            "connection for publishing lost, {} unconfirmed: {error}",
                            waiting.len()
                        );
                    }
                }
            }
            Err(error) => {
                let text = crate::connection_error_text(&error);
                refusals = if matches!(error, QueueError::Untrusted { .. }) { refusals + 1 } else { 0 };
                let is_refused = refusals >= urls.count();
                state.send_replace(State { connection: None, last_error: Some(text.clone()), is_refused });
                warn!(attempt, "cannot connect for publishing, trying again: {text}");
            }
        }
        waiting.retain(|request| !request.answer.is_closed());
        if requests.is_closed() && requests.is_empty() && waiting.is_empty() {
            return;
        }
        tokio::time::sleep(reconnect_pause(attempt)).await;
        attempt += 1;
    }
}

async fn open(urls: &RabbitUrls, attempt: usize, client: &str) -> Result<(Link, Vec<Channel>), QueueError> {
    let link = Link::connect(urls, attempt, client).await?;
    topology::declare(&link).await?;
    let mut channels = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        let channel = link.channel().await?;
        link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        channels.push(channel);
    }
    Ok((link, channels))
}
