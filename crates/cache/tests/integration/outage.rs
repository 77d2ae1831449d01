use std::time::Instant;

use cache::CacheError;
use testbed::Redis;

use crate::support::{TIMEOUT, all, saying, single};

#[tokio::test]
async fn a_server_away_at_start_is_connected_to_when_it_comes() {
    let redis = Redis::start().unwrap();
    redis.stop().unwrap();
    let cache = single(&redis).await;
    let error = cache.ping().await.unwrap_err();
    assert!(matches!(error, CacheError::Unavailable { .. }), "{error:?}");
    redis.restart().unwrap();
    cache.ping().await.unwrap();
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
}

#[tokio::test]
async fn after_a_restart_the_next_operation_works() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    // More than one connection, so that several dead ones lie in the pool.
    let warm = || {
        let cache = cache.clone();
        tokio::spawn(async move { cache.ping().await })
    };
    for ping in [warm(), warm(), warm(), warm()] {
        ping.await.unwrap().unwrap();
    }
    for sequence in [1, 2] {
        redis.kill().unwrap();
        let error = cache.write_snapshot(&saying(sequence, "a")).await.unwrap_err();
        assert!(matches!(error, CacheError::Unavailable { .. }), "{error:?}");
        redis.restart().unwrap();
        cache.write_snapshot(&saying(sequence, "a")).await.unwrap();
    }
    redis.restart().unwrap();
    let stored = cache.write_snapshot(&saying(3, "a")).await.unwrap();
    assert!(!stored.unchanged, "Redis came back empty");
    assert_eq!(all(&redis).await["orders"], r#"["a"]"#);
}

#[tokio::test]
async fn a_server_that_hangs_costs_no_more_than_the_time_limit() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
    redis.freeze().unwrap();
    let begun = Instant::now();
    let snapshot = saying(2, "b");
    let (written, pinged) = tokio::join!(cache.write_snapshot(&snapshot), cache.ping());
    assert!(begun.elapsed() < TIMEOUT * 3 / 2, "{:?}", begun.elapsed());
    for error in [written.map(drop).unwrap_err(), pinged.unwrap_err()] {
        assert!(matches!(error, CacheError::Unavailable { .. }), "{error:?}");
    }
    redis.thaw().unwrap();
    cache.write_snapshot(&snapshot).await.unwrap();
    assert_eq!(all(&redis).await["orders"], r#"["b"]"#);
}
