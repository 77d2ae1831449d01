use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::connection::{Link, Liveness, RabbitUrls, reconnect_pause};
use crate::telemetry::{self, Purpose};
use crate::{Message, PublishError, QueueError};
use crate::{copy, topology};

/// Most messages whose confirms are awaited together.
pub(crate) const BATCH: usize = 256;
/// Headers beyond this do not fit into a frame (`frame_max` is 128 KiB) together with the properties.
const HEADER_BYTES_MAX: usize = 120 * 1024;
/// How often an idle publisher looks whether its connection is there: the next message should not be what finds out.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A confirm later than this ends the session (unless RabbitMQ said that it is blocked).
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);

/// Channels that RabbitMQ may close over a message: one of a whole batch, then three on which it was alone.
const CLOSINGS_MAX: u32 = 4;

/// A session in which a queue has refused messages for so long is built anew: RabbitMQ tells a channel of a limit that is
/// reached, and of messages that are gone since, but not of a limit that was lifted (3.10, quorum queues).
const REFUSED_LIMIT: Duration = Duration::from_secs(10);

/// Publishes messages and waits for RabbitMQ's confirm. Cheap to clone.
///
/// One task owns the connection and works in batches: publish all that waits, await every confirm, answer. That is
/// what makes a returned message attributable, because lapin attaches it to whichever confirm resolves next; a batch
/// is looked through as a whole, by `message_id`. A message without a confirm is unknown and is sent again, with the
/// same `message_id`, as soon as there is a connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<State>,
}

