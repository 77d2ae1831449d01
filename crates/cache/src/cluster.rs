use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use tokio::sync::Mutex;

use crate::config::CacheConfig;
use crate::error::CacheError;
use crate::link::Link;

/// How long one node may take to accept a connection, and the share of an operation's time it may use
/// up at most. The client waits for all nodes it was told of, also for one that hangs, and still has to
/// ask another one for the layout of the Cluster and to do what it came for.
const NODE_CONNECT_MAX: Duration = Duration::from_secs(1);
const NODE_CONNECT_SHARE: u32 = 3;

/// Pause before a command is tried again while a slot has no master: drawn between the two.
const RETRY_PAUSE_MS: (u64, u64) = (20, 100);

/// Never the limit: an operation ends by its time.
const RETRIES_MAX: u32 = 10_000;

/// One connection to every node, shared by all operations.
///
/// The client library follows slots to their new masters by itself while nodes answer or refuse. A node
/// that hangs without closing its connections does neither, and the library would go on asking it. So
/// the connection an operation failed on is replaced: the next operation asks the nodes anew.
pub(crate) struct Cluster {
    client: ClusterClient,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<ClusterConnection>,
    generation: u64,
}

impl Cluster {
    /// The Cluster, or `None` when none is wanted. Opens nothing.
    pub(crate) fn new(config: &CacheConfig) -> Result<Option<Self>, CacheError> {
        let nodes = config.nodes()?;
        if nodes.is_empty() {
            return Ok(None);
        }
        let mut builder = ClusterClientBuilder::new(nodes);
        if let Some(certificates) = config.certificates() {
            builder = builder.certs(certificates);
        }
        let client = builder
            .connection_timeout(NODE_CONNECT_MAX.min(config.timeout / NODE_CONNECT_SHARE))
            .response_timeout(config.timeout)
            .retries(RETRIES_MAX)
            .min_retry_wait(RETRY_PAUSE_MS.0)
            .max_retry_wait(RETRY_PAUSE_MS.1)
            .retry_wait_formula(RETRY_PAUSE_MS.1, 1)
            .build()
            .map_err(|error| CacheError::Settings { reason: error.to_string() })?;
        Ok(Some(Self { client, current: Mutex::default() }))
    }

    /// Connects where there is no connection; whoever needs one meanwhile waits for it.
    pub(crate) async fn link(&self, doing: &'static str) -> Result<Link, CacheError> {
        let mut current = self.current.lock().await;
        let connection = match &current.connection {
            Some(connection) => connection.clone(),
            None => {
                let connection = self.client.get_async_connection().await;
                let connection = connection.map_err(|error| CacheError::redis(doing, error))?;
                current.generation += 1;
                current.connection.insert(connection).clone()
            }
        };
        let generation = current.generation;
        Ok(Link::Cluster { connection, generation })
    }

    /// Lets the next operation connect anew, unless one has since `generation`. Operations under way
    /// keep the connection they have.
    pub(crate) fn replace(&self, generation: u64) {
        // Where it is locked somebody is connecting.
        if let Ok(mut current) = self.current.try_lock()
            && current.generation == generation
        {
            current.connection = None;
        }
    }
}
