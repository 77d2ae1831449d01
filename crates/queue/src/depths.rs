use crate::QueueError;
use crate::connection::{Link, RabbitUrls};
use crate::delay::DelayStep;
use crate::topology::{self, DEAD_QUEUE, WorkQueue, passive_queue};

/// What RabbitMQ says of one queue over AMQP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue.
    pub name: String,
    /// Messages ready for delivery.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
}

/// The work queues, the dead letters and the delay steps.
pub fn queue_names() -> Vec<String> {
    (WorkQueue::ALL.into_iter().map(|queue| queue.name().to_owned()))
        .chain([DEAD_QUEUE.to_owned()])
        .chain(DelayStep::all().map(DelayStep::name))
        .collect()
}

/// Looks at queues over one connection, as often as is wanted.
pub struct QueueDepths(Link);

impl QueueDepths {
    /// Connects, and declares what is missing.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn open(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        let link = Link::connect_any(urls, client).await?;
        topology::declare(&link).await?;
        Ok(Self(link))
    }

    /// The depths of the work queues, the dead letters and the delay steps.
    ///
    /// # Errors
    /// When the connection is lost, or a queue was deleted meanwhile.
    pub async fn read(&self) -> Result<Vec<QueueDepth>, QueueError> {
        let mut depths = Vec::new();
        for name in queue_names() {
            let queue = passive_queue(&self.0, &name).await?;
            depths.push(QueueDepth { name, ready: queue.message_count(), consumers: queue.consumer_count() });
        }
        Ok(depths)
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// The depths of the work queues, the dead letters and the delay steps, looked at once.
///
/// # Errors
/// When no server answers.
pub async fn queue_depths(urls: &RabbitUrls, client: &str) -> Result<Vec<QueueDepth>, QueueError> {
    let depths = QueueDepths::open(urls, client).await?;
    let read = depths.read().await;
    depths.close().await;
    read
}
