use std::time::Duration;

use e2e::{World, fill, jsonl};
use testbed::{Answer, FakeKite, wait_until};

#[test]
fn a_job_that_kills_its_workers_is_set_aside_and_takes_nobody_along() {
    let world =
        World::new().with("CRASH_LIMIT", "2").with("WORKER_QUEUES", "adhoc").with("WORKER_CONCURRENCY", "8");
    let innocents: Vec<_> =
        (0..20).map(|number| fill(&format!("A{number}"), number + 1, 75, "100")).collect();
    world.import(&jsonl(&innocents)).expect(0);
    // Its worker is killed each time it has asked the brokerage, which never answers.
    let kite = FakeKite::start().unwrap();
    kite.always("/orders", Some(Answer::silence()));
    world.add_kite("Poison", &kite.base_url());
    world.syncfleet(&["sync", "Poison"]).expect(0);
    for round in 0..3 {
        let worker = world.worker(&[]);
        world.syncfleet(&["sync", "--all", "--no-external"]).expect(0);
        let held = format!(
            "SELECT count(*) FROM tradingdb.account_sync_state
             WHERE pseudo_account = 'Poison' AND lease_worker LIKE '%-{}'",
            worker.id()
        );
        wait_until("the poison runs", Duration::from_secs(60), || {
            kite.log().len() > round && world.count(&held) == 1
        });
        worker.kill().unwrap();
    }
    let _last = world.worker(&[]);
    let letter = world.dead_letters(1).remove(0);
    assert_eq!(letter.headers["syncfleet-reason"], "crash_loop");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE pseudo_account LIKE 'A%'", 60);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success'"), 1);
    let most = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM tradingdb.job_crashes
                WHERE pseudo_account LIKE 'A%' GROUP BY job_id) c";
    assert!(world.count(most) <= 2, "an innocent was charged often");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes WHERE pseudo_account = 'Poison'"), 3);
}

#[test]
fn a_lost_connection_charges_nobody() {
    let world = World::new();
    let kite = FakeKite::start().unwrap();
    kite.next("/orders", vec![Answer::silence()]);
    world.add_kite("Raghu", &kite.base_url());
    let _workers = [world.worker(&[]), world.worker(&[])];
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("the look", Duration::from_secs(60), || !kite.log().is_empty());
    world.vhost.close_all_connections().unwrap();
    world.wait_for_outcomes(1);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 0);
    assert_eq!(world.sql("SELECT status FROM tradingdb.sync_outcomes"), "success");
}

#[test]
fn a_worker_that_dies_and_comes_back_under_its_name_is_charged_like_any_other() {
    let world = World::new().with("CRASH_LIMIT", "1").with("WORKER_NAME", "syncfleet@pod-1");
    let kite = FakeKite::start().unwrap();
    kite.always("/orders", Some(Answer::silence()));
    world.add_kite("Poison", &kite.base_url());
    world.syncfleet(&["sync", "Poison"]).expect(0);
    for round in 0..2 {
        let worker = world.worker(&[]);
        wait_until("the poison runs", Duration::from_secs(60), || kite.log().len() > round);
        worker.kill().unwrap();
    }
    let _last = world.worker(&[]);
    let letter = world.dead_letters(1).remove(0);
    assert_eq!(letter.headers["syncfleet-reason"], "crash_loop");
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes WHERE pseudo_account = 'Poison'"), 2);
}
