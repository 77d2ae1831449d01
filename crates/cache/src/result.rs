use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult};
use serde_json::Value;

use crate::CacheError;
use crate::link::Link;

/// What errors say was being done.
pub(crate) const DOING: &str = "storing a result";

/// Stores a task's result where Celery's clients look for it, and wakes those that wait: they look
/// once and then only listen, so a key without its message leaves them waiting.
///
/// On single Redis both happen in one transaction. A Cluster has no transaction over a key and a
/// channel, so the key comes first: whoever hears the message finds the key.
///
/// As in Celery a stored `SUCCESS` is final: a copy of the job that ends later, or a revocation that
/// comes too late, does not take it back.
pub(crate) async fn store(link: &mut Link, id: &str, meta: &Value, ttl: Duration) -> Result<(), CacheError> {
    let stored = publish(link, id, meta, ttl).await;
    stored.map_err(|error| CacheError::redis(DOING, error))
}

async fn publish(link: &mut Link, id: &str, meta: &Value, ttl: Duration) -> RedisResult<()> {
    let key = format!("celery-task-meta-{id}");
    let stored: Option<Vec<u8>> = link.one(redis::cmd("GET").arg(&key)).await?;
    if stored.is_some_and(|text| is_success(&text)) {
        return Ok(());
    }
    let text = meta.to_string();
    let set = set(&key, &text, ttl);
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(&key).arg(&text);
    match link {
        Link::Single(connection) => {
            let mut both = Pipeline::new();
            both.atomic().add_command(set).add_command(publish);
            both.exec_async(connection).await
        }
        Link::Cluster { connection, .. } => {
            set.exec_async(connection).await?;
            publish.exec_async(connection).await
        }
    }
}

/// A lifetime of zero means for ever, as it does for Celery's `result_expires`.
fn set(key: &str, text: &str, ttl: Duration) -> Cmd {
    if ttl.is_zero() {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(text);
        return set;
    }
    let mut set = redis::cmd("SETEX");
    set.arg(key).arg(ttl.as_secs().max(1)).arg(text);
    set
}

fn is_success(text: &[u8]) -> bool {
    let meta: Option<Value> = serde_json::from_slice(text).ok();
    meta.is_some_and(|meta| meta["status"] == "SUCCESS")
}
