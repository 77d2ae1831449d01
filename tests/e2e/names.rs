use e2e::{World, fill, jsonl};
use serde_json::Value;

#[test]
fn an_account_may_have_any_name_the_whole_way_through() {
    let world = World::new();
    let names: Vec<String> = vec![
        "a.b".into(),
        "a#b".into(),
        "a*b".into(),
        "100%".into(),
        "two words".into(),
        "quo'te \"double\"".into(),
        "अकाउंट-ü-日本".into(),
        "x".repeat(200),
        "ü.".repeat(100),
        "a:b{c}\\d".into(),
        "Robert'); DROP TABLE orders;--".into(),
    ];
    let orders: Vec<Value> = names.iter().map(|name| fill(name, 1, 75, "100")).collect();
    world.import(&jsonl(&orders)).expect(0);
    let _worker = world.worker(&[]);
    let _beat = world.beat(&[]);
    world.wait_for_outcomes(names.len());

    let messages = world.notifications();
    assert_eq!(messages.len(), names.len());
    for name in &names {
        let message = messages
            .iter()
            .find(|message| {
                serde_json::from_slice::<Value>(&message.payload).unwrap()["account"] == name.as_str()
            })
            .unwrap_or_else(|| panic!("no notification for {name}"));
        let words: Vec<&str> = message.routing_key.split('.').collect();
        assert_eq!(
            (words.len(), words[0], words[2]),
            (3, "account", "sync_completed"),
            "{}",
            message.routing_key
        );
        assert!(message.routing_key.len() <= 255);
        let shown = world.show(name);
        assert_eq!(
            (&shown["status"], &shown["positions"][0]["net_quantity"]),
            (&"success".into(), &75.into()),
            "{name}"
        );
        let key = format!("trade_data:default:{name}:positions");
        let stored =
            world.redis.command(&format!("EVAL \"return redis.call('EXISTS', KEYS[1])\" 1 {}", quoted(&key)));
        assert_eq!(stored.unwrap().trim(), "1", "{name}");
    }
    let arguments: Vec<&str> = ["sync"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let answer = world.syncfleet(&[&arguments[..], &["--wait", "60", "--json"]].concat()).expect(0).json();
    assert_eq!(answer["success"], names.len());
}

/// A key in the quoting of redis-cli.
fn quoted(key: &str) -> String {
    format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
}
