//! Syncs that go on from the one before.

use std::collections::BTreeMap;

use cache::{Cache, Row, Snapshot, Stamp, StrategyRows};
use testbed::{Redis, RedisCluster};

use crate::support::{all, ask, cluster, cluster_reader, order, position, reader, single, snapshot};

/// What an account's sync stores, without what it says of itself.
fn rows_of(mut keys: BTreeMap<String, String>) -> BTreeMap<String, String> {
    keys.remove("snapshot").expect("a record");
    keys
}

fn with_strategy(mut snapshot: Snapshot, strategy: &str, orders: Vec<Row>, positions: Vec<Row>) -> Snapshot {
    let strategy_id = strategy.to_owned();
    snapshot.strategies.push(StrategyRows { strategy_id, orders, positions, ..StrategyRows::default() });
    snapshot
}

fn stamp(snapshot: &Snapshot, sequence: i64) -> Stamp<'_> {
    let Snapshot { organization_id, pseudo_account, at, .. } = snapshot;
    Stamp { organization_id, pseudo_account, sequence, at: *at }
}

/// The syncs of an account: what is new in each, and what all of it is by then.
fn history() -> Vec<(Snapshot, Snapshot)> {
    let (one, two, three) = (order(1, "OPEN"), order(2, "COMPLETE"), order(7, "OPEN"));
    let (itc, tcs) = (position(1, "ITC"), position(2, "TCS"));
    let empty = Snapshot { strategies: Vec::new(), ..snapshot(1, Vec::new(), Vec::new()) };
    let first = snapshot(2, vec![one.clone(), two.clone()], vec![itc.clone(), tcs.clone()]);
    let second = with_strategy(
        snapshot(3, vec![three.clone()], vec![tcs.clone()]),
        "late",
        vec![three.clone()],
        vec![tcs.clone()],
    );
    let whole_second = with_strategy(
        snapshot(3, vec![one.clone(), two.clone(), three.clone()], vec![tcs.clone()]),
        "late",
        vec![three.clone()],
        vec![tcs],
    );
    // Nothing of strategies is open any more, so nothing is said of them.
    let third = Snapshot { strategies: Vec::new(), ..snapshot(4, Vec::new(), Vec::new()) };
    let whole_third = with_strategy(
        snapshot(4, vec![one, two, three.clone()], Vec::new()),
        "late",
        vec![three],
        Vec::new(),
    );
    vec![(empty.clone(), empty), (first.clone(), first), (second, whole_second), (third, whole_third)]
}

#[tokio::test]
async fn additions_leave_the_keys_that_writing_everything_leaves() {
    let (redis, other) = (Redis::start().unwrap(), Redis::start().unwrap());
    let (cache, anew) = (single(&redis).await, single(&other).await);
    let history = history();
    cache.write_snapshot(&history[0].0).await.unwrap();
    for (new, whole) in &history[1..] {
        let added = cache.add_to_snapshot(new, new.sequence - 1).await.unwrap().expect("it goes on");
        let written = anew.write_snapshot(whole).await.unwrap();
        assert_eq!(added, written);
        assert_eq!(rows_of(all(&redis).await), rows_of(all(&other).await), "{}", new.sequence);
    }
    // And one that writes everything finds its way from there.
    cache.write_snapshot(&history[1].1).await.unwrap_err();
    let last = Snapshot { sequence: 9, ..history[1].1.clone() };
    cache.write_snapshot(&last).await.unwrap();
    other.command("FLUSHALL").unwrap();
    anew.write_snapshot(&last).await.unwrap();
    assert_eq!(rows_of(all(&redis).await), rows_of(all(&other).await));
}

