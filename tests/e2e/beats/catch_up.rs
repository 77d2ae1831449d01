use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use e2e::{World, free_address, get};
use serde_json::Value;
use testbed::{Process, wait_until};

use super::{WEEK, book_accounts, put_on_ledger};

/// A week: no tick comes due by itself while a test looks. The last one was published three ticks ago.
fn world_without_a_beat_for_three_ticks() -> World {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK);
    book_accounts(&world, 2);
    put_on_ledger(&world, WEEK, -3, "tick_at", "tick_at");
    world
}

/// Starts a beat and waits until so many ticks are published, those before it among them.
fn beat_until(world: &World, catch_up: &str, ticks: usize) -> (Process, String) {
    let address = free_address();
    let beat = world.beat(&[("BEAT_CATCH_UP", catch_up), ("METRICS_ADDR", &address)]);
    world.wait_for_count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL", ticks);
    (beat, address)
}

fn wait_for_metric(address: &str, line: &str) {
    wait_until(line, Duration::from_secs(10), || get(address, "/metrics").lines().any(|told| told == line));
}

#[test]
fn of_ticks_that_no_beat_was_there_for_the_latest_is_published_and_the_others_are_told_missed() {
    let world = world_without_a_beat_for_three_ticks();
    let (beat, address) = beat_until(&world, "latest", 2);
    wait_for_metric(&address, "syncfleet_missed_ticks_total 2");
    wait_for_metric(&address, "syncfleet_ticks_total 1");
    wait_for_metric(&address, "syncfleet_accounts_published_total 2");
    wait_for_metric(&address, "syncfleet_tick_lateness_seconds_count 1");
    let latest =
        world.sql(&format!("SELECT max(tick_at) + interval '{WEEK} s' > now() FROM tradingdb.ticks"));
    assert_eq!(latest, "t");
    let warning = beat.wait_for_line("2 ticks missed", Duration::from_secs(10)).unwrap();
    assert!(warning.contains("WARN") && warning.contains("BEAT_CATCH_UP is latest"), "{warning}");
}

#[test]
fn all_ticks_that_no_beat_was_there_for_are_caught_up_oldest_first_with_jobs_worth_running_from_now() {
    let world = world_without_a_beat_for_three_ticks();
    let (_beat, address) = beat_until(&world, "all", 4);
    wait_for_metric(&address, "syncfleet_ticks_total 3");
    wait_for_metric(&address, "syncfleet_missed_ticks_total 0");
    assert_eq!(
        world.sql("SELECT bool_and(in_order) FROM (SELECT published_at >= lag(published_at) OVER (ORDER BY tick_at) AS in_order FROM tradingdb.ticks) t"),
        "t"
    );
    let jobs = world.vhost.get("periodic", 100).unwrap();
    assert_eq!(jobs.len(), 6);
    for job in jobs {
        let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
        let worth = time(&job.headers["expires"]) - time(&job.headers["syncfleet-enqueued-at"]);
        assert_eq!(worth, TimeDelta::weeks(1), "{:?}", job.headers);
    }
}

#[test]
fn ticks_that_no_beat_was_there_for_may_be_skipped() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "2");
    book_accounts(&world, 2);
    put_on_ledger(&world, "2", -10, "tick_at", "tick_at");
    let started_at = world.sql("SELECT clock_timestamp()");
    let (beat, _) = beat_until(&world, "skip", 3);
    let before = format!("SELECT count(*) FROM tradingdb.ticks WHERE tick_at <= '{started_at}'");
    assert_eq!(world.count(&before), 1, "only the one from before");
    let warning = beat.wait_for_line("ticks missed", Duration::from_secs(10)).unwrap();
    assert!(warning.contains("BEAT_CATCH_UP is skip"), "{warning}");
}

#[test]
fn ticks_that_came_due_under_a_beats_eyes_are_all_published_however_late() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "1").with("BEAT_CATCH_UP", "skip");
    book_accounts(&world, 2);
    let beat = world.beat(&[]);
    world.wait_for_count("SELECT least(count(*), 2) FROM tradingdb.ticks WHERE published_at IS NOT NULL", 2);
    // It hangs for five ticks; PostgreSQL that does not answer looks the same.
    beat.stop().unwrap();
    let stopped_at = world.sql("SELECT clock_timestamp()");
    wait_until("five ticks", Duration::from_secs(20), || {
        world.count(&format!("SELECT floor(extract(epoch FROM now() - '{stopped_at}'))")) >= 5
    });
    beat.cont().unwrap();
    let since = format!("FROM tradingdb.ticks WHERE published_at IS NOT NULL AND tick_at > '{stopped_at}'");
    world.wait_for_count(&format!("SELECT least(count(*), 8) {since}"), 8);
    let span = format!("SELECT 1 + extract(epoch FROM max(tick_at) - min(tick_at))::int - count(*) {since}");
    assert_eq!(world.count(&span), 0, "one of them was missed");
    assert_eq!(
        world.count(&format!("SELECT (min(tick_at) - '{stopped_at}' < interval '1 second')::int {since}")),
        1
    );
}