#[derive(Debug)]
struct Request {
    message: Arc<Message>,
    answer: oneshot::Sender<Result<(), PublishError>>,
    /// How often RabbitMQ has closed a channel on which this one, and perhaps others with it, was published.
    closings: u32,
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
        let message = message.into();
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
            Ok((link, channel)) => {
                (attempt, refusals) = (0, 0);
                state.send_replace(State { connection: Some(link.liveness()), ..State::default() });
                telemetry::connected(Purpose::Publish);
                info!(server = link.server(), "publishing through {}", link.server());
                let ended = work(&link, &channel, &mut requests, &mut waiting).await;
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

async fn open(urls: &RabbitUrls, attempt: usize, client: &str) -> Result<(Link, Channel), QueueError> {
    let link = Link::connect(urls, attempt, client).await?;
    topology::declare(&link).await?;
    let channel = link.channel().await?;
    link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok((link, channel))
}

/// Publishes batch after batch. `Err` when the session is over; `waiting` then holds what must be sent again.
async fn work(
    link: &Link,
    channel: &Channel,
    requests: &mut mpsc::Receiver<Request>,
    waiting: &mut Vec<Request>,
) -> Result<(), String> {
    let mut health = tokio::time::interval(LOOK_EVERY);
    let mut refused_since: Option<Instant> = None;
    loop {
        if waiting.is_empty() {
            tokio::select! {
                received = requests.recv_many(waiting, BATCH) => if received == 0 { return Ok(()) },
                _ = health.tick() => {
                    if !link.is_connected() { return Err("closed while idle".to_owned()) }
                    continue;
                }
            }
        }
        waiting.retain(|request| !request.answer.is_closed());
        // One of them may be what RabbitMQ closes channels over: then each goes alone.
        let count = if waiting.iter().any(|request| request.closings > 0) { 1 } else { waiting.len() };
        let messages: Vec<&Message> = waiting[..count].iter().map(|request| &*request.message).collect();
        let begun = Instant::now();
        let outcomes = match publish_batch(link, channel, &messages).await {
            Ok(outcomes) => {
                telemetry::confirmed(begun.elapsed());
                outcomes
            }
            Err(error) => {
                if link.is_connected() && !channel.status().connected() {
                    blame(waiting, count, &error);
                }
                return Err(error);
            }
        };
        let is_refused = messages.iter().zip(&outcomes).any(|(message, outcome)| {
            message.destination.is_ours() && matches!(outcome, Err(PublishError::Nacked))
        });
        for (request, outcome) in waiting.drain(..count).zip(outcomes) {
            let _ = request.answer.send(outcome);
        }
        if is_refused && refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSED_LIMIT {
            return Err(format!("messages are refused for {REFUSED_LIMIT:?}"));
        }
    }
}

/// RabbitMQ has closed the channel alone, over one of the first `count`: that one would be published, and close it, for ever.
fn blame(waiting: &mut Vec<Request>, count: usize, error: &str) {
    let alone = count == 1;
    for request in &mut waiting[..count] {
        request.closings = if alone { request.closings + 1 } else { request.closings.max(1) };
    }
    if alone && waiting[0].closings >= CLOSINGS_MAX {
        let request = waiting.remove(0);
        let why = format!("RabbitMQ closes the channel over it: {error}");
        let _ = request.answer.send(Err(PublishError::Unsendable(why)));
    }
}

/// Publishes the batch and awaits all its confirms; the outcomes are in its order. `Err` when the session is over.
pub(crate) async fn publish_batch(
    link: &Link,
    channel: &Channel,
    batch: &[&Message],
) -> Result<Vec<Result<(), PublishError>>, String> {
    let mut confirms = Vec::with_capacity(batch.len());
    for message in batch {
        let sent = match prepare(message) {
            Ok((exchange, routing_key, properties)) => {
                let options = BasicPublishOptions {
                    mandatory: message.destination.mandatory(),
                    ..BasicPublishOptions::default()
                };
                let sending =
                    channel.basic_publish(exchange, routing_key, options, &message.body, properties);
                Ok(patiently(link, sending).await?)
            }
            Err(error) => Err(error),
        };
        confirms.push(sent);
    }
    let mut returned = HashSet::new();
    let mut outcomes = Vec::with_capacity(batch.len());
    for confirm in confirms {
        let outcome = match confirm {
            Ok(confirm) => {
                let confirmation = patiently(link, confirm).await?;
                let acked = confirmation.is_ack();
                if matches!(confirmation, Confirmation::NotRequested) {
                    return Err("the channel confirms nothing".to_owned());
                }
                if let Some(message) = confirmation.take_message()
                    && let Some(id) = message.delivery.properties.message_id()
                {
                    returned.insert(id.to_string());
                }
                if acked { Ok(()) } else { Err(PublishError::Nacked) }
            }
            Err(error) => Err(error),
        };
        outcomes.push(outcome);
    }
    for (message, outcome) in batch.iter().zip(&mut outcomes) {
        if message.destination.mandatory() && returned.contains(&message.message_id) {
            *outcome = Err(PublishError::Unroutable);
        }
    }
    Ok(outcomes)
}

/// Waits for lapin as long as RabbitMQ is blocked, else not longer than a confirm may take.
async fn patiently<T>(link: &Link, answer: impl Future<Output = lapin::Result<T>>) -> Result<T, String> {
    let mut answer = std::pin::pin!(answer);
    loop {
        match tokio::time::timeout(CONFIRM_LIMIT, &mut answer).await {
            Ok(result) => return result.map_err(|error| error.to_string()),
            Err(_) if link.is_blocked() && link.is_connected() => {
                warn!("RabbitMQ blocks publishers (memory or disk alarm); waiting");
            }
            Err(_) => return Err(format!("no confirm within {CONFIRM_LIMIT:?}")),
        }
    }
}

fn prepare(message: &Message) -> Result<(ShortString, ShortString, BasicProperties), PublishError> {
    let short = |what: &str, text: &str| {
        ShortString::try_new(text)
            .map_err(|_| PublishError::Unsendable(format!("{what} is longer than 255 bytes")))
    };
    if copy::size(&message.headers) > HEADER_BYTES_MAX {
        // RabbitMQ would close the connection, and so it would again with every try.
        return Err(PublishError::Unsendable(format!("its headers take more than {HEADER_BYTES_MAX} bytes")));
    }
    let mut properties = BasicProperties::default()
        .with_delivery_mode(message.destination.delivery_mode())
        .with_message_id(short("message_id", &message.message_id)?)
        .with_headers(message.headers.clone());
    if let Some(kind) = &message.kind {
        properties = properties.with_type(short("type", kind)?);
    }
    if let Some(app_id) = &message.app_id {
        properties = properties.with_app_id(short("app_id", app_id)?);
    }
    if let Some(timestamp) = message.timestamp {
        properties = properties.with_timestamp(timestamp);
    }
    if let Some(expiration) = message.expiration_ms {
        properties = properties.with_expiration(short("expiration", &expiration.to_string())?);
    }
    if let Some(content_type) = &message.content_type {
        properties = properties.with_content_type(short("content_type", content_type)?);
    }
    if let Some(encoding) = &message.content_encoding {
        properties = properties.with_content_encoding(short("content_encoding", encoding)?);
    }
    if let Some(correlation_id) = &message.correlation_id {
        properties = properties.with_correlation_id(short("correlation_id", correlation_id)?);
    }
    if let Some(reply_to) = &message.reply_to {
        properties = properties.with_reply_to(short("reply_to", reply_to)?);
    }
    if let Some(priority) = message.priority {
        properties = properties.with_priority(priority);
    }
    let exchange = short("exchange", &message.destination.exchange())?;
    Ok((exchange, short("routing key", message.destination.routing_key())?, properties))
}
