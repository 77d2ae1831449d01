use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool_redis::Connection;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use crate::addition::Addition;
use crate::allowance::OwnShare;
use crate::cluster::Cluster;
use crate::config::CacheConfig;
use crate::error::CacheError;
use crate::layout::{Layout, strategies};
use crate::link::Link;
use crate::mark::{Extent, Mark, python_time};
use crate::pool_use::PoolUse;
use crate::refresh::{Refresh, Refreshing, refreshing};
use crate::single::Single;
use crate::snapshot::{Snapshot, Stamp, Stored};
use crate::stepwise::{self, Plan};
use crate::{going_on, result, transaction};

/// How often a Cluster that could not be reached at start is tried again.
const CLUSTER_RETRY: Duration = Duration::from_secs(60);

/// Redis, for everything the fleet stores there. Clones share their connections.
///
/// Every operation ends within [`CacheConfig::timeout`], and none needs the `Cache` to be built anew
/// after an outage: the next one connects again by itself.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    refreshing: Refreshing,
}

pub(crate) struct Shared {
    timeout: Duration,
    single: Single,
    /// The Cluster, where one is wanted.
    cluster: Option<Cluster>,
    /// Set when the Cluster is first reached and never unset, so that a Cluster in use is not left.
    reached: AtomicBool,
    /// Of rate limits, by their group.
    shares: Mutex<HashMap<String, OwnShare>>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("redis_type", &self.redis_type()).finish_non_exhaustive()
    }
}

