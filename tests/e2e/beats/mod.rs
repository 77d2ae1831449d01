//! Beats: each tick once, whatever becomes of them.

mod catch_up;
mod clocks;
mod many_accounts;
mod retention;
mod spread;
mod storm;
mod take_over;

use std::time::Duration;

use e2e::{World, fill, jsonl};
use testbed::wait_until;

use crate::workers::accounts;

/// An interval so long that no tick comes due while a test looks, in seconds.
const WEEK: &str = "604800";

/// Writes a tick into the ledger that another beat has claimed: so many intervals (of so many seconds) from the running
/// one, with SQL for until when, and since when it is published.
fn put_on_ledger(world: &World, interval: &str, ticks: i32, claimed_until: &str, published_at: &str) {
    world.sql(&format!(
        "INSERT INTO tradingdb.ticks (schedule, tick_at, claimed_by, claimed_until, published_at)
         SELECT 'comprehensive-sync-all-accounts', tick_at, 'another', {claimed_until}, {published_at}
         FROM to_timestamp((floor(extract(epoch FROM now()) / {interval}) + {ticks}) * {interval}) tick_at"
    ));
}

/// Makes up accounts at a brokerage, so that there are `count` of them.
fn book_accounts(world: &World, count: usize) {
    world.sql(&format!(
        "INSERT INTO tradingdb.brokerage_accounts
             (organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref)
         SELECT 'default', 'account-' || n, 'kite', 'http://127.0.0.1:1', 'env:KEY', 'env:TOKEN'
         FROM generate_series(1, {count}) n ON CONFLICT DO NOTHING"
    ));
}

/// Takes up to so many jobs from a queue and returns their ids.
fn job_ids(world: &World, queue: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let page = world.vhost.get(queue, 500.min(count - ids.len())).expect("the jobs");
        if page.is_empty() {
            break;
        }
        ids.extend(page.iter().map(|job| job.headers["id"].as_str().expect("an id").to_owned()));
    }
    ids
}

#[test]
fn two_beats_and_one_tick_publish_one_job_per_account() {
    let world = World::new();
    world.import(&accounts(50)).expect(0);
    // A long interval, so that no second tick comes due while the test looks.
    let beats = [world.beat(&[]), world.beat(&[])];
    world.wait_for_count(
        "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL AND accounts = 50",
        1,
    );
    wait_until("50 jobs", Duration::from_secs(20), || {
        world.vhost.queue_depth("periodic").is_ok_and(|(ready, _)| ready >= 50)
    });
    for beat in &beats {
        beat.wait_for_line("a tick every", Duration::from_secs(20)).unwrap();
        beat.terminate().unwrap();
        assert_eq!(beat.wait(Duration::from_secs(10)).unwrap().code(), Some(0), "{}", beat.output());
    }
    let jobs = world.vhost.get("periodic", 1000).unwrap();
    assert_eq!(jobs.len(), 50);
    let mut ids: Vec<String> =
        jobs.iter().map(|job| job.headers["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50, "job ids differ by account");
    let job = &jobs[0];
    assert_eq!(job.headers["task"], "app.tasks.comprehensive_sync_task.comprehensive_account_sync");
    assert_eq!(job.properties["delivery_mode"], 2);
    assert!(job.headers["expires"].is_string() && job.properties["expiration"].is_string());
    assert!(job.headers["syncfleet-enqueued-at"].is_string());
}

#[test]
fn a_tick_whose_beat_died_while_publishing_is_made_good_by_another() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "3600");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    // What a beat leaves behind that is killed between its claim and its last job.
    put_on_ledger(&world, "3600", 0, "now() + interval '3 seconds'", "NULL");
    let _beat = world.beat(&[]);
    world.wait_for_count(
        "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL AND accounts = 1",
        1,
    );
}

#[test]
fn every_tick_of_a_short_interval_is_published_once_by_one_of_three_beats() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "1");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let _beats = [world.beat(&[]), world.beat(&[]), world.beat(&[])];
    wait_until("six ticks", Duration::from_secs(30), || {
        world.count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL") >= 6
    });
    let gaps = world.count(
        "SELECT count(*) FROM (SELECT tick_at - lag(tick_at) OVER (ORDER BY tick_at) AS gap FROM tradingdb.ticks) g
         WHERE gap <> interval '1 second'",
    );
    assert_eq!(gaps, 0, "a tick was missed");
}

#[test]
fn a_beat_that_is_stopped_ends_with_0_at_once() {
    let world = World::new();
    let beat = world.beat(&[]);
    beat.wait_for_line("a tick every", Duration::from_secs(20)).unwrap();
    beat.interrupt().unwrap();
    assert_eq!(beat.wait(Duration::from_secs(5)).unwrap().code(), Some(0));
}
