use e2e::World;

use super::{WEEK, book_accounts};

#[test]
fn after_a_tick_all_that_is_too_old_goes_however_much_it_is() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK).with("RETENTION_DAYS", "2");
    book_accounts(&world, 1);
    world.sql(
        "INSERT INTO tradingdb.sync_outcomes
             (sync_id, organization_id, pseudo_account, status, worker, retries, finished_at)
         SELECT 'job-' || n, 'default', 'account-1', 'success', 'w', 0,
                now() - make_interval(days => CASE WHEN n <= 25000 THEN 3 ELSE 1 END)
         FROM generate_series(1, 25007) n",
    );
    let _beat = world.beat(&[]);
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes", 7);
    assert_eq!(
        world.count(
            "SELECT count(*) FROM tradingdb.sync_outcomes WHERE sync_id > 'job-25000' AND length(sync_id) = 9"
        ),
        7
    );
}
