use std::collections::HashMap;

use chrono::{DateTime, Utc};
use redis::{Cmd, Value, cmd};

use crate::cache::Cache;
use crate::error::CacheError;
use crate::link::Link;

/// A key that nobody else uses, for a few seconds.
const KEY: &str = "syncfleet:doctor";
const KEY_SECONDS: u32 = 10;

/// Redis as it is, for `doctor`.
#[derive(Debug, Clone)]
pub struct RedisFacts {
    /// `single` or `cluster`: what is in use.
    pub redis_type: &'static str,
    /// The nodes that said something of themselves; of single Redis the one.
    pub nodes: Vec<NodeFacts>,
    /// Its clock; a Cluster has several, and is not asked.
    pub now: Option<DateTime<Utc>>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// Whether it is a replica, which takes no writes.
    pub is_replica: bool,
    /// Whether it logs each write.
    pub has_log: bool,
    /// Whether it writes snapshots to disk by itself; `None`: it does not say.
    pub has_snapshots: Option<bool>,
    /// Bytes it may have; zero: no limit.
    pub memory_limit: u64,
    /// What it drops when it has no more: `noeviction` is nothing.
    pub eviction: String,
}

impl Cache {
    /// What Redis says of itself, after a key was written, read and deleted.
    ///
    /// # Errors
    /// When it does not answer, or takes no writes.
    pub async fn facts(&self) -> Result<RedisFacts, CacheError> {
        const DOING: &str = "a checkup";
        let redis_type = self.redis_type();
        self.with_link(DOING, async |link| {
            let ours = |error| CacheError::redis(DOING, error);
            let set = cmd("SET").arg(KEY).arg(DOING).arg("EX").arg(KEY_SECONDS).to_owned();
            link.one::<()>(&set).await.map_err(ours)?;
            link.one::<()>(cmd("DEL").arg(KEY)).await.map_err(ours)?;
            let info: Value = link.one(&cmd("INFO")).await.map_err(ours)?;
            let save = snapshots(link).await;
            let now = match link {
                Link::Single(_) => link.one(&cmd("TIME")).await.ok().and_then(instant),
                Link::Cluster { .. } => None,
            };
            let nodes = texts(info).iter().map(|text| NodeFacts::read(text, save)).collect();
            Ok(RedisFacts { redis_type, nodes, now })
        })
        .await
    }
}

impl NodeFacts {
    fn read(info: &str, has_snapshots: Option<bool>) -> Self {
        let fields: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        Self {
            version: field("redis_version"),
            mode: field("redis_mode"),
            is_replica: field("role") == "slave",
            has_log: field("aof_enabled") == "1",
            has_snapshots,
            memory_limit: field("maxmemory").parse().unwrap_or_default(),
            eviction: field("maxmemory_policy"),
        }
    }
}

/// Whether snapshots are configured; hosted servers do not let that be asked.
async fn snapshots(link: &mut Link) -> Option<bool> {
    let asked: Cmd = cmd("CONFIG").arg("GET").arg("save").to_owned();
    let answer: Value = link.one(&asked).await.ok()?;
    // A list of name and value, or, from each node of a Cluster, one of those.
    texts(answer).iter().find(|text| *text != "save").map(|saves| !saves.is_empty())
}

fn instant((seconds, micros): (i64, u32)) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, micros * 1000)
}

/// Every text in an answer, however it is nested, but not the addresses by which a Cluster's answers are told apart.
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(&bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text],
        Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        Value::Map(pairs) => pairs.into_iter().flat_map(|(_, value)| texts(value)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_itself_is_read_line_by_line() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\nrole:slave\r\naof_enabled:1\r\n\
                    maxmemory:1024\r\nmaxmemory_policy:allkeys-lru\r\n";
        let node = NodeFacts::read(info, Some(false));
        assert_eq!(
            (node.version.as_str(), node.memory_limit, node.is_replica, node.has_log),
            ("7.0.15", 1024, true, true)
        );
        assert_eq!((node.mode.as_str(), node.eviction.as_str()), ("standalone", "allkeys-lru"));
        assert_eq!(NodeFacts::read("rubbish", None).memory_limit, 0);
    }
}
