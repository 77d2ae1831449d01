use cache::{CacheError, Snapshot, Stored, StrategyRows};
use testbed::Redis;

use crate::support::{SAYING, all, ask, order, position, reader, saying, single, snapshot};

#[tokio::test]
async fn a_sync_is_stored_under_the_legacy_keys_with_its_record_last() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let orders = vec![order(10, "OPEN"), order(9, "COMPLETE")];
    let snapshot = snapshot(7, orders, vec![position(1, "NSE@ITC@equities")]);
    let stored = cache.write_snapshot(&snapshot).await.unwrap();
    let expected = Stored { positions: 1, orders: 2, strategies: 1, ..Stored::default() };
    assert_eq!(stored, expected);

    let mut keys = all(&redis).await;
    let record = keys.remove("snapshot").unwrap();
    let list = r#"[{"id": 9, "status": "COMPLETE"}, {"id": 10, "status": "OPEN"}]"#;
    assert_eq!(keys["orders"], list);
    assert_eq!(keys["strategies:s:orders"], list);
    assert_eq!(keys["orders:by_status:OPEN"], r#"[{"id": 10, "status": "OPEN"}]"#);
    let row = r#"{"id": 1, "instrument_key": "NSE@ITC@equities"}"#;
    assert_eq!(keys["strategies:s:positions:by_instrument:NSE@ITC@equities"], row);
    assert_eq!(keys["holdings"], "[]");
    assert_eq!(keys.len(), 13);

    let start = r#"{"version": 7, "time": "2025-06-17T10:30:00+00:00", "digest": ""#;
    assert!(record.starts_with(start), "{record}");
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["keys"].as_array().unwrap().len(), 9);

    let mut reader = reader(&redis).await;
    for key in ["positions", "strategies:s:orders:by_status:COMPLETE", "snapshot"] {
        let key = format!("trade_data:acme:Raghu:{key}");
        let seconds: i64 = ask(&mut reader, &["TTL", &key]).await;
        assert!((86_390..=86_400).contains(&seconds), "{key}: {seconds}");
    }
}

#[tokio::test]
async fn an_account_without_any_row_has_empty_lists() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let empty = Snapshot { strategies: Vec::new(), ..snapshot(1, Vec::new(), Vec::new()) };
    let stored = cache.write_snapshot(&empty).await.unwrap();
    assert_eq!(stored, Stored::default());
    let mut keys = all(&redis).await;
    keys.remove("snapshot").unwrap();
    assert_eq!(keys.len(), 4);
    assert!(keys.values().all(|value| value == "[]"));
}

#[tokio::test]
async fn an_unchanged_account_costs_an_expiry_refresh_and_no_rewrite() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
    let mut reader = reader(&redis).await;
    for key in SAYING {
        ask::<i64>(&mut reader, &["EXPIRE", key, "100"]).await;
    }
    ask::<String>(&mut reader, &["CONFIG", "RESETSTAT"]).await;
    let stored = cache.write_snapshot(&saying(2, "a")).await.unwrap();
    assert!(stored.unchanged);
    assert_eq!((stored.orders, stored.strategies), (1, 1));
    let stats: String = ask(&mut reader, &["INFO", "commandstats"]).await;
    assert!(stats.contains("cmdstat_setex:calls=1,"), "{stats}");
    for key in SAYING {
        let seconds: i64 = ask(&mut reader, &["TTL", key]).await;
        assert!(seconds > 86_000, "{key}: {seconds}");
    }
    assert!(all(&redis).await["snapshot"].starts_with(r#"{"version": 2, "#));
}

#[tokio::test]
async fn a_key_that_is_gone_is_written_again_though_nothing_changed() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    cache.write_snapshot(&saying(1, "a")).await.unwrap();
    let before = all(&redis).await;
    redis.command("DEL trade_data:acme:Raghu:strategies:s:orders").unwrap();
    let stored = cache.write_snapshot(&saying(1, "a")).await.unwrap();
    assert!(!stored.unchanged);
    assert_eq!(all(&redis).await, before);
}

