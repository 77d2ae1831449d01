use std::time::Duration;

use testbed::Redis;

use crate::support::single;

const NAME: &str = "kite https://api.example";

/// Lets the pause of the breaker, or the time of its probe, pass.
fn pass(redis: &Redis, field: &str) {
    redis.command(&format!("HSET \"syncfleet:breaker:{NAME}\" {field} 1")).expect("a known breaker");
}

#[tokio::test]
async fn it_opens_after_five_failures_in_a_row_and_says_why() {
    let redis = Redis::start().unwrap();
    let (cache, other) = (single(&redis).await, single(&redis).await);
    for _ in 0..4 {
        cache.breaker_failed(NAME, "HTTP 502").await.unwrap();
    }
    assert_eq!(other.breaker(NAME).await.unwrap(), None);
    cache.breaker_succeeded(NAME).await.unwrap();
    for _ in 0..4 {
        cache.breaker_failed(NAME, "HTTP 502").await.unwrap();
    }
    assert_eq!(other.breaker(NAME).await.unwrap(), None, "a success in between begins anew");
    cache.breaker_failed(NAME, "HTTP 503").await.unwrap();
    let open = other.breaker(NAME).await.unwrap().expect("open");
    assert_eq!(open.error, "HTTP 503");
    assert!(open.wait > Duration::from_secs(13) && open.wait <= Duration::from_secs(15), "{open:?}");
    assert_eq!(other.breaker("another").await.unwrap(), None);
}

#[tokio::test]
async fn after_its_pause_one_probe_goes_through_and_decides() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    for _ in 0..5 {
        cache.breaker_failed(NAME, "HTTP 502").await.unwrap();
    }
    cache.breaker_failed(NAME, "late").await.unwrap();
    pass(&redis, "until");
    assert_eq!(cache.breaker(NAME).await.unwrap(), None, "the probe");
    for _ in 0..3 {
        let waits = cache.breaker(NAME).await.unwrap().expect("others wait for the probe");
        assert_eq!(waits.error, "HTTP 502", "one that was on its way says nothing new");
    }
    cache.breaker_failed(NAME, "HTTP 504").await.unwrap();
    let open = cache.breaker(NAME).await.unwrap().expect("open again");
    assert!(open.wait > Duration::from_secs(25), "twice as long: {open:?}");
    pass(&redis, "until");
    assert_eq!(cache.breaker(NAME).await.unwrap(), None, "the next probe");
    cache.breaker_succeeded(NAME).await.unwrap();
    assert_eq!(cache.breaker(NAME).await.unwrap(), None);
}

#[tokio::test]
async fn a_probe_whose_process_died_is_followed_by_another() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    for _ in 0..5 {
        cache.breaker_failed(NAME, "HTTP 502").await.unwrap();
    }
    pass(&redis, "until");
    assert_eq!(cache.breaker(NAME).await.unwrap(), None);
    assert!(cache.breaker(NAME).await.unwrap().is_some());
    pass(&redis, "probe");
    assert_eq!(cache.breaker(NAME).await.unwrap(), None);
}
