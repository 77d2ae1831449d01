use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use tracing::warn;

use crate::QueueError;
use crate::connection::Link;
use crate::delay::DelayStep;

/// Where jobs end that can never run, or failed to their last retry.
pub const DEAD_QUEUE: &str = "periodic.dead";
/// The topic exchange on which outcomes are published.
pub const NOTIFICATION_EXCHANGE: &str = "sync_notifications";

/// A queue that workers consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkQueue {
    /// What a tick publishes.
    Periodic,
    /// What operators enqueue, so that it never waits behind a tick.
    Adhoc,
}

impl WorkQueue {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Periodic, Self::Adhoc];

    /// The name of the queue, and of its direct exchange and routing key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Periodic => "periodic",
            Self::Adhoc => "adhoc",
        }
    }

    /// The queue of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

/// Declares everything that any program publishes to or consumes from, so that programs may start in any order.
///
/// A queue or exchange that exists with other arguments is adopted as it is, with a warning.
pub(crate) async fn declare(link: &Link) -> Result<(), QueueError> {
    for queue in WorkQueue::ALL {
        // No other argument: a Celery application declares the same, and any difference is a 406 for one of us.
        declare_queue(link, queue.name(), quorum()).await?;
        declare_exchange(link, queue.name(), ExchangeKind::Direct).await?;
        bind(link, queue.name(), queue.name(), queue.name()).await?;
    }
    declare_queue(link, DEAD_QUEUE, quorum()).await?;
    declare_exchange(link, NOTIFICATION_EXCHANGE, ExchangeKind::Topic).await?;
    for step in DelayStep::all() {
        let name = step.name();
        let ttl = i32::try_from(step.duration().as_millis()).unwrap_or(i32::MAX);
        let mut arguments = quorum();
        for (key, value) in [
            ("x-message-ttl", AMQPValue::LongInt(ttl)),
            // The default exchange: the routing key of each message is the queue it returns to.
            ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
            ("x-dead-letter-strategy", AMQPValue::LongString("at-least-once".into())),
            // at-least-once needs it; without a length limit it never rejects.
            ("x-overflow", AMQPValue::LongString("reject-publish".into())),
        ] {
            arguments.insert(ShortString::from(key), value);
        }
        declare_queue(link, &name, arguments).await?;
        declare_exchange(link, &name, ExchangeKind::Fanout).await?;
        bind(link, &name, &name, "").await?;
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

async fn declare_queue(link: &Link, name: &str, arguments: FieldTable) -> Result<(), QueueError> {
    let channel = link.channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    match link.timed("declare a queue", channel.queue_declare(name.into(), options, arguments)).await {
        Ok(_) => close(&channel).await,
        Err(error) if is_precondition_failed(&error) => {
            passive_queue(link, name).await?;
            warn!(
                queue = name,
                %error,
                "queue {name} exists with other arguments and is used as it is: a classic queue is not replicated \
                 and counts no deliveries. To migrate: stop its producers, drain it, delete it and start any \
                 syncfleet program"
            );
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn declare_exchange(link: &Link, name: &str, kind: ExchangeKind) -> Result<(), QueueError> {
    let channel = link.channel().await?;
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), kind.clone(), options, FieldTable::default());
    match link.timed("declare an exchange", declared).await {
        Ok(()) => close(&channel).await,
        Err(error) if is_precondition_failed(&error) => {
            let channel = link.channel().await?;
            let passive = ExchangeDeclareOptions { passive: true, ..options };
            let declared = channel.exchange_declare(name.into(), kind, passive, FieldTable::default());
            link.timed("look up an exchange", declared).await?;
            close(&channel).await;
            warn!(
                exchange = name,
                %error,
                "exchange {name} exists with other properties and is used as it is: one that is not durable is gone \
                 after a restart of RabbitMQ. To migrate: delete it and start any syncfleet program"
            );
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A queue as it is, without declaring it.
pub(crate) async fn passive_queue(link: &Link, name: &str) -> Result<lapin::Queue, QueueError> {
    let channel = link.channel().await?;
    let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(name.into(), options, FieldTable::default());
    let queue = link.timed("look up a queue", declared).await?;
    close(&channel).await;
    Ok(queue)
}

async fn bind(link: &Link, queue: &str, exchange: &str, routing_key: &str) -> Result<(), QueueError> {
    let channel = link.channel().await?;
    bind_on(link, &channel, queue, exchange, routing_key).await?;
    close(&channel).await;
    Ok(())
}

/// Binds a queue over a channel that stays.
pub(crate) async fn bind_on(
    link: &Link,
    channel: &Channel,
    queue: &str,
    exchange: &str,
    routing_key: &str,
) -> Result<(), QueueError> {
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        routing_key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    link.timed("bind a queue", bound).await
}

/// A channel per declaration, because a refused one closes its channel; closing is best effort.
async fn close(channel: &Channel) {
    let _ = tokio::time::timeout(Duration::from_secs(2), channel.close(200, "done".into())).await;
}

/// 406: it exists with other arguments.
fn is_precondition_failed(error: &QueueError) -> bool {
    has_code(error, 406)
}

/// 405: it exists, and is another connection's alone.
pub(crate) fn is_locked(error: &QueueError) -> bool {
    has_code(error, 405)
}

fn has_code(error: &QueueError, code: u16) -> bool {
    match error {
        QueueError::Unavailable { source, .. } => match source.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_id() == code,
            _ => false,
        },
        _ => false,
    }
}
