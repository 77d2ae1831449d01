//! RabbitMQ looked at as it is, for `doctor`: nothing is declared that is not there, and no message of anybody's is touched.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel};
use tokio::time::{Instant, timeout_at};

use crate::connection::{Link, RabbitUrls};
use crate::delay::DelayStep;
use crate::topology::{self, DEAD_QUEUE, NOTIFICATION_EXCHANGE, Wanted, WorkQueue};
use crate::{QueueError, topology::passive_queue};

/// How long a canary stays in its step: long enough to be seen there, whatever the step holds others for.
const CANARY_EXPIRATION_MS: &str = "200";
/// The private queue outlives us for as long as a canary may be late, so that none is stuck on its way to it.
const LATE_MS: i32 = 20 * 60 * 1000;

/// An open connection, over which RabbitMQ is looked at.
pub struct Checkup {
    link: Link,
}

/// What is found of a queue or an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As it is declared.
    AsWanted,
    /// Nothing of that name.
    Missing,
    /// It is gone after a restart of RabbitMQ.
    NotDurable,
    /// It has other arguments; in RabbitMQ's words.
    Other(String),
    /// Our user may not declare it; in RabbitMQ's words.
    Forbidden(String),
}

/// What is found of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The name.
    pub name: String,
    /// Whether it is a queue; else an exchange.
    pub is_queue: bool,
    /// What it is.
    pub found: Found,
    /// Messages that are ready in the queue.
    pub ready: u32,
    /// Its consumers.
    pub consumers: u32,
}

/// What became of messages that were sent for trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    /// Whether RabbitMQ confirmed one that went straight to a queue; if not, why.
    pub confirmed: Result<(), String>,
    /// Each delay step that there is, with how long it holds a message, and its canary.
    pub steps: Vec<(String, Duration, Canary)>,
}

/// What became of the canary of a delay step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// It came back, after so long.
    Back(Duration),
    /// Messages wait there, behind which it would not pass.
    InUse,
    /// It did not come back in time, or was refused; why.
    Lost(String),
}

