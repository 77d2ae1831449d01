use e2e::{World, fill, free_address, get, jsonl};
use testbed::wait_until;

use super::{PATIENCE, hold, release, value};

#[test]
fn a_beat_tells_how_the_fleet_does_and_names_an_account_for_as_long_as_it_is_late() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "5");
    let orders = ["Raghu", "Meena", "Asha"].map(|account| fill(account, 1, 75, "100"));
    world.import(&jsonl(&orders)).expect(0);
    let address = free_address();
    let _worker = world.worker(&[]);
    let beat = world.beat(&[("METRICS_ADDR", &address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    world.wait_for_count("SELECT count(DISTINCT pseudo_account) FROM tradingdb.sync_outcomes", 3);
    world.syncfleet(&["account", "pause", "Asha"]).expect(0);

    let told = || get(&address, "/metrics");
    let is = |series: &str, expected: f64| {
        wait_until(&format!("{series} {expected}"), PATIENCE, || value(&told(), series) == Some(expected));
    };
    is(r#"syncfleet_accounts{state="paused"}"#, 1.0);
    is(r#"syncfleet_accounts{state="active"}"#, 2.0);
    is("syncfleet_service_level_ratio", 1.0);
    is("syncfleet_sync_interval_seconds", 5.0);
    is("syncfleet_account_staleness_seconds_count", 2.0);
    assert!(!told().contains("syncfleet_worst_account_staleness_seconds"), "nobody is late");
    let (wanted, p95) = (
        value(&told(), "syncfleet_wanted_slots").unwrap(),
        value(&told(), "syncfleet_recent_job_p95_seconds").unwrap(),
    );
    // Another look may have come between the two.
    assert!(wanted > 0.0 && p95 > 0.0 && wanted < 2.0 * 60.0 / 5.0, "{wanted} {p95}");

    hold(&world, "Raghu");
    let raghu = r#"syncfleet_worst_account_staleness_seconds{organization_id="default",account="Raghu"}"#;
    wait_until("Raghu is late", PATIENCE, || value(&told(), raghu).is_some_and(|seconds| seconds > 6.0));
    is("syncfleet_service_level_ratio", 0.5);
    // Its job waits; one that is two intervals old is gone.
    let age = r#"syncfleet_queue_age_seconds{queue="periodic"}"#;
    wait_until("a job that waits", PATIENCE, || {
        value(&told(), age).is_some_and(|age| age > 0.0 && age <= 10.0)
    });
    assert!(!told().contains(r#"account="Meena""#), "it is in time: {}", told());

    release(&world, "Raghu");
    wait_until("nobody is late", PATIENCE, || !told().contains("syncfleet_worst_account_staleness_seconds"));
    is("syncfleet_service_level_ratio", 1.0);

    // Resumed, it is not late before it could be synced.
    world.sql(
        "UPDATE tradingdb.account_sync_state SET last_success_at = '2020-01-01', last_sync_at = '2020-01-01'
               WHERE pseudo_account = 'Asha'",
    );
    world.syncfleet(&["account", "resume", "Asha"]).expect(0);
    is(r#"syncfleet_accounts{state="active"}"#, 3.0);
    is("syncfleet_service_level_ratio", 1.0);
}

#[test]
fn accounts_that_nobody_syncs_are_late_from_when_they_were_first_due() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "3");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let address = free_address();
    let beat = world.beat(&[("METRICS_ADDR", &address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    let told = || get(&address, "/metrics");
    let raghu = r#"syncfleet_worst_account_staleness_seconds{organization_id="default",account="Raghu"}"#;
    wait_until("Raghu is late", PATIENCE, || value(&told(), raghu).is_some());
    let due = "SELECT extract(epoch FROM now() - due_since) FROM tradingdb.account_sync_state";
    let since: f64 = world.sql(due).parse().unwrap();
    let late = value(&told(), raghu).unwrap();
    assert!(late > 3.0 && late <= since, "{late} {since}");
    assert_eq!(value(&told(), "syncfleet_service_level_ratio"), Some(0.0));
    // A second each is reckoned with while nothing has run.
    assert_eq!(value(&told(), "syncfleet_wanted_slots"), Some(1.0 / 3.0));
}

#[test]
fn what_nobody_knows_any_more_is_not_told() {
    let world = World::on_postgres(testbed::Postgres::start().unwrap());
    let address = free_address();
    let beat = world.beat(&[("METRICS_ADDR", &address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    let told = || get(&address, "/metrics");
    wait_until("the fleet", PATIENCE, || told().contains("syncfleet_accounts{"));
    world.postgres.as_ref().unwrap().stop().unwrap();
    let patience = std::time::Duration::from_secs(100);
    wait_until("nothing of the fleet", patience, || !told().contains("syncfleet_accounts{"));
    assert!(told().contains("syncfleet_sync_interval_seconds 604800"), "a setting is always known");
    world.postgres.as_ref().unwrap().restart().unwrap();
    wait_until("the fleet again", PATIENCE, || told().contains("syncfleet_accounts{"));
}
