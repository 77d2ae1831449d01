use futures_util::future::try_join_all;
use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::{Checkup, words};
use crate::QueueError;
use crate::topology::{self, Wanted, passive_queue};

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

impl Checkup {
    /// Every queue and exchange that the fleet uses, all looked at together.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn declared(&self) -> Result<Vec<Declared>, QueueError> {
        let looks = topology::wanted().into_iter().map(async |wanted| match wanted {
            Wanted::Queue { name, arguments } => self.queue(name, arguments).await.map(Some),
            Wanted::Exchange { name, kind } => self.exchange(name, kind).await.map(Some),
            Wanted::Binding { .. } => Ok(None),
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    async fn exchange(&self, name: String, kind: ExchangeKind) -> Result<Declared, QueueError> {
        let declare = async |passive| {
            let channel = self.link.channel().await?;
            let options =
                ExchangeDeclareOptions { durable: true, passive, ..ExchangeDeclareOptions::default() };
            let name = name.as_str().into();
            let declaring = channel.exchange_declare(name, kind.clone(), options, FieldTable::default());
            self.link.timed("look up an exchange", declaring).await?;
            topology::close(&channel).await;
            Ok(())
        };
        let found = found(declare(true).await, async || declare(false).await).await?;
        Ok(Declared { name, is_queue: false, found, ready: 0, consumers: 0 })
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
