use std::time::{Duration, Instant};

use cache::{Allowance, Cache, Errand, Window};
use testbed::{Redis, RedisCluster};

use crate::support::{cluster, single};

fn errand(name: &str) -> Option<Errand<'_>> {
    Some(Errand { name, longest: None })
}

/// Windows whose name begins with `key` or is a length are shared.
fn allowance(windows: &[(&str, u32, u64)]) -> Allowance {
    let window = |(name, requests, millis): &(&str, u32, u64)| Window {
        name: (*name).to_owned(),
        requests: *requests,
        length: Duration::from_millis(*millis),
        is_shared: !name.contains("account"),
    };
    Allowance {
        group: "kite:1234".to_owned(),
        stage: "look".to_owned(),
        windows: windows.iter().map(window).collect(),
    }
}

/// Asks until it is granted, and tells when that was.
async fn granted(cache: &Cache, allowance: &Allowance, requests: u32, who: &str) -> Instant {
    loop {
        let grant = cache.take(allowance, requests, None, who).await;
        assert!(!grant.is_own_share);
        if grant.wait.is_zero() {
            return Instant::now();
        }
        tokio::time::sleep(grant.wait).await;
    }
}

#[tokio::test]
async fn no_stretch_of_a_windows_length_has_more_grants_than_it_allows_however_many_ask() {
    let redis = Redis::start().unwrap();
    let limits = allowance(&[("1s", 10, 1000)]);
    let mut tasks = Vec::new();
    for process in 0..3 {
        // A pool of its own each, as processes have.
        let cache = single(&redis).await;
        for _ in 0..10 {
            let (cache, limits) = (cache.clone(), limits.clone());
            tasks.push(tokio::spawn(async move {
                granted(&cache, &limits, 1, &format!("worker {process}")).await
            }));
        }
    }
    let begun = Instant::now();
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await.unwrap());
    }
    times.sort();
    // The eleventh is granted a second after the first at the earliest; answers take a moment, so a tenth less is asked.
    for pair in times.windows(11) {
        assert!(pair[10] - pair[0] > Duration::from_millis(900), "{:?}", pair[10] - pair[0]);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "what is allowed is given: {:?}", begun.elapsed());
}

#[tokio::test]
async fn the_tightest_of_several_windows_decides_and_a_refusal_spends_nothing() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let limits = allowance(&[("key", 10, 60_000), ("account", 4, 600_000)]);
    assert_eq!(cache.take(&limits, 4, None, "w").await.wait, Duration::ZERO);
    for _ in 0..5 {
        let wait = cache.take(&limits, 4, None, "w").await.wait;
        assert!(wait > Duration::from_secs(590) && wait <= Duration::from_secs(600), "{wait:?}");
    }
    // Another account of the same key has what is left of the key's.
    let other = allowance(&[("key", 10, 60_000), ("other account", 4, 600_000)]);
    assert_eq!(cache.take(&other, 4, None, "w").await.wait, Duration::ZERO);
    let wait = cache.take(&other, 1, None, "w").await.wait;
    assert!(wait > Duration::from_secs(590), "its own window: {wait:?}");
    let third = allowance(&[("key", 10, 60_000), ("third account", 4, 600_000)]);
    let wait = cache.take(&third, 3, None, "w").await.wait;
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "the key's window: {wait:?}");
}

