use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::World;
use serde_json::json;
use testbed::{Process, wait_until};

use super::{book_accounts, job_ids};

const ACCOUNTS: usize = 150;
const TICKS: usize = 24;
/// Between two deaths.
const PACE: Duration = Duration::from_millis(2500);

/// Every job that reaches the queue `periodic` goes on to the queue `kept` at once.
///
/// Jobs of a short interval expire within seconds, and what expires is dead-lettered without its expiration.
fn keep_all_jobs(world: &World) {
    world.vhost.declare_queue("kept", &json!({})).expect("a queue");
    let definition = json!({"message-ttl": 0, "dead-letter-exchange": "", "dead-letter-routing-key": "kept"});
    let policy = json!({"pattern": "^periodic$", "definition": definition, "apply-to": "queues"});
    let path = format!("/api/policies/{}/keep", world.vhost.name());
    world.vhost.api("PUT", &path, Some(&policy)).expect("a policy");
}

/// The beat that is publishing a tick, if one is caught at it before the pace is over.
fn caught_publishing(world: &World, beats: &[Process]) -> Option<usize> {
    let begun = Instant::now();
    while begun.elapsed() < PACE {
        let owner = world.sql(
            "SELECT coalesce(max(claimed_by), '') FROM tradingdb.ticks WHERE published_at IS NULL AND claimed_until > now()",
        );
        let caught = beats.iter().position(|beat| owner.ends_with(&format!("-{}", beat.id())));
        if caught.is_some() {
            return caught;
        }
    }
    None
}

#[test]
fn three_beats_of_which_one_dies_every_few_seconds_publish_every_tick_exactly_once_by_job_id() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "1");
    keep_all_jobs(&world);
    book_accounts(&world, ACCOUNTS);
    let mut beats: Vec<Process> = (0..3).map(|_| world.beat(&[])).collect();
    let published = "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL";
    let (mut deaths, mut in_the_middle) = (0, 0);
    while world.count(published) < TICKS {
        let caught = caught_publishing(&world, &beats);
        let victim = beats.remove(caught.unwrap_or(deaths % 3));
        in_the_middle += usize::from(caught.is_some());
        if deaths % 3 == 2 {
            // One hangs, is taken over, and goes on.
            victim.stop().unwrap();
            std::thread::sleep(3 * PACE);
            victim.cont().unwrap();
            beats.push(victim);
        } else {
            victim.kill().unwrap();
            beats.push(world.beat(&[]));
        }
        deaths += 1;
        std::thread::sleep(PACE);
        assert!(deaths < 40, "{} ticks only", world.count(published));
    }
    // No new ticks; what the dead have left is made good.
    let last = world.sql("SELECT max(tick_at) FROM tradingdb.ticks");
    let open =
        format!("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NULL AND tick_at <= '{last}'");
    world.wait_for_count(&open, 0);
    for beat in &beats {
        beat.terminate().unwrap();
        beat.wait(Duration::from_secs(10)).unwrap();
    }
    let ticks = world.count(&format!("SELECT count(*) FROM tradingdb.ticks WHERE tick_at <= '{last}'"));
    let multiples = world.count(&format!(
        "SELECT 1 + extract(epoch FROM max(tick_at) - min(tick_at))::int FROM tradingdb.ticks WHERE tick_at <= '{last}'"
    ));
    assert_eq!(ticks, multiples, "a tick was missed");

    let all_ticks = world.count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL");
    wait_until("all jobs", Duration::from_secs(20), || {
        world.vhost.queue_depth("kept").is_ok_and(|(ready, _)| ready >= (all_ticks * ACCOUNTS) as u64)
    });
    let ids = job_ids(&world, "kept", usize::MAX);
    let distinct: BTreeSet<&String> = ids.iter().collect();
    // A tick that was being published when the beats were ended is left in part.
    let in_part = world.count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NULL") * ACCOUNTS;
    println!(
        "{deaths} deaths, {in_the_middle} in the middle of publishing; {ticks} ticks, {} jobs, {} twice",
        distinct.len(),
        ids.len() - distinct.len()
    );
    let whole = all_ticks * ACCOUNTS;
    assert!((whole..=whole + in_part).contains(&distinct.len()), "{} of {whole}", distinct.len());
    assert!(in_the_middle > 0, "none died in the middle of publishing");
}
