use std::time::Duration;

use cache::Cache;
use celery::Waiting;
use queue::{Message, Publisher};
use serde_json::Value;
use tokio::time::timeout;
use tracing::warn;

use crate::chain;

/// How long RabbitMQ may take to accept a result.
const PUBLISH_LIMIT: Duration = Duration::from_secs(5);

/// Where Celery clients find results.
#[derive(Clone, Debug)]
pub enum ResultBackend {
    /// Nowhere.
    Disabled,
    /// Redis (`redis://` in Celery).
    Redis {
        /// The Redis.
        cache: Cache,
        /// How long results are kept; zero: for ever.
        ttl: Duration,
    },
    /// The queues in which they wait (`rpc://` in Celery).
    Rpc(Publisher),
}

impl ResultBackend {
    /// Tells a result to those who wait for it. A server that is away does not undo a sync: what is not told is logged.
    pub(crate) async fn tell(&self, waiting: &Waiting, result: &Value) {
        let told = match self {
            Self::Disabled => Ok(()),
            Self::Redis { cache, ttl } => {
                cache.store_result(&waiting.id, result, *ttl).await.map_err(|error| chain(&error))
            }
            Self::Rpc(publisher) => match &waiting.reply_to {
                Some(waits_in) => {
                    let answer = Message::answer(waits_in, &waiting.id, result);
                    match timeout(PUBLISH_LIMIT, publisher.publish(answer)).await {
                        Ok(published) => published.map_err(|error| chain(&error)),
                        Err(_) => Err(format!("RabbitMQ did not take it within {PUBLISH_LIMIT:?}")),
                    }
                }
                None => Ok(()),
            },
        };
        if let Err(error) = told {
            warn!(id = waiting.id, error, "result not stored: {error}");
        }
    }
}