impl Cache {
    /// Uses the Cluster when one is configured and can be reached now, else single Redis, which may be
    /// away: it is connected to when first needed.
    ///
    /// A Cluster that cannot be reached is logged as an error and tried again every minute until it
    /// answers, for as long as the `Cache` lives.
    ///
    /// # Errors
    ///
    /// [`CacheError::Settings`], when the URL or a host cannot be understood.
    pub async fn connect(config: CacheConfig) -> Result<Self, CacheError> {
        if config.is_encrypted() {
            // The client library takes the process's choice and has none of its own. An error only says
            // that a choice has been made already.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let shared = Arc::new(Shared {
            timeout: config.timeout,
            single: Single::new(&config)?,
            cluster: Cluster::new(&config)?,
            reached: AtomicBool::new(false),
            shares: Mutex::default(),
        });
        let cache = Self { refreshing: refreshing(Arc::clone(&shared)), shared };
        if let Err(error) = cache.retry_cluster().await {
            tracing::error!(
                %error,
                cause = std::error::Error::source(&error),
                "the Redis Cluster cannot be reached: using single Redis until it can"
            );
            tokio::spawn(move_to_cluster(Arc::downgrade(&cache.shared)));
        }
        Ok(cache)
    }

    /// What is in use: `single` or `cluster`.
    #[must_use]
    pub fn redis_type(&self) -> &'static str {
        match self.shared.cluster_in_use() {
            Some(_) => "cluster",
            None => "single",
        }
    }

    /// The connections to single Redis, as they are now; `None` while a Cluster is in use, which has one connection to each node
    /// and no pool. Asks nobody.
    #[must_use]
    pub fn pool_use(&self) -> Option<PoolUse> {
        self.shared.cluster_in_use().is_none().then(|| self.shared.single.pool_use())
    }

    /// Tries once to reach a Cluster that is wanted and not in use, and moves over to it.
    ///
    /// # Errors
    ///
    /// Why it cannot be reached; single Redis stays in use.
    pub async fn retry_cluster(&self) -> Result<(), CacheError> {
        self.shared.retry_cluster().await
    }

    /// Stores what a sync of an account found, or refreshes the expiry of its keys when nothing has
    /// changed since the sync before. Repeating it with the same snapshot is harmless.
    ///
    /// # Errors
    ///
    /// [`CacheError::Stale`] when a newer sync is stored. After any other error the keys hold the
    /// sync before or, in a Cluster, a part of this one; the next sync puts that right.
    pub async fn write_snapshot(&self, snapshot: &Snapshot) -> Result<Stored, CacheError> {
        self.write(snapshot, false).await
    }

    /// As [`Cache::write_snapshot`], and writes every key even when nothing has changed: somebody else may have changed one.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn rewrite_snapshot(&self, snapshot: &Snapshot) -> Result<Stored, CacheError> {
        self.write(snapshot, true).await
    }

    async fn write(&self, snapshot: &Snapshot, is_forced: bool) -> Result<Stored, CacheError> {
        const DOING: &str = stepwise::DOING;
        let layout = Layout::of(snapshot);
        let mark = Mark {
            version: snapshot.sequence,
            time: python_time(snapshot.at),
            digest: layout.digest.clone(),
            writing: None,
            keys: layout.derived.clone(),
            extent: Some(layout.extent(snapshot)),
        };
        let plan = Plan { layout, mark, is_forced };
        let deadline = Instant::now() + self.shared.timeout;
        let mut link = self.shared.link(deadline, DOING).await?;
        let written = match &mut link {
            Link::Single(connection) if plan.layout.bytes() <= transaction::BYTES_MAX => {
                let writing = transaction::write(connection, &plan);
                self.shared.until(deadline, DOING, writing).await
            }
            link => {
                let writing = stepwise::write(link, &plan);
                self.shared.until(deadline, DOING, writing).await
            }
        };
        let unchanged = self.shared.give_back(link, written)?;
        Ok(Stored {
            positions: snapshot.positions.len(),
            holdings: snapshot.holdings.len(),
            orders: snapshot.orders.len(),
            margins: snapshot.margins.len(),
            strategies: strategies(snapshot).count(),
            unchanged,
        })
    }

    /// Refreshes the expiry of an account's keys under a new version, where they are those of the sync `since` and all there:
    /// nothing has changed since then. `None`: they are not, so they must be written.
    ///
    /// # Errors
    ///
    /// As [`Cache::write_snapshot`].
    pub async fn refresh_snapshot(&self, stamp: Stamp<'_>, since: i64) -> Result<Option<Stored>, CacheError> {
        if self.shared.cluster_in_use().is_none() {
            let deadline = Instant::now() + self.shared.timeout;
            let asked = async { Ok(self.refreshing.ask(Refresh::new(stamp, since)).await) };
            match self.shared.until(deadline, stepwise::DOING, asked).await? {
                // What Redis refused may be another's that came at the same time.
                None | Some(Err(CacheError::Rejected { .. })) => {}
                Some(mark) => return Ok(mark?.and_then(|mark| stored_by(mark, true))),
            }
        }
        let refreshed = self.go_on(stamp, since, |stored| Addition::nothing(stored, &stamp)).await?;
        Ok(refreshed.map(|stored| Stored { unchanged: true, ..stored }))
    }

    /// Stores what is new since the sync `since`: `snapshot` has the account's orders that are new and all of its other rows.
    /// `None`: the keys are not those of that sync, or no order may come before the stored ones: all must be written.
    ///
    /// # Errors
    ///
    /// As [`Cache::write_snapshot`].
    pub async fn add_to_snapshot(
        &self,
        snapshot: &Snapshot,
        since: i64,
    ) -> Result<Option<Stored>, CacheError> {
        self.go_on(snapshot.stamp(), since, |stored| Addition::of(stored, snapshot)).await
    }

    async fn go_on(
        &self,
        stamp: Stamp<'_>,
        since: i64,
        add: impl FnOnce(&Mark) -> Option<Addition>,
    ) -> Result<Option<Stored>, CacheError> {
        let mut unchanged = false;
        let mark = self
            .with_link(stepwise::DOING, async |link| {
                let add = |stored: &Mark| add(stored).inspect(|addition| unchanged = addition.is_nothing());
                going_on::write(link, &stamp, since, add).await
            })
            .await?;
        Ok(mark.and_then(|mark| stored_by(mark, unchanged)))
    }

    /// Stores a task's result (Celery's `celery-task-meta-<id>`) for `ttl`, or for ever when that is
    /// zero, and wakes the clients waiting for it. A stored `SUCCESS` is kept, as Celery keeps it.
    ///
    /// # Errors
    ///
    /// Repeating it after one is harmless.
    pub async fn store_result(
        &self,
        id: &str,
        meta: &serde_json::Value,
        ttl: Duration,
    ) -> Result<(), CacheError> {
        self.with_link(result::DOING, async |link| result::store(link, id, meta, ttl).await).await
    }

    /// Succeeds when Redis answers; in a Cluster, when every master does.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), CacheError> {
        const DOING: &str = "a ping";
        self.with_link(DOING, async |link| link.ping(DOING).await).await
    }

    /// Does one thing on a connection, within the time an operation has.
    pub(crate) async fn with_link<T>(
        &self,
        doing: &'static str,
        operation: impl AsyncFnOnce(&mut Link) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        self.shared.with_link(doing, operation).await
    }

    pub(crate) fn with_shares<T>(&self, look: impl FnOnce(&mut HashMap<String, OwnShare>) -> T) -> T {
        look(&mut self.shared.shares.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn cluster_in_use(&self) -> Option<&Cluster> {
        let reached = self.reached.load(Ordering::Acquire);
        self.cluster.as_ref().filter(|_| reached)
    }

    async fn retry_cluster(&self) -> Result<(), CacheError> {
        const DOING: &str = "connecting to the Cluster";
        if let (Some(cluster), None) = (&self.cluster, self.cluster_in_use()) {
            let deadline = Instant::now() + self.timeout;
            self.until(deadline, DOING, cluster.link(DOING)).await?;
            self.reached.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(crate) async fn with_link<T>(
        &self,
        doing: &'static str,
        operation: impl AsyncFnOnce(&mut Link) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let deadline = Instant::now() + self.timeout;
        let mut link = self.link(deadline, doing).await?;
        let done = self.until(deadline, doing, operation(&mut link)).await;
        self.give_back(link, done)
    }

    async fn link(&self, deadline: Instant, doing: &'static str) -> Result<Link, CacheError> {
        match self.cluster_in_use() {
            Some(cluster) => self.until(deadline, doing, cluster.link(doing)).await,
            None => self.until(deadline, doing, self.single.link(doing)).await,
        }
    }

    async fn until<T>(
        &self,
        deadline: Instant,
        doing: &'static str,
        operation: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        timeout_at(deadline, operation)
            .await
            .unwrap_or_else(|_| Err(CacheError::too_slow(doing, self.timeout)))
    }

    /// Closes a connection that an operation failed on, as far as it is ours alone: it may lead to a
    /// server that hangs or has become a replica.
    fn give_back<T>(&self, link: Link, outcome: Result<T, CacheError>) -> Result<T, CacheError> {
        let failed = match &outcome {
            Ok(_) | Err(CacheError::Stale { .. } | CacheError::Settings { .. }) => false,
            Err(CacheError::Unavailable { .. } | CacheError::Untrusted(_) | CacheError::Rejected { .. }) => {
                true
            }
        };
        match link {
            Link::Single(connection) if failed => drop(Connection::take(connection)),
            Link::Cluster { generation, .. } if failed => {
                if let Some(cluster) = &self.cluster {
                    cluster.replace(generation);
                }
            }
            Link::Single(_) | Link::Cluster { .. } => {}
        }
        outcome
    }
}

/// What is stored by its record.
fn stored_by(mark: Mark, unchanged: bool) -> Option<Stored> {
    let Extent { rows: [positions, holdings, orders, margins], strategies, .. } = mark.extent?;
    Some(Stored { positions, holdings, orders, margins, strategies: strategies.len(), unchanged })
}

async fn move_to_cluster(shared: Weak<Shared>) {
    let mut ticks = interval_at(Instant::now() + CLUSTER_RETRY, CLUSTER_RETRY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match shared.retry_cluster().await {
            Ok(()) => {
                tracing::info!("the Redis Cluster has been reached and is used from now on");
                return;
            }
            Err(error) => tracing::debug!(%error, "the Redis Cluster still cannot be reached"),
        }
    }
}
