use std::collections::BTreeMap;
use std::time::Duration;

use cache::{Cache, CacheConfig, Row, Snapshot, StrategyRows};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;

/// Long enough for a loaded machine, short enough for a test to wait for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn config(url: &str, hosts: &str) -> CacheConfig {
    let hosts = hosts.split(',').filter(|host| !host.is_empty());
    CacheConfig {
        redis_url: url.to_owned().into(),
        cluster_hosts: hosts.map(str::to_owned).collect(),
        certificates: tls::Certificates::default(),
        pool_size: 4,
        timeout: TIMEOUT,
    }
}

pub(crate) async fn single(redis: &testbed::Redis) -> Cache {
    let cache = Cache::connect(config(&redis.url(), "")).await;
    let cache = cache.expect("good settings");
    assert_eq!(cache.redis_type(), "single");
    cache
}

pub(crate) async fn cluster(cluster: &testbed::RedisCluster) -> Cache {
    // A single Redis that nothing listens at: a Cluster in use must do without.
    let config = config("redis://127.0.0.1:1/0", &cluster.hosts());
    let cache = Cache::connect(config).await.expect("good settings");
    assert_eq!(cache.redis_type(), "cluster");
    cache
}

/// An order of `status` in a strategy's book.
pub(crate) fn order(id: i64, status: &str) -> Row {
    Row {
        id: Some(id),
        status: Some(status.to_owned()),
        json: format!(r#"{{"id": {id}, "status": "{status}"}}"#).into(),
        ..Row::default()
    }
}

/// A position of one lot in an instrument.
pub(crate) fn position(id: i64, instrument: &str) -> Row {
    Row {
        id: Some(id),
        instrument_key: Some(instrument.to_owned()),
        product: Some("CNC".to_owned()),
        net_quantity: Some(1.into()),
        json: format!(r#"{{"id": {id}, "instrument_key": "{instrument}"}}"#).into(),
        ..Row::default()
    }
}

/// An account whose strategy `s` has all of its orders and positions.
pub(crate) fn snapshot(sequence: i64, orders: Vec<Row>, positions: Vec<Row>) -> Snapshot {
    let strategy = StrategyRows {
        strategy_id: "s".to_owned(),
        orders: orders.clone(),
        positions: positions.clone(),
        ..StrategyRows::default()
    };
    Snapshot {
        organization_id: "acme".to_owned(),
        pseudo_account: "Raghu".to_owned(),
        sequence,
        at: "2025-06-17T10:30:00Z".parse().expect("a time"),
        positions,
        orders,
        holdings: Vec::new(),
        margins: Vec::new(),
        strategies: vec![strategy],
        instruments_seen: Vec::new(),
    }
}

/// An account whose every key says `text`.
pub(crate) fn saying(sequence: i64, text: &str) -> Snapshot {
    let row = Row {
        id: Some(1),
        status: Some("OPEN".to_owned()),
        json: format!("{text:?}").into(),
        ..Row::default()
    };
    snapshot(sequence, vec![row.clone()], vec![row])
}

/// The keys [`saying`] has and the text in each, but for the empty ones.
pub(crate) const SAYING: [&str; 6] = [
    "trade_data:acme:Raghu:positions",
    "trade_data:acme:Raghu:orders",
    "trade_data:acme:Raghu:orders:by_status:OPEN",
    "trade_data:acme:Raghu:strategies:s:positions",
    "trade_data:acme:Raghu:strategies:s:orders",
    "trade_data:acme:Raghu:strategies:s:orders:by_status:OPEN",
];

/// All keys of a single Redis with their values, names without `trade_data:acme:Raghu:`.
pub(crate) async fn all(redis: &testbed::Redis) -> BTreeMap<String, String> {
    let mut connection = reader(redis).await;
    let keys: Vec<String> = ask(&mut connection, &["KEYS", "*"]).await;
    let mut all = BTreeMap::new();
    for key in keys {
        let value: String = ask(&mut connection, &["GET", &key]).await;
        let name = key.strip_prefix("trade_data:acme:Raghu:").unwrap_or(&key);
        all.insert(name.to_owned(), value);
    }
    all
}

pub(crate) async fn reader(redis: &testbed::Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("a client");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

pub(crate) async fn cluster_reader(cluster: &testbed::RedisCluster) -> ClusterConnection {
    let client = ClusterClient::new(cluster.urls()).expect("a client");
    client.get_async_connection().await.expect("a connection")
}

pub(crate) async fn ask<T: redis::FromRedisValue>(
    connection: &mut impl redis::aio::ConnectionLike,
    words: &[&str],
) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let answer = command.query_async(connection).await;
    answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}
