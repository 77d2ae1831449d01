use std::time::Duration;

use deadpool_redis::{Manager, Pool, QueueMode, Runtime, Timeouts};
use redis::{AsyncConnectionConfig, RedisError};

use crate::config::CacheConfig;
use crate::error::CacheError;
use crate::link::Link;
use crate::pool_use::PoolUse;

/// A pool of connections to one server, each opened when first needed.
pub(crate) struct Single {
    pool: Pool,
}

impl Single {
    pub(crate) fn new(config: &CacheConfig) -> Result<Self, CacheError> {
        let unusable = |error: RedisError| CacheError::Settings { reason: error.to_string() };
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout));
        let manager = Manager::new_with_config(config.single()?, connection).map_err(unusable)?;
        let pool = Pool::builder(manager)
            .max_size(config.pool_size.max(1))
            // The connections used last are used first: those with buffers as large as what they have sent are few.
            .queue_mode(QueueMode::Lifo)
            .timeouts(timeouts(config.timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| CacheError::Settings { reason: error.to_string() })?;
        Ok(Self { pool })
    }

    /// The connections, as they are now.
    pub(crate) fn pool_use(&self) -> PoolUse {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        PoolUse { in_use, idle: status.available, max: status.max_size }
    }

    pub(crate) async fn link(&self, doing: &'static str) -> Result<Link, CacheError> {
        let connection = self.pool.get().await;
        connection.map(Link::Single).map_err(|error| CacheError::pool(doing, error))
    }
}

/// A connection is tried with a `PING` before it is lent. One that leads nowhere says nothing at all,
/// so it gets a quarter of the time: an operation can find a few of them and still be done.
fn timeouts(limit: Duration) -> Timeouts {
    Timeouts { wait: Some(limit), create: Some(limit), recycle: Some(limit / 4) }
}
