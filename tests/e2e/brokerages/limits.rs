use std::time::Duration;

use testbed::FakeKite;

use super::KEY;
use e2e::World;

#[test]
fn two_hundred_accounts_of_one_api_key_over_three_workers_stay_under_its_limit() {
    let (world, server) = (World::new(), FakeKite::start().unwrap());
    // Enforced too, as the real one does.
    server.limit(10, Duration::from_secs(1));
    for number in 0..200 {
        let account = format!("A{number}");
        let token = format!("token-{number}");
        world.add_login(&account, "kite", &server.base_url(), KEY, &token);
    }
    let workers = [world.worker(&[]), world.worker(&[]), world.worker(&[])];
    let answer = world.syncfleet(&["sync", "--all", "--wait", "240", "--json"]);
    let summary = answer.json();
    assert_eq!([&summary["requested"], &summary["success"]], [200, 200], "{}", answer.err);
    assert_eq!(server.refused(), 0);
    let most = server.most_within(Duration::from_secs(1), |_| true);
    assert!((5..=10).contains(&most), "{most} requests within a second");
    let looked = "SELECT count(*) FROM tradingdb.account_sync_state WHERE last_external_check_at IS NOT NULL";
    assert_eq!(world.count(looked), 200, "every account was looked at");
    assert_eq!(server.log().len(), 1000, "five lists of each, once");
    let ran = "SELECT count(DISTINCT worker), max(retries) FROM tradingdb.sync_outcomes";
    assert_eq!(world.sql(ran), "3|0", "all three took part, and waiting spent no attempt");
    drop(workers);
}

#[test]
fn away_from_redis_a_worker_takes_its_own_share_and_says_so() {
    let (world, server) = super::at_kite();
    let worker = world.worker(&[]);
    assert_eq!(world.sync("Raghu")["external_detection"]["status"], "completed");
    world.redis.stop().unwrap();
    let results = world.sync("Raghu");
    assert_eq!(results["external_detection"]["status"], "completed", "{results}");
    assert_eq!(results["status"], "partial_success", "only the snapshot failed: {results}");
    assert!(worker.output().contains("takes its own share"), "{}", worker.output());
    assert!(server.most_within(Duration::from_secs(1), |_| true) <= 10);
}
