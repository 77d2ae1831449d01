use std::collections::BTreeMap;

use chrono::DateTime;
use e2e::World;
use serde_json::Value;

use super::{WEEK, book_accounts};

/// When each job of the running tick is to run, by the job's id.
fn published_etas(world: &World, accounts: usize) -> BTreeMap<String, String> {
    let beat = world.beat(&[]);
    world.wait_for_count(
        "SELECT coalesce(max(accounts), 0) FROM tradingdb.ticks WHERE published_at IS NOT NULL",
        accounts,
    );
    beat.kill().expect("a signal");
    let jobs = world.vhost.get("periodic", 2 * accounts).expect("the jobs");
    let instant = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default()).ok();
    for job in &jobs {
        let (eta, enqueued) = (&job.headers["eta"], &job.headers["syncfleet-enqueued-at"]);
        // As if it were enqueued when it is due: a late run that began before that does not stand for it.
        assert!(eta.is_null() || instant(eta) == instant(enqueued), "{eta} {enqueued}");
    }
    jobs.iter().map(|job| (job.headers["id"].to_string(), job.headers["eta"].to_string())).collect()
}

#[test]
fn jobs_are_spread_and_an_account_keeps_its_place_whichever_beat_publishes_it() {
    // A hundred days, so that most jobs' times are still to come, wherever in the week's tick the test runs.
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK).with("BEAT_SPREAD_SECONDS", "8640000");
    book_accounts(&world, 40);
    let etas = published_etas(&world, 40);
    let mut times: Vec<&String> = etas.values().filter(|eta| *eta != "null").collect();
    times.sort();
    times.dedup();
    assert!(times.len() > 30, "{etas:?}");
    world.sql("DELETE FROM tradingdb.ticks");
    assert_eq!(published_etas(&world, 40), etas);
}
