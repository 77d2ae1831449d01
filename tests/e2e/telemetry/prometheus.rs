use e2e::{World, fill, free_address, jsonl};
use serde_json::Value;
use testbed::{Prometheus, wait_until};

use super::dashboard::{dashboard, queries};
use super::{PATIENCE, hold, release, repository};

/// The shipped sample, for two programs of a test that cannot wait for so long. Nothing else of it is changed, and nothing of
/// the rules.
fn configuration(beat: &str, worker: &str) -> String {
    let sample = repository("deploy/prometheus/prometheus.yml");
    let changes = [
        ("scrape_interval: 15s", "scrape_interval: 1s".to_owned()),
        ("evaluation_interval: 15s", "evaluation_interval: 1s".to_owned()),
        (r#"["beat1.example:9464", "beat2.example:9464"]"#, format!(r#"["{beat}"]"#)),
        (r#"["worker1.example:9464", "worker2.example:9464"]"#, format!(r#"["{worker}"]"#)),
    ];
    changes.iter().fold(sample, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// The alerts of a name that fire.
fn firing(prometheus: &Prometheus, name: &str) -> Vec<Value> {
    let alerts = prometheus.alerts().expect("the alerts");
    alerts
        .into_iter()
        .filter(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing")
        .collect()
}

/// The single number a query gives.
fn number(prometheus: &Prometheus, query: &str) -> Option<f64> {
    let found = prometheus.query(query).expect(query);
    found.first().and_then(|sample| sample["value"][1].as_str()?.parse().ok())
}

#[test]
fn an_account_that_becomes_stale_fires_account_stale_which_clears_when_it_is_synced() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "5");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Meena", 2, 75, "100")])).expect(0);
    let (beat_address, worker_address) = (free_address(), free_address());
    let _worker = world.worker(&[("METRICS_ADDR", &worker_address)]);
    let beat = world.beat(&[("METRICS_ADDR", &beat_address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    let rules = repository("deploy/prometheus/syncfleet.rules.yml");
    let configuration = configuration(&beat_address, &worker_address);
    let prometheus = Prometheus::start(&configuration, &[("syncfleet.rules.yml", &rules)]).unwrap();
    wait_until("both are scraped", PATIENCE, || {
        let targets = prometheus.targets().unwrap();
        targets.len() == 2 && targets.iter().all(|target| target["health"] == "up")
    });
    wait_until("both accounts are in time", PATIENCE, || {
        number(&prometheus, r#"syncfleet_accounts{state="active"}"#) == Some(2.0)
            && number(&prometheus, "syncfleet:service_level:ratio") == Some(1.0)
            && number(&prometheus, "sum(syncfleet_slots{queue=\"periodic\"})") > Some(0.0)
    });
    assert!(firing(&prometheus, "AccountStale").is_empty());

    hold(&world, "Raghu");
    let longer = 2 * PATIENCE;
    wait_until("AccountStale fires", longer, || !firing(&prometheus, "AccountStale").is_empty());
    let stale = firing(&prometheus, "AccountStale");
    assert_eq!(stale.len(), 1, "{stale:?}");
    assert_eq!(stale[0]["labels"]["account"], "Raghu");
    assert_eq!(stale[0]["labels"]["organization_id"], "default");
    let summary = stale[0]["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("Account Raghu of default has not been synced for "), "{summary}");
    assert_eq!(number(&prometheus, "syncfleet:service_level:ratio"), Some(0.5));

    // All that rules and dashboard ask is understood, and answered where there is something.
    let rules = prometheus.rules().unwrap();
    assert!(rules.len() >= 12, "{rules:?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    for query in queries(&dashboard()) {
        let asked = query.replace("$__rate_interval", "1m");
        let answer = prometheus.query(&asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let may_be_empty = query.contains("> 0") || query.contains(r#"outcome="failed""#);
        assert!(may_be_empty || !answer.is_empty(), "nothing for {asked}");
    }

    release(&world, "Raghu");
    wait_until("AccountStale clears", PATIENCE, || firing(&prometheus, "AccountStale").is_empty());
    wait_until("all are in time", PATIENCE, || {
        number(&prometheus, "syncfleet:service_level:ratio") == Some(1.0)
    });
}
