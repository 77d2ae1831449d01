//! One private server of each kind.

use std::thread;

use anyhow::{Context, Result, anyhow};
use testbed::{Postgres, RabbitMq, Redis, RedisCluster};

/// The servers; dropping them ends them and deletes their data.
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    pub(crate) rabbitmq: RabbitMq,
    pub(crate) redis: Redis,
    pub(crate) cluster: Option<RedisCluster>,
}

impl Servers {
    /// Starts all at once, as RabbitMQ alone takes most of the time.
    pub(crate) fn start(
        postgres: fn() -> Result<Postgres, testbed::Error>,
        with_cluster: bool,
    ) -> Result<Self> {
        thread::scope(|scope| {
            let rabbitmq = scope.spawn(RabbitMq::start);
            let postgres = scope.spawn(postgres);
            let redis = scope.spawn(Redis::start);
            let cluster = with_cluster.then(|| scope.spawn(RedisCluster::start));
            Ok(Self {
                rabbitmq: joined(rabbitmq).context("cannot start RabbitMQ")?,
                postgres: joined(postgres).context("cannot start PostgreSQL")?,
                redis: joined(redis).context("cannot start Redis")?,
                cluster: cluster.map(joined).transpose().context("cannot start a Redis Cluster")?,
            })
        })
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, testbed::Error>>) -> Result<T> {
    Ok(thread.join().map_err(|_| anyhow!("the thread that starts it panicked"))??)
}