#[tokio::test]
async fn those_who_queue_are_told_turns_of_their_own_and_nobody_passes_them_by() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let limits = allowance(&[("1s", 10, 1000)]);
    assert_eq!(cache.take(&limits, 10, errand("first"), "w").await.wait, Duration::ZERO);
    let mut waits = Vec::new();
    for errand in ["a", "b", "c"] {
        waits.push(cache.take(&limits, 5, self::errand(errand), "w").await.wait);
    }
    for pair in waits.windows(2) {
        let apart = pair[1].saturating_sub(pair[0]);
        assert!(apart > Duration::from_millis(400) && apart <= Duration::from_millis(500), "{waits:?}");
    }
    let again = cache.take(&limits, 5, errand("b"), "w").await.wait;
    assert!(again <= waits[1] && again > waits[0], "its turn stands: {again:?} of {waits:?}");

    // The window has room by now, but those who wait have it.
    tokio::time::sleep(waits[0]).await;
    let newcomer = cache.take(&limits, 5, errand("d"), "w").await.wait;
    assert!(newcomer > Duration::from_millis(800), "{newcomer:?}");
    assert_eq!(cache.take(&limits, 5, errand("a"), "w").await.wait, Duration::ZERO);
    let (late, deadline) = (Instant::now(), Instant::now() + Duration::from_secs(10));
    for errand in ["b", "c", "d"] {
        loop {
            let wait = cache.take(&limits, 5, self::errand(errand), "w").await.wait;
            if wait.is_zero() {
                break;
            }
            assert!(Instant::now() < deadline, "{errand} waits for ever");
            tokio::time::sleep(wait).await;
        }
    }
    assert!(late.elapsed() > Duration::from_millis(1000), "no faster than allowed: {:?}", late.elapsed());
    assert_eq!(redis.command("ZCARD syncfleet:rate:{kite:1234}:look:turns").unwrap(), "0");
}

#[tokio::test]
async fn what_a_brokerage_asks_for_holds_the_whole_fleet_back() {
    let servers = RedisCluster::start().unwrap();
    let (cache, other) = (cluster(&servers).await, cluster(&servers).await);
    let limits = allowance(&[("1s", 10, 1000)]);
    cache.hold_back(&limits, Duration::from_secs(30)).await;
    cache.hold_back(&limits, Duration::from_secs(5)).await;
    let grant = other.take(&limits, 1, None, "w").await;
    assert!(grant.wait > Duration::from_secs(28) && grant.wait <= Duration::from_secs(30), "{grant:?}");
}

#[tokio::test]
async fn away_from_redis_a_process_takes_its_share_and_comes_back_by_itself() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let limits = allowance(&[("1s", 10, 1000)]);
    for who in ["a", "b", "c", "d", "e"] {
        assert!(!cache.take(&limits, 1, None, who).await.is_own_share);
    }
    redis.stop().unwrap();
    let first = cache.take(&limits, 2, None, "a").await;
    assert!(first.is_own_share && first.wait.is_zero(), "{first:?}");
    // Five share ten a second, so two requests are a second's worth.
    let second = cache.take(&limits, 1, None, "a").await;
    assert!(second.is_own_share && second.wait > Duration::from_millis(500), "{second:?}");
    redis.restart().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while cache.take(&limits, 1, None, "a").await.is_own_share {
        assert!(Instant::now() < deadline, "Redis is back and not used");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_turn_that_would_come_too_late_is_not_kept_free_and_a_busy_account_keeps_nobody_waiting() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let limits = allowance(&[("1s", 10, 1000)]);
    assert_eq!(cache.take(&limits, 10, errand("first"), "w").await.wait, Duration::ZERO);
    let in_time = cache.take(&limits, 10, errand("second"), "w").await.wait;
    for late in ["a", "b", "c", "d"] {
        let hasty = Some(Errand { name: late, longest: Some(Duration::from_millis(1500)) });
        let wait = cache.take(&limits, 10, hasty, "w").await.wait;
        assert!(
            wait > Duration::from_millis(1500) && wait < in_time + Duration::from_millis(1100),
            "{late}: {wait:?}"
        );
    }
    let next = cache.take(&limits, 10, errand("third"), "w").await.wait;
    assert!(next < in_time + Duration::from_millis(1100), "the turns of the late ones are free: {next:?}");

    let busy =
        Allowance { group: "other".to_owned(), ..allowance(&[("key", 100, 1000), ("account a", 1, 60_000)]) };
    assert_eq!(cache.take(&busy, 1, errand("j1"), "w").await.wait, Duration::ZERO);
    assert!(cache.take(&busy, 1, errand("j2"), "w").await.wait > Duration::from_secs(50));
    let other =
        Allowance { group: "other".to_owned(), ..allowance(&[("key", 100, 1000), ("account b", 1, 60_000)]) };
    assert_eq!(cache.take(&other, 1, errand("j3"), "w").await.wait, Duration::ZERO);
}