#[tokio::test]
async fn additions_in_a_cluster_leave_the_same_keys() {
    let (servers, other) = (RedisCluster::start().unwrap(), Redis::start().unwrap());
    let (cache, anew) = (cluster(&servers).await, single(&other).await);
    let mut reader = cluster_reader(&servers).await;
    let history = history();
    cache.write_snapshot(&history[0].0).await.unwrap();
    let mut met: BTreeMap<String, String> = BTreeMap::new();
    for (new, whole) in &history[1..] {
        let added = cache.add_to_snapshot(new, new.sequence - 1).await.unwrap().expect("it goes on");
        assert_eq!(added, anew.write_snapshot(whole).await.unwrap());
        let expected = rows_of(all(&other).await);
        met.extend(expected.clone());
        for key in met.keys() {
            let value: Option<String> =
                ask(&mut reader, &["GET", &format!("trade_data:acme:Raghu:{key}")]).await;
            assert_eq!(value.as_ref(), expected.get(key), "{} {key}", new.sequence);
        }
    }
    let refreshed =
        cache.refresh_snapshot(stamp(&history[3].0, 5), 4).await.unwrap().expect("nothing changed");
    assert!(refreshed.unchanged);
    assert_eq!((refreshed.orders, refreshed.strategies), (3, 2));
    ask::<i64>(&mut reader, &["DEL", "trade_data:acme:Raghu:strategies:late:positions"]).await;
    assert_eq!(cache.refresh_snapshot(stamp(&history[3].0, 6), 5).await.unwrap(), None);
}

#[tokio::test]
async fn a_refresh_costs_no_row_and_takes_nothing_for_granted() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let (whole, _) = &history()[1];
    let written = cache.write_snapshot(whole).await.unwrap();
    let before = all(&redis).await;
    let mut reader = reader(&redis).await;
    for key in before.keys() {
        ask::<i64>(&mut reader, &["EXPIRE", &format!("trade_data:acme:Raghu:{key}"), "100"]).await;
    }
    let refreshed = cache.refresh_snapshot(stamp(whole, 3), 2).await.unwrap().expect("nothing changed");
    assert_eq!(refreshed, cache::Stored { unchanged: true, ..written });
    let after = all(&redis).await;
    let record =
        |version: i64| before["snapshot"].replace(r#""version": 2,"#, &format!(r#""version": {version},"#));
    assert_eq!(after["snapshot"], record(3));
    assert_eq!(rows_of(after), rows_of(before.clone()));
    for key in before.keys() {
        let seconds: i64 = ask(&mut reader, &["TTL", &format!("trade_data:acme:Raghu:{key}")]).await;
        assert!(seconds > 86_000, "{key}: {seconds}");
    }
    assert_eq!(
        cache.refresh_snapshot(stamp(whole, 4), 2).await.unwrap(),
        None,
        "another sync was there since"
    );
    for key in before.keys() {
        let value: String = ask(&mut reader, &["GETDEL", &format!("trade_data:acme:Raghu:{key}")]).await;
        assert_eq!(cache.refresh_snapshot(stamp(whole, 4), 3).await.unwrap(), None, "{key} is gone");
        ask::<String>(&mut reader, &["SETEX", &format!("trade_data:acme:Raghu:{key}"), "100", &value]).await;
    }
    // The record is as before but for the version that was refused above.
    assert!(cache.refresh_snapshot(stamp(whole, 4), 3).await.unwrap().is_some());
    // One that is longer than the one before, and one that goes on from a record as nobody of us writes it.
    assert!(cache.refresh_snapshot(stamp(whole, 10), 4).await.unwrap().is_some());
    assert_eq!(all(&redis).await["snapshot"], record(10));
    let other: serde_json::Value = serde_json::from_str(&record(10)).unwrap();
    let key = "trade_data:acme:Raghu:snapshot";
    ask::<String>(&mut reader, &["SETEX", key, "100", &other.to_string()]).await;
    assert!(cache.refresh_snapshot(stamp(whole, 11), 10).await.unwrap().is_some());
    assert_eq!(all(&redis).await["snapshot"], record(11));
    let seconds: i64 = ask(&mut reader, &["TTL", key]).await;
    assert!(seconds > 86_000, "{seconds}");
}