#[tokio::test]
async fn derived_keys_that_no_longer_apply_are_removed_and_no_others() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let mut reader = reader(&redis).await;
    let legacy = [
        "trade_data:acme:Raghu:orders:by_status:TRIGGER_PENDING",
        "trade_data:acme:Raghu:strategies:s:holdings:by_instrument:I9",
    ];
    let foreign =
        ["trade_data:acme:Raghu2:orders:by_status:OPEN", "trade_data:acme:Ragh*:orders:by_status:OPEN"];
    for key in legacy.iter().chain(&foreign) {
        ask::<String>(&mut reader, &["SET", key, "old"]).await;
    }
    let mut first = snapshot(1, vec![order(1, "LAPSED")], vec![position(1, "I1")]);
    first.instruments_seen = vec!["I9".to_owned()];
    first.strategies.push(StrategyRows {
        strategy_id: "gone: *".to_owned(),
        orders: vec![order(1, "OPEN")],
        ..StrategyRows::default()
    });
    cache.write_snapshot(&first).await.unwrap();
    let keys = all(&redis).await;
    assert!(keys.contains_key("strategies:gone: *:orders:by_status:OPEN"));
    assert!(keys.contains_key("orders:by_status:LAPSED"));
    assert!(keys.contains_key("strategies:s:positions:by_instrument:I1"));

    let second = snapshot(2, vec![order(1, "COMPLETE")], vec![position(1, "I2")]);
    cache.write_snapshot(&second).await.unwrap();
    let mut keys = all(&redis).await;
    for key in foreign {
        assert_eq!(keys.remove(key).as_deref(), Some("old"));
    }
    let names: Vec<&str> = keys.keys().map(String::as_str).collect();
    let expected = [
        "holdings",
        "margins",
        "orders",
        "orders:by_status:COMPLETE",
        "positions",
        "snapshot",
        "strategies:s:holdings",
        "strategies:s:margins",
        "strategies:s:orders",
        "strategies:s:orders:by_status:COMPLETE",
        "strategies:s:positions",
        "strategies:s:positions:by_instrument:I2",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_older_sync_writes_nothing_over_a_newer_one() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    cache.write_snapshot(&saying(9, "new")).await.unwrap();
    let before = all(&redis).await;
    let error = cache.write_snapshot(&saying(8, "old")).await.unwrap_err();
    let expected = matches!(error, CacheError::Stale { stored: 9, offered: 8 });
    assert!(expected, "{error:?}");
    assert_eq!(all(&redis).await, before);
    // The same run again is not older.
    cache.write_snapshot(&saying(9, "newer")).await.unwrap();
}

#[tokio::test]
async fn a_record_nobody_can_read_is_replaced() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    redis.command("SET trade_data:acme:Raghu:snapshot nonsense").unwrap();
    let stored = cache.write_snapshot(&saying(1, "a")).await.unwrap();
    assert!(!stored.unchanged);
    assert!(all(&redis).await["snapshot"].starts_with(r#"{"version": 1, "#));
}

#[tokio::test]
async fn readers_see_one_sync_and_never_a_mix() {
    // Every tenth is more than is sent at a time.
    let text = |sequence: i64| {
        let times = if sequence % 10 == 0 { 30_000 } else { 1 };
        format!("{sequence} ").repeat(times)
    };
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    cache.write_snapshot(&saying(0, &text(0))).await.unwrap();
    let mut reader = reader(&redis).await;
    let writer = tokio::spawn(async move {
        for sequence in 1..=200 {
            let snapshot = saying(sequence, &text(sequence));
            cache.write_snapshot(&snapshot).await.unwrap();
        }
    });
    let mut seen = 0;
    while seen < 200 {
        let words = ["MGET", "trade_data:acme:Raghu:snapshot"];
        let mut values: Vec<String> = ask(&mut reader, &[&words[..], &SAYING].concat()).await;
        let record: serde_json::Value = serde_json::from_str(&values.remove(0)).unwrap();
        seen = record["version"].as_i64().unwrap();
        let expected = format!(r#"["{}"]"#, text(seen));
        assert!(values.iter().all(|value| *value == expected), "{seen}: {:.400}", format!("{values:?}"));
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn among_syncs_at_the_same_time_the_newest_stays() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let syncs = (1..=20).map(|sequence| {
        let cache = cache.clone();
        let snapshot = saying(sequence, &sequence.to_string());
        tokio::spawn(async move { cache.write_snapshot(&snapshot).await })
    });
    for sync in syncs.collect::<Vec<_>>() {
        match sync.await.unwrap() {
            Ok(_) | Err(CacheError::Stale { .. } | CacheError::Unavailable { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let keys = all(&redis).await;
    let record: serde_json::Value = serde_json::from_str(&keys["snapshot"]).unwrap();
    let newest = format!(r#"["{}"]"#, record["version"]);
    assert_eq!(keys["orders"], newest);
    assert_eq!(keys["strategies:s:orders:by_status:OPEN"], newest);
}

#[tokio::test]
async fn an_account_too_large_for_a_transaction_is_stored_as_well() {
    let redis = Redis::start().unwrap();
    let cache = single(&redis).await;
    let large = |sequence, filler: &str| saying(sequence, &filler.repeat(3_000_000));
    cache.write_snapshot(&large(1, "a")).await.unwrap();
    cache.write_snapshot(&large(2, "b")).await.unwrap();
    let mut reader = reader(&redis).await;
    let stats: String = ask(&mut reader, &["INFO", "commandstats"]).await;
    assert!(!stats.contains("cmdstat_multi"), "{stats}");
    for key in SAYING {
        let start: String = ask(&mut reader, &["GETRANGE", key, "0", "3"]).await;
        assert_eq!(start, r#"["bb"#);
    }
    assert!(cache.write_snapshot(&large(3, "b")).await.unwrap().unchanged);
    // A large one that is late is refused like any other, and so is a small one after it.
    for late in [large(2, "c"), saying(2, "c")] {
        let error = cache.write_snapshot(&late).await.unwrap_err();
        assert!(matches!(error, CacheError::Stale { .. }), "{error:?}");
    }
}
