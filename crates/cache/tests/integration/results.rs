use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use serde_json::json;
use testbed::{Redis, RedisCluster};
use tokio::time::timeout;

use crate::support::{TIMEOUT, ask, cluster, cluster_reader, reader, single};

const DAY: Duration = Duration::from_secs(86_400);
const KEY: &str = "celery-task-meta-64c0";

async fn subscribed(url: &str) -> PubSub {
    let client = redis::Client::open(url).expect("a client");
    let mut listener = client.get_async_pubsub().await.expect("a connection");
    listener.subscribe(KEY).await.expect("a subscription");
    listener
}

async fn heard(listener: &mut PubSub) -> serde_json::Value {
    let message = timeout(TIMEOUT, listener.on_message().next()).await;
    let message = message.expect("in time").expect("a message");
    serde_json::from_slice(message.get_payload_bytes()).expect("JSON")
}

#[tokio::test]
async fn a_waiting_client_is_woken_and_finds_the_key() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let mut listener = subscribed(&redis.url()).await;
    let meta = json!({"status": "SUCCESS", "result": {"n": 12345678901234567890_u64}, "task_id": "64c0"});
    cache.store_result("64c0", &meta, DAY).await.unwrap();
    assert_eq!(heard(&mut listener).await, meta);
    let mut reader = reader(&redis).await;
    let stored: String = ask(&mut reader, &["GET", KEY]).await;
    assert_eq!(stored, meta.to_string());
    let seconds: i64 = ask(&mut reader, &["TTL", KEY]).await;
    assert!((86_390..=86_400).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_success_is_final_and_everything_else_is_not() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let status = |status: &str| json!({"status": status, "result": null, "task_id": "64c0"});
    for written in ["STARTED", "RETRY", "FAILURE", "REVOKED", "SUCCESS", "FAILURE", "REVOKED"] {
        cache.store_result("64c0", &status(written), DAY).await.unwrap();
    }
    let stored: String = ask(&mut reader(&redis).await, &["GET", KEY]).await;
    assert_eq!(stored, status("SUCCESS").to_string());
}

#[tokio::test]
async fn a_lifetime_of_zero_is_for_ever() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let meta = json!({"status": "FAILURE"});
    cache.store_result("64c0", &meta, Duration::ZERO).await.unwrap();
    assert_eq!(redis.command(&format!("TTL {KEY}")).unwrap(), "-1");
}

#[tokio::test]
async fn in_a_cluster_a_client_at_any_node_is_woken() {
    let servers = RedisCluster::start().unwrap();
    let cache = cluster(&servers).await;
    let mut listeners = Vec::new();
    for url in servers.urls() {
        listeners.push(subscribed(&url).await);
    }
    let meta = json!({"status": "FAILURE", "result": null, "task_id": "64c0"});
    cache.store_result("64c0", &meta, DAY).await.unwrap();
    for listener in &mut listeners {
        assert_eq!(heard(listener).await, meta);
    }
    let stored: String = ask(&mut cluster_reader(&servers).await, &["GET", KEY]).await;
    assert_eq!(stored, meta.to_string());
}