#[tokio::test]
async fn refreshes_at_the_same_time_share_round_trips_and_nothing_else() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let (whole, _) = &history()[1];
    let accounts: Vec<String> = (0..20).map(|n| format!("account-{n}")).collect();
    for account in &accounts {
        let snapshot = Snapshot { pseudo_account: account.clone(), ..whole.clone() };
        cache.write_snapshot(&snapshot).await.unwrap();
    }
    redis.command("DEL trade_data:acme:account-3:holdings").unwrap();
    redis.command("DEL trade_data:acme:account-4:snapshot").unwrap();
    redis.command("SETEX trade_data:acme:account-5:snapshot 100 rubbish").unwrap();
    // Somebody else's, and no text at all: Redis refuses to read it as one.
    redis.command("DEL trade_data:acme:account-6:snapshot").unwrap();
    redis.command("LPUSH trade_data:acme:account-6:snapshot x").unwrap();
    let commands = |name: &str| -> u64 {
        let stats = redis.command("INFO commandstats").unwrap();
        let of = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        of.map_or(0, |of| of.split(',').next().unwrap().parse().unwrap())
    };
    // Before each use of a connection.
    let before = commands("ping");
    let refreshes_of = |sequence: i64| {
        let refreshes = accounts.iter().map(|account| {
            let stamp = Stamp { pseudo_account: account, ..stamp(whole, sequence) };
            cache.refresh_snapshot(stamp, sequence - 1)
        });
        refreshes.collect::<Vec<_>>()
    };
    let refreshes = refreshes_of(3);
    let refreshed = futures_util::future::join_all(refreshes).await;
    for (n, refreshed) in refreshed.iter().enumerate() {
        match n {
            3..=5 => assert_eq!(*refreshed.as_ref().unwrap(), None, "{n}"),
            6 => assert!(matches!(refreshed, Err(cache::CacheError::Rejected { .. })), "{refreshed:?}"),
            _ => assert!(refreshed.as_ref().unwrap().is_some_and(|stored| stored.unchanged), "{n}"),
        }
    }
    // One refused all of them, and so each came for itself. Without it they need one connection, once.
    redis.command("DEL trade_data:acme:account-6:snapshot").unwrap();
    let (between, refreshes) = (commands("ping"), refreshes_of(4));
    assert!(between - before > 1);
    let refreshed = futures_util::future::join_all(refreshes).await;
    assert_eq!(refreshed.iter().filter(|refreshed| matches!(refreshed, Ok(Some(_)))).count(), 16);
    assert_eq!(commands("ping") - between, 1);
    // What is refused after the others are done does not undo them, nor are they done again.
    redis.command("DEL trade_data:acme:account-7:orders").unwrap();
    redis.command("LPUSH trade_data:acme:account-7:orders x").unwrap();
    let (between, refreshes) = (commands("eval"), refreshes_of(5));
    let refreshed = futures_util::future::join_all(refreshes).await;
    assert!(matches!(refreshed[7], Err(cache::CacheError::Rejected { .. })), "{:?}", refreshed[7]);
    let is_done = |refreshed: &&Result<Option<cache::Stored>, _>| matches!(refreshed, Ok(Some(stored)) if stored.unchanged);
    assert_eq!(refreshed.iter().filter(is_done).count(), 15);
    assert_eq!(commands("eval") - between, 16 + 1, "only the refused one is tried again");
}

#[tokio::test]
async fn nothing_is_added_to_lists_that_are_not_what_the_record_says() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let (first, _) = &history()[1];
    let third = snapshot(3, vec![order(3, "OPEN")], vec![position(1, "ITC")]);
    let add = async |cache: &Cache, since| cache.add_to_snapshot(&third, since).await.unwrap();
    assert_eq!(add(&cache, 2).await, None, "nothing is stored");
    cache.write_snapshot(first).await.unwrap();
    assert_eq!(add(&cache, 1).await, None, "another version is");
    let older = snapshot(3, vec![order(2, "OPEN")], Vec::new());
    assert_eq!(cache.add_to_snapshot(&older, 2).await.unwrap(), None, "not the last order");
    redis.command("APPEND trade_data:acme:Raghu:strategies:s:orders x").unwrap();
    let before = all(&redis).await;
    assert_eq!(add(&cache, 2).await, None, "somebody else wrote to a list");
    assert_eq!(all(&redis).await, before);
    redis.command("DEL trade_data:acme:Raghu:strategies:s:orders").unwrap();
    assert_eq!(add(&cache, 2).await, None, "a list is gone");
    let record = all(&redis).await["snapshot"].replace("Raghu:orders:by", "Another:orders:by");
    let mut reader = reader(&redis).await;
    cache.write_snapshot(first).await.unwrap();
    ask::<String>(&mut reader, &["SET", "trade_data:acme:Raghu:snapshot", &record]).await;
    assert_eq!(add(&cache, 2).await, None, "the record is not ours");
}
