//! Redis, single or Cluster: snapshots in the legacy layout, Celery results, and what the fleet shares about
//! brokerages (rate limits in `allowance.rs`, circuit breakers in `breaker.rs`).
//!
//! [`Cache::write_snapshot`] stores what one sync of an account found, under the keys and in the
//! shapes the replaced system used ([`Snapshot`] goes in, `layout.rs` says which keys come out). A
//! last key, `trade_data:<org>:<account>:snapshot`, tells readers which sync they see and tells the
//! next sync what lies there: an account in which nothing changed costs an expiry refresh, and keys
//! that no longer apply are known and removed.
//!
//! On single Redis a sync is one transaction (`transaction.rs`). In a Cluster the keys of an account
//! share no slot, so they change one by one (`stepwise.rs`), the snapshot key always last.
//!
//! This is the only crate that names `redis`.

mod addition;
mod allowance;
mod breaker;
mod cache;
mod checkup;
mod cluster;
mod config;
mod error;
mod going_on;
mod layout;
mod link;
mod mark;
mod pool_use;
mod refresh;
mod result;
mod single;
mod snapshot;
mod stepwise;
mod text;
mod transaction;

pub use self::allowance::{Allowance, Errand, Grant, Window};
pub use self::breaker::Open;
pub use self::cache::Cache;
pub use self::checkup::{NodeFacts, RedisFacts};
pub use self::config::CacheConfig;
pub use self::error::CacheError;
pub use self::pool_use::PoolUse;
pub use self::snapshot::{Row, Snapshot, Stamp, Stored, StrategyRows};
