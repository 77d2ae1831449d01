use futures_util::future::try_join_all;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::{Checkup, Declared, Found, words};
use crate::QueueError;
use crate::topology::{self, DEAD_QUEUE, NOTIFICATION_EXCHANGE, WorkQueue};

/// A key such as notifications have: rights to write to a topic exchange are by key as well.
const TOPIC: &str = "account.doctor.sync_completed";

impl Checkup {
    /// What our user may not write to, of the exchanges that the fleet publishes to: RabbitMQ looks at the permission before it
    /// looks at the message, and then refuses one that nobody could deliver.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn unwritable(&self) -> Result<Vec<String>, QueueError> {
        let exchanges = [("", ""), (NOTIFICATION_EXCHANGE, TOPIC), ("periodic", ""), ("adhoc", "")];
        let tries = exchanges.map(|(exchange, routing_key)| self.try_to_write(exchange, routing_key));
        Ok(try_join_all(tries).await?.into_iter().flatten().collect())
    }

    async fn try_to_write(&self, exchange: &str, routing_key: &str) -> Result<Option<String>, QueueError> {
        let channel = self.link.channel().await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        self.link.timed("select confirms", select).await?;
        let unsendable = BasicProperties::default().with_expiration("never".into());
        let options = BasicPublishOptions::default();
        let publishing = async {
            channel.basic_publish(exchange.into(), routing_key.into(), options, b"", unsendable).await?.await
        };
        match self.link.timed("publish", publishing).await {
            Err(error) if topology::is_forbidden(&error) => Ok(Some(match exchange {
                "" => "amq.default".to_owned(),
                // The exchange itself is not what is refused.
                _ if words(&error).contains("topic '") => {
                    format!("{exchange} (topics such as {routing_key})")
                }
                _ => exchange.to_owned(),
            })),
            Err(error) if topology::is_precondition_failed(&error) || topology::is_missing(&error) => {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }

    /// What our user may not read: RabbitMQ looks at the permission before it looks at the arguments of a consumer, and then
    /// refuses ones that are no good, so that no message is taken.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn unreadable(&self, declared: &[Declared]) -> Result<Vec<String>, QueueError> {
        let is_there = |name: &&str| {
            declared
                .iter()
                .any(|queue| queue.is_queue && queue.name == **name && queue.found != Found::Missing)
        };
        let names = WorkQueue::ALL.map(WorkQueue::name).into_iter().chain([DEAD_QUEUE]).filter(is_there);
        let tries = names.map(|name| self.try_to_read(name));
        Ok(try_join_all(tries).await?.into_iter().flatten().collect())
    }

    async fn try_to_read(&self, name: &str) -> Result<Option<String>, QueueError> {
        let channel = self.link.channel().await?;
        let mut no_good = FieldTable::default();
        no_good.insert("x-priority".into(), AMQPValue::LongString("none".into()));
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(name.into(), "".into(), options, no_good);
        match self.link.timed("consume", consuming).await {
            Err(error) if topology::is_forbidden(&error) => Ok(Some(name.to_owned())),
            Err(error) if topology::is_precondition_failed(&error) || topology::is_missing(&error) => {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(_) => {
                topology::close(&channel).await;
                Ok(None)
            }
        }
    }
}
