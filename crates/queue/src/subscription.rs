use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::{Map, Value};

use crate::connection::{Link, RabbitUrls};
use crate::topology::{self, NOTIFICATION_EXCHANGE};
use crate::{QueueError, headers};

/// One message of the notification exchange.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its routing key.
    pub routing_key: String,
    /// Its `message_id`: equal for duplicates.
    pub message_id: Option<String>,
    /// Its headers.
    pub headers: Map<String, Value>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Notifications as they arrive, through a queue of our own that vanishes with us.
pub struct Subscription {
    link: Link,
    consumer: lapin::Consumer,
}

impl Subscription {
    /// Binds a private queue to the notification exchange; what is published from now on is seen.
    ///
    /// # Errors
    /// When no server of the list answers.
    pub async fn open(urls: &RabbitUrls, client: &str, binding_key: &str) -> Result<Self, QueueError> {
        let link = Link::connect_any(urls, client).await?;
        topology::declare(&link).await?;
        let channel = link.channel().await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = link.timed("declare a queue", declared).await?;
        topology::bind_on(&link, &channel, queue.name().as_str(), NOTIFICATION_EXCHANGE, binding_key).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming =
            channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default());
        let consumer = link.timed("consume", consuming).await?;
        Ok(Self { link, consumer })
    }

    /// The next notification.
    ///
    /// # Errors
    /// When the connection is lost; what is published until the next subscription is not seen.
    pub async fn next(&mut self) -> Result<Notice, QueueError> {
        let unavailable = |source| QueueError::Unavailable { server: self.link.server().to_owned(), source };
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(Notice {
                routing_key: delivery.routing_key.to_string(),
                message_id: delivery.properties.message_id().as_ref().map(ToString::to_string),
                headers: delivery.properties.headers().as_ref().map(headers::to_json).unwrap_or_default(),
                body: delivery.data,
            }),
            Some(Err(source)) => Err(unavailable(source)),
            None => Err(unavailable(lapin::ErrorKind::FutureCompleted.into())),
        }
    }
}
