use std::error::Error;

use cache::{Cache, CacheError};
use testbed::Redis;

use crate::support::{all, config, saying, single};

async fn refused(cache: &Cache) -> String {
    let error = cache.write_snapshot(&saying(1, "a")).await.expect_err("a refusal");
    let CacheError::Rejected { code, .. } = &error else {
        panic!("{error:?}");
    };
    let source = error.source().expect("a source").to_string();
    assert!(!error.to_string().contains(&source), "{error} repeats {source}");
    code.clone()
}

#[tokio::test]
async fn a_server_that_refuses_is_told_from_one_that_is_away() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;

    redis.command("CONFIG SET maxmemory 1").unwrap();
    assert_eq!(refused(&cache).await, "OOM");
    assert!(all(&redis).await.is_empty(), "a part was written");
    redis.command("CONFIG SET maxmemory 0").unwrap();

    redis.command("RPUSH trade_data:acme:Raghu:snapshot x").unwrap();
    assert_eq!(refused(&cache).await, "WRONGTYPE");
    redis.command("FLUSHALL").unwrap();

    redis.command("REPLICAOF 127.0.0.1 1").unwrap();
    let code = refused(&cache).await;
    assert!(["READONLY", "MASTERDOWN"].contains(&code.as_str()), "{code}");
    redis.command("REPLICAOF NO ONE").unwrap();

    cache.write_snapshot(&saying(1, "a")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_a_refusal_and_is_never_shown() {
    let redis = Redis::start().unwrap();
    let url = |password: &str| redis.url().replace("redis://", &format!("redis://:{password}@"));
    redis.command("CONFIG SET requirepass hunter2").unwrap();
    let wrong = Cache::connect(config(&url("hunter3"), "")).await.unwrap();
    let error = wrong.ping().await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.source());
    assert!(matches!(error, CacheError::Rejected { .. }), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
    let right = Cache::connect(config(&url("hunter2"), "")).await.unwrap();
    right.ping().await.unwrap();
}