impl Checkup {
    /// Connects.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn open(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        Ok(Self { link: Link::connect_any(urls, client).await? })
    }

    /// The server we are connected to.
    pub fn server(&self) -> &str {
        self.link.server()
    }

    /// RabbitMQ's version, as it greeted us.
    pub fn version(&self) -> Option<&str> {
        self.link.version()
    }

    /// Whether it takes no messages at the moment: a memory or disk alarm.
    pub fn is_blocked(&self) -> bool {
        self.link.is_blocked()
    }

    /// Every queue and exchange that the fleet uses.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn declared(&self) -> Result<Vec<Declared>, QueueError> {
        let mut all = Vec::new();
        for wanted in topology::wanted() {
            match wanted {
                Wanted::Queue { name, arguments } => all.push(self.queue(name, arguments).await?),
                Wanted::Exchange { name, kind } => {
                    let declare = async |passive| {
                        let channel = self.link.channel().await?;
                        let options = ExchangeDeclareOptions {
                            durable: true,
                            passive,
                            ..ExchangeDeclareOptions::default()
                        };
                        let declaring = channel.exchange_declare(
                            name.as_str().into(),
                            kind.clone(),
                            options,
                            FieldTable::default(),
                        );
                        self.link.timed("look up an exchange", declaring).await?;
                        topology::close(&channel).await;
                        Ok(())
                    };
                    let found = found(declare(true).await, async || declare(false).await).await?;
                    all.push(Declared { name: name.clone(), is_queue: false, found, ready: 0, consumers: 0 });
                }
                Wanted::Binding { .. } => {}
            }
        }
        Ok(all)
    }

    async fn queue(&self, name: String, arguments: FieldTable) -> Result<Declared, QueueError> {
        let passive = passive_queue(&self.link, &name).await;
        let depth = passive.as_ref().map_or((0, 0), |queue| (queue.message_count(), queue.consumer_count()));
        let again = async || {
            let channel = self.link.channel().await?;
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let declaring = channel.queue_declare(name.as_str().into(), options, arguments);
            self.link.timed("declare a queue", declaring).await?;
            topology::close(&channel).await;
            Ok(())
        };
        let found = found(passive.map(|_| ()), again).await?;
        Ok(Declared { name, is_queue: true, found, ready: depth.0, consumers: depth.1 })
    }

    /// What our user may not write to, of the exchanges that the fleet publishes to: RabbitMQ looks at the permission before it
    /// looks at the message, and then refuses one that nobody could deliver.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn unwritable(&self) -> Result<Vec<String>, QueueError> {
        let mut refused = Vec::new();
        for exchange in ["", NOTIFICATION_EXCHANGE, "periodic", "adhoc"] {
            let channel = self.link.channel().await?;
            let select = channel.confirm_select(ConfirmSelectOptions::default());
            self.link.timed("select confirms", select).await?;
            let unsendable = BasicProperties::default().with_expiration("never".into());
            let options = BasicPublishOptions::default();
            let publishing = async {
                channel.basic_publish(exchange.into(), "".into(), options, b"", unsendable).await?.await
            };
            match self.link.timed("publish", publishing).await {
                Err(error) if topology::is_forbidden(&error) => {
                    refused.push(if exchange.is_empty() {
                        "amq.default".to_owned()
                    } else {
                        exchange.to_owned()
                    });
                }
                Err(error) if topology::is_precondition_failed(&error) || topology::is_missing(&error) => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(refused)
    }

    /// What our user may not read: RabbitMQ looks at the permission before it looks at the arguments of a consumer, and then
    /// refuses ones that are no good, so that no message is taken.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn unreadable(&self, declared: &[Declared]) -> Result<Vec<String>, QueueError> {
        let mut refused = Vec::new();
        for name in WorkQueue::ALL.map(WorkQueue::name).into_iter().chain([DEAD_QUEUE]) {
            let is_there =
                |queue: &Declared| queue.is_queue && queue.name == name && queue.found != Found::Missing;
            if !declared.iter().any(is_there) {
                continue;
            }
            let channel = self.link.channel().await?;
            let mut no_good = FieldTable::default();
            no_good.insert("x-priority".into(), AMQPValue::LongString("none".into()));
            let options = BasicConsumeOptions::default();
            let consuming = channel.basic_consume(name.into(), "".into(), options, no_good);
            match self.link.timed("consume", consuming).await {
                Err(error) if topology::is_forbidden(&error) => refused.push(name.to_owned()),
                Err(error) if topology::is_precondition_failed(&error) || topology::is_missing(&error) => {}
                Err(error) => return Err(error),
                Ok(_) => topology::close(&channel).await,
            }
        }
        Ok(refused)
    }

    /// Sends a message straight to a private queue and one through each delay step that is empty, and waits until they are
    /// there or the time is over.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn canaries(&self, declared: &[Declared], limit: Duration) -> Result<Canaries, QueueError> {
        let deadline = Instant::now() + limit;
        let channel = self.link.channel().await?;
        self.link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(LATE_MS));
        let declaring = channel.queue_declare("".into(), QueueDeclareOptions::default(), arguments);
        let queue = self.link.timed("declare a queue", declaring).await?.name().clone();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default());
        let mut deliveries = self.link.timed("consume", consuming).await?;
        let confirmed = self.send_canary("", &queue).await?;
        let mut canaries = Vec::new();
        let mut out: HashSet<String> = HashSet::new();
        let sent = Instant::now();
        for step in DelayStep::all() {
            let name = step.name();
            let found = declared.iter().find(|found| found.is_queue && found.name == name);
            let canary = match found {
                Some(queue) if queue.found == Found::Missing => continue,
                Some(queue) if queue.ready > 0 => Canary::InUse,
                _ => match self.send_canary(&name, &queue).await? {
                    Ok(()) => {
                        out.insert(name.clone());
                        Canary::Lost(format!("it did not come back within {} s", limit.as_secs()))
                    }
                    Err(why) => Canary::Lost(why),
                },
            };
            canaries.push((name, step.duration(), canary));
        }
        while !out.is_empty()
            && let Ok(Some(Ok(delivery))) = timeout_at(deadline, deliveries.next()).await
        {
            let id = delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            if out.remove(&id)
                && let Some((_, _, canary)) = canaries.iter_mut().find(|(name, ..)| *name == id)
            {
                *canary = Canary::Back(sent.elapsed());
            }
        }
        if out.is_empty() {
            let deleting = channel.queue_delete(queue, QueueDeleteOptions::default());
            self.link.timed("delete a queue", deleting).await?;
        }
        for (name, _, canary) in &mut canaries {
            // Somebody's message got there first.
            if matches!(canary, Canary::Lost(_))
                && out.contains(name)
                && passive_queue(&self.link, name).await?.message_count() > 1
            {
                *canary = Canary::InUse;
            }
        }
        topology::close(&channel).await;
        Ok(Canaries { confirmed, steps: canaries })
    }

    /// A channel of its own: one that is refused closes it.
    async fn send_canary(&self, step: &str, queue: &ShortString) -> Result<Result<(), String>, QueueError> {
        let channel = self.link.channel().await?;
        self.link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_expiration(CANARY_EXPIRATION_MS.into())
            .with_message_id(step.into())
            .with_app_id("syncfleet".into())
            .with_type("canary".into());
        let confirmed = confirm(&self.link, &channel, step, queue, properties).await;
        topology::close(&channel).await;
        match confirmed {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err("RabbitMQ confirmed nothing, refused it, or had no queue for it".to_owned())),
            Err(error) if self.link.is_connected() => Ok(Err(format!("{error}{}", cause(&error)))),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.link.close().await;
    }
}

