use std::borrow::Cow;

use celery::FollowUp;
use lapin::types::FieldTable;
use serde_json::{Map, Value};

use crate::delay::DelayStep;
use crate::headers;
use crate::topology::{DEAD_QUEUE, NOTIFICATION_EXCHANGE, WorkQueue};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A work queue, through the default exchange.
    Work(WorkQueue),
    /// The dead letters.
    Dead,
    /// The topic exchange of notifications.
    Notification {
        /// Dot-separated words.
        routing_key: String,
    },
    /// A delay step, from which the message comes back to the work queue by itself.
    Delay(DelayStep, WorkQueue),
    /// A queue of somebody else's, through the default exchange.
    Queue(String),
    /// A queue in which a Celery client waits for results, if it is still there. What is sent there is not kept on disk.
    Answer(String),
}

impl Destination {
    pub(crate) fn exchange(&self) -> String {
        match self {
            Self::Work(_) | Self::Dead | Self::Queue(_) | Self::Answer(_) => String::new(),
            Self::Notification { .. } => NOTIFICATION_EXCHANGE.to_owned(),
            Self::Delay(step, _) => step.name(),
        }
    }

    /// How it is called where only one name is told: the exchange, or the queue where that is the default one.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Notification { .. } | Self::Delay(..) => self.exchange().into(),
            Self::Work(_) | Self::Dead | Self::Queue(_) | Self::Answer(_) => self.routing_key().into(),
        }
    }

    pub(crate) fn routing_key(&self) -> &str {
        match self {
            // The way back out of a delay step is the routing key: an enum, never a delivery's own key.
            Self::Work(queue) | Self::Delay(_, queue) => queue.name(),
            Self::Dead => DEAD_QUEUE,
            Self::Notification { routing_key } => routing_key,
            Self::Queue(name) | Self::Answer(name) => name,
        }
    }

    /// A job that no queue takes is an error; a notification or an answer that nobody listens to is not.
    pub(crate) fn mandatory(&self) -> bool {
        !matches!(self, Self::Notification { .. } | Self::Answer(_))
    }

    /// Whether its queue is one that we declare.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Self::Queue(_) | Self::Answer(_))
    }

    /// AMQP's delivery mode: 2 is kept on disk.
    pub(crate) fn delivery_mode(&self) -> u8 {
        if matches!(self, Self::Answer(_)) { 1 } else { 2 }
    }
}

/// Which trace the publishing of a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// One that begins with it.
    Begins,
    /// That of whoever publishes it.
    Follows,
    /// As [`Self::Follows`], but the message itself stays in the trace that its headers name.
    Keeps,
}

/// A message, persistent but for answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Where it goes.
    pub destination: Destination,
    /// Tells duplicates apart from the original: a message sent again carries the same.
    pub message_id: String,
    /// What kind of message it is.
    pub kind: Option<String>,
    /// The program that published it first.
    pub app_id: Option<String>,
    /// When its first publisher says it was published, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// Expiration in milliseconds, by which RabbitMQ drops it unseen.
    pub expiration_ms: Option<u64>,
    /// MIME type.
    pub content_type: Option<String>,
    /// `utf-8` for JSON of Celery.
    pub content_encoding: Option<String>,
    /// The job's id, in Celery messages.
    pub correlation_id: Option<String>,
    /// Where a Celery client waits for the result.
    pub reply_to: Option<String>,
    /// Kept from the original on copies.
    pub priority: Option<u8>,
    pub(crate) headers: FieldTable,
    pub(crate) lineage: Lineage,
    /// The payload.
    pub body: Vec<u8>,
}

impl Message {
    /// A JSON message with the given headers.
    pub fn json(
        destination: Destination,
        message_id: String,
        header_map: &Map<String, Value>,
        body: Vec<u8>,
    ) -> Self {
        Self {
            destination,
            message_id,
            kind: None,
            app_id: Some("syncfleet".to_owned()),
            timestamp: None,
            expiration_ms: None,
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            correlation_id: None,
            reply_to: None,
            priority: None,
            headers: headers::from_json(header_map),
            lineage: Lineage::Follows,
            body,
        }
    }

    /// A Celery job for a work queue, and the beginning of its trace.
    pub fn job(queue: WorkQueue, id: String, encoded: celery::Encoded) -> Self {
        Self {
            correlation_id: Some(id.clone()),
            lineage: Lineage::Begins,
            ..Self::json(Destination::Work(queue), id, &encoded.headers, encoded.body)
        }
    }

    /// A task that follows one from `queue`; `waits_in` is where whoever sent that one waits for results.
    pub(crate) fn follow_up(next: FollowUp, destination: Destination, waits_in: Option<&str>) -> Self {
        Self {
            correlation_id: Some(next.id.clone()),
            reply_to: next.reply_to.or_else(|| waits_in.map(str::to_owned)),
            priority: next.priority,
            ..Self::json(destination, next.id, &next.encoded.headers, next.encoded.body)
        }
    }

    /// A Celery result for a client that waits in the queue `waits_in` for the task `id`.
    pub fn answer(waits_in: &str, id: &str, result: &Value) -> Self {
        let message_id = uuid::Uuid::new_v4().to_string();
        let body = result.to_string().into_bytes();
        Self {
            correlation_id: Some(id.to_owned()),
            ..Self::json(Destination::Answer(waits_in.to_owned()), message_id, &Map::new(), body)
        }
    }
}
