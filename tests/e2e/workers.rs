use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::json;
use testbed::{FakeKite, wait_until};

/// One filled order for each of so many accounts.
pub(crate) fn accounts(count: u32) -> String {
    jsonl(&(0..count).map(|n| fill(&format!("account-{n}"), n, 75, "100.5")).collect::<Vec<_>>())
}

#[test]
fn three_workers_share_200_accounts_each_synced_once() {
    let world = World::new();
    world.import(&accounts(200)).expect(0);
    let workers: Vec<_> = (0..3)
        .map(|n| world.worker(&[("WORKER_NAME", &format!("w{n}")), ("WORKER_CONCURRENCY", "4")]))
        .collect();
    let _beat = world.beat(&[]);
    world.wait_for_outcomes(200);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'"), 200);
    assert_eq!(
        world.count("SELECT count(DISTINCT worker) FROM tradingdb.sync_outcomes"),
        3,
        "all three worked"
    );
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.positions WHERE net_quantity = 75"), 200);
    // The fence counts runs: more than one would mean that a job ran twice.
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE fence <> 1"), 0);
    let notified: BTreeSet<String> =
        world.notifications().iter().map(|message| message.routing_key.clone()).collect();
    assert_eq!(notified.len(), 200);
    for worker in &workers {
        worker.terminate().unwrap();
    }
    for worker in &workers {
        assert_eq!(worker.wait(Duration::from_secs(30)).unwrap().code(), Some(0), "{}", worker.output());
    }
}

#[test]
fn the_jobs_of_a_killed_worker_are_done_by_the_others() {
    let world = World::new();
    world.import(&accounts(20)).expect(0);
    let kite = FakeKite::start().unwrap();
    kite.respond(200, json!({"status": "success", "data": []}).to_string());
    // So slow that the killed worker is surely in the middle of its jobs.
    kite.delay(Duration::from_secs(3));
    for n in 0..20 {
        world.add_kite(&format!("account-{n}"), &kite.base_url());
    }
    let victim = world.worker(&[("WORKER_NAME", "victim"), ("WORKER_CONCURRENCY", "4")]);
    let _beat = world.beat(&[]);
    wait_until("four running jobs", Duration::from_secs(30), || {
        world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_worker = 'victim'") == 4
    });
    victim.kill().unwrap();
    kite.delay(Duration::from_millis(50));
    let _survivors = [
        world.worker(&[("WORKER_NAME", "survivor-1"), ("WORKER_CONCURRENCY", "4")]),
        world.worker(&[("WORKER_NAME", "survivor-2"), ("WORKER_CONCURRENCY", "4")]),
    ];
    world.wait_for_outcomes(20);
    let by_survivors =
        "SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success' AND worker LIKE 'survivor%'";
    assert_eq!(world.count(by_survivors), 20);
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
    // What it ran is known at once: nobody waits for a lease to run out.
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 4);
}

#[test]
fn an_ad_hoc_sync_does_not_wait_behind_a_tick() {
    let world = World::new();
    world.import(&accounts(30)).expect(0);
    let kite = FakeKite::start().unwrap();
    kite.respond(200, json!({"status": "success", "data": []}).to_string());
    kite.delay(Duration::from_secs(4));
    for n in 0..30 {
        world.add_kite(&format!("account-{n}"), &kite.base_url());
    }
    let _worker = world.worker(&[("WORKER_CONCURRENCY", "2")]);
    let _beat = world.beat(&[]);
    wait_until("a busy worker", Duration::from_secs(30), || {
        world.count("SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_job IS NOT NULL") == 2
    });
    // An account without a brokerage: itself it takes milliseconds.
    let answer = world.syncfleet(&["sync", "urgent", "--wait", "20", "--json"]).expect(0).json();
    assert_eq!(answer["success"], 1);
    let waiting = world.vhost.queue_depth("periodic").unwrap().0;
    assert!(waiting > 10, "the tick is still in the queue ({waiting})");
}

#[test]
fn a_job_without_news_is_superseded_by_a_run_that_started_after_it_was_enqueued() {
    let world = World::new();
    world.import(&accounts(1)).expect(0);
    for _ in 0..3 {
        // They ask for a look at the brokerage too; the account has none, so the first run did all there is.
        world.syncfleet(&["sync", "account-0", "--json"]).expect(0);
    }
    let _worker = world.worker(&[("WORKER_CONCURRENCY", "1")]);
    world.wait_for_outcomes(3);
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE superseded_by IS NOT NULL"),
        2
    );
    assert_eq!(world.sql("SELECT fence FROM tradingdb.account_sync_state"), "1", "only one ran");
}