/// Whether a message was confirmed, and routed.
async fn confirm(
    link: &Link,
    channel: &Channel,
    exchange: &str,
    routing_key: &ShortString,
    properties: BasicProperties,
) -> Result<bool, QueueError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publishing = async {
        channel
            .basic_publish(exchange.into(), routing_key.clone(), options, b"canary", properties)
            .await?
            .await
    };
    let confirmation = link.timed("confirm a message", publishing).await?;
    let is_acked = confirmation.is_ack();
    Ok(is_acked && confirmation.take_message().is_none())
}

/// From a look that creates nothing, and, where there is something, a declaration that changes nothing.
async fn found(
    passive: Result<(), QueueError>,
    declare: impl AsyncFnOnce() -> Result<(), QueueError>,
) -> Result<Found, QueueError> {
    match passive {
        Err(error) if topology::is_missing(&error) => return Ok(Found::Missing),
        Err(error) if topology::is_forbidden(&error) => return Ok(Found::Forbidden(words(&error))),
        // An exclusive queue, or a passive declaration that compares: the real one tells.
        Err(error) if !topology::is_precondition_failed(&error) => return Err(error),
        _ => {}
    }
    match declare().await {
        Ok(()) => Ok(Found::AsWanted),
        Err(error) if topology::is_forbidden(&error) => Ok(Found::Forbidden(words(&error))),
        Err(error) if topology::is_precondition_failed(&error) => {
            let words = words(&error);
            Ok(if words.contains("'durable'") { Found::NotDurable } else { Found::Other(words) })
        }
        Err(error) => Err(error),
    }
}

/// What RabbitMQ said.
fn words(error: &QueueError) -> String {
    match error {
        QueueError::Unavailable { source, .. } => match source.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_message().to_string(),
            _ => source.to_string(),
        },
        other => other.to_string(),
    }
}

fn cause(error: &QueueError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}
