use std::time::{Duration, Instant};

use cache::{Cache, CacheError};
use testbed::{Redis, RedisCluster};

use crate::support::{SAYING, ask, cluster, cluster_reader, config, order, position, saying, snapshot};

/// From the death of a master to the first write that succeeds: its silence is noticed after two
/// seconds, its replica is elected within one or two, and the machine may be loaded.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

async fn value(reader: &mut redis::cluster_async::ClusterConnection, key: &str) -> Option<String> {
    ask(reader, &["GET", key]).await
}

#[tokio::test]
async fn every_key_works_in_a_cluster_and_none_is_left_behind() {
    let servers = RedisCluster::start().unwrap();
    let cache = cluster(&servers).await;
    cache.ping().await.unwrap();
    let mut reader = cluster_reader(&servers).await;
    let root = "trade_data:acme:Raghu";
    let legacy = format!("{root}:orders:by_status:REJECTED");
    ask::<String>(&mut reader, &["SET", &legacy, "old"]).await;

    let first = snapshot(1, vec![order(1, "OPEN")], vec![position(1, "I1")]);
    assert!(!cache.write_snapshot(&first).await.unwrap().unchanged);
    let open = format!("{root}:strategies:s:orders:by_status:OPEN");
    let i1 = format!("{root}:strategies:s:positions:by_instrument:I1");
    assert_eq!(value(&mut reader, &open).await.as_deref(), Some(r#"[{"id": 1, "status": "OPEN"}]"#));
    assert!(value(&mut reader, &i1).await.is_some());
    assert_eq!(value(&mut reader, &legacy).await, None);

    ask::<i64>(&mut reader, &["EXPIRE", &open, "100"]).await;
    let again = snapshot(2, first.orders.clone(), first.positions.clone());
    assert!(cache.write_snapshot(&again).await.unwrap().unchanged);
    assert!(ask::<i64>(&mut reader, &["TTL", &open]).await > 86_000);

    ask::<i64>(&mut reader, &["DEL", &i1]).await;
    let again = cache.write_snapshot(&snapshot(3, first.orders, first.positions)).await.unwrap();
    assert!(!again.unchanged);
    assert!(value(&mut reader, &i1).await.is_some());

    let second = snapshot(4, vec![order(1, "LAPSED")], vec![position(1, "I2")]);
    cache.write_snapshot(&second).await.unwrap();
    assert_eq!(value(&mut reader, &open).await, None);
    assert_eq!(value(&mut reader, &i1).await, None);
    cache.write_snapshot(&snapshot(5, Vec::new(), Vec::new())).await.unwrap();
    assert_eq!(value(&mut reader, &format!("{root}:orders:by_status:LAPSED")).await, None);
    assert_eq!(value(&mut reader, &format!("{root}:orders")).await.as_deref(), Some("[]"));

    let error = cache.write_snapshot(&saying(4, "late")).await.unwrap_err();
    assert!(matches!(error, CacheError::Stale { stored: 5, offered: 4 }), "{error:?}");
    assert_eq!(value(&mut reader, &format!("{root}:orders")).await.as_deref(), Some("[]"));
}

/// The lease keeps syncs of an account apart; this is what remains when one has lost its lease.
#[tokio::test]
async fn what_syncs_at_the_same_time_left_mixed_is_never_vouched_for() {
    let servers = RedisCluster::start().unwrap();
    let cache = cluster(&servers).await;
    let mut reader = cluster_reader(&servers).await;
    for round in 0..30 {
        let syncs = (1..=3).map(|run| {
            let cache = cache.clone();
            let sequence = round * 10 + run;
            let snapshot = saying(sequence, &sequence.to_string());
            tokio::spawn(async move { cache.write_snapshot(&snapshot).await })
        });
        for sync in syncs.collect::<Vec<_>>() {
            match sync.await.unwrap() {
                Ok(_) | Err(CacheError::Stale { .. } | CacheError::Unavailable { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let record = value(&mut reader, "trade_data:acme:Raghu:snapshot").await.unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        for key in SAYING {
            let value = value(&mut reader, key).await.unwrap();
            let whole = value == format!(r#"["{}"]"#, record["version"]);
            assert!(whole || record["digest"] == "", "{key} has {value} under {record}");
        }
    }
    cache.write_snapshot(&saying(1_000, "last")).await.unwrap();
    for key in SAYING {
        assert_eq!(value(&mut reader, key).await.as_deref(), Some(r#"["last"]"#), "{key}");
    }
}

/// Writes until one write succeeds.
async fn written_within(limit: Duration, cache: &Cache, from: i64) {
    let begun = Instant::now();
    for sequence in from.. {
        let snapshot = saying(sequence, &sequence.to_string());
        match cache.write_snapshot(&snapshot).await {
            Ok(_) => return,
            Err(CacheError::Unavailable { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        assert!(begun.elapsed() < limit, "not written within {limit:?}");
    }
}

#[tokio::test]
async fn the_death_of_a_master_in_use_stops_writes_only_until_its_replica_takes_over() {
    let servers = RedisCluster::start().unwrap();
    let cache = cluster(&servers).await;
    cache.write_snapshot(&saying(1, "1")).await.unwrap();
    servers.wait_until_replicated().unwrap();
    servers.node(0).kill().unwrap();
    written_within(FAILOVER_MAX, &cache, 2).await;
    assert_eq!(cache.redis_type(), "cluster");
    cache.ping().await.unwrap();
    // One that starts now finds the Cluster by the hosts that are left.
    let fresh = cluster(&servers).await;
    fresh.write_snapshot(&saying(1_000, "fresh")).await.unwrap();
}

#[tokio::test]
async fn a_master_that_hangs_stops_writes_only_until_its_replica_takes_over() {
    let servers = RedisCluster::start().unwrap();
    let cache = cluster(&servers).await;
    cache.write_snapshot(&saying(1, "1")).await.unwrap();
    servers.wait_until_replicated().unwrap();
    servers.node(0).freeze().unwrap();
    written_within(FAILOVER_MAX, &cache, 2).await;
}

#[tokio::test]
async fn a_cluster_away_at_start_means_single_redis_until_it_answers() {
    let redis = Redis::start().unwrap();
    let servers = RedisCluster::start().unwrap();
    servers.stop().unwrap();
    let cache = Cache::connect(config(&redis.url(), &servers.hosts())).await.unwrap();
    assert_eq!(cache.redis_type(), "single");
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
    assert!(cache.retry_cluster().await.is_err());
    assert_eq!(cache.redis_type(), "single");

    servers.restart().unwrap();
    cache.retry_cluster().await.unwrap();
    assert_eq!(cache.redis_type(), "cluster");
    assert!(!cache.write_snapshot(&saying(2, "a")).await.unwrap().unchanged);
    let mut reader = cluster_reader(&servers).await;
    assert_eq!(value(&mut reader, SAYING[0]).await.as_deref(), Some(r#"["a"]"#));
}

#[tokio::test]
async fn a_cluster_in_use_is_never_left_for_single_redis() {
    let redis = Redis::start().unwrap();
    let servers = RedisCluster::start().unwrap();
    let cache = Cache::connect(config(&redis.url(), &servers.hosts())).await.unwrap();
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
    servers.kill().unwrap();
    for _ in 0..2 {
        let error = cache.write_snapshot(&saying(2, "b")).await.unwrap_err();
        assert!(matches!(error, CacheError::Unavailable { .. }), "{error:?}");
        assert_eq!(cache.redis_type(), "cluster");
    }
    assert_eq!(redis.command("DBSIZE").unwrap(), "0");
    servers.restart().unwrap();
    cache.write_snapshot(&saying(3, "c")).await.unwrap();
}
