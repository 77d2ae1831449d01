use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tracing::warn;

use crate::connection::Link;
use crate::copy;
use crate::{Message, PublishError};

/// Most messages whose confirms are awaited together.
pub(crate) const BATCH: usize = 256;
/// Headers beyond this do not fit into a frame (`frame_max` is 128 KiB) together with the properties.
const HEADER_BYTES_MAX: usize = 120 * 1024;
/// A confirm later than this ends the session (unless RabbitMQ said that it is blocked).
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);

/// Publishes the batch and awaits all its confirms; the outcomes are in its order. `Err` when the session is over.
///
/// Nothing else may be published on the channel meanwhile: lapin attaches a returned message to whichever confirm of the
/// channel resolves next, so only a batch as a whole can be looked through for it.
pub(crate) async fn publish_batch(
    link: &Link,
    channel: &Channel,
    batch: &[&Message],
) -> Result<Vec<Result<(), PublishError>>, String> {
    // They are handed over all at once: one after the other, each would wait for lapin's thread.
    let mut sending: FuturesOrdered<_> = batch.iter().map(|message| send(channel, message)).collect();
    let mut confirms = Vec::with_capacity(batch.len());
    while !sending.is_empty() {
        confirms.extend(patiently(link, async { sending.next().await.transpose() }).await?);
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

/// Hands a message to lapin, with the first poll, and returns when that has written it.
async fn send(channel: &Channel, message: &Message) -> lapin::Result<Result<PublisherConfirm, PublishError>> {
    let (exchange, routing_key, properties) = match prepare(message) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Err(error)),
    };
    let options =
        BasicPublishOptions { mandatory: message.destination.mandatory(), ..BasicPublishOptions::default() };
    channel.basic_publish(exchange, routing_key, options, &message.body, properties).await.map(Ok)
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
