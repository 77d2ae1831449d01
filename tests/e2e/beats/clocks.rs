use e2e::World;

use super::{WEEK, book_accounts, put_on_ledger};

const RUNNING_TICK: &str = "tick_at <= now() AND published_at IS NOT NULL";

#[test]
fn ticks_published_while_the_clock_was_ahead_do_not_keep_the_running_one_from_being_published() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK).with("BEAT_CATCH_UP", "all");
    book_accounts(&world, 2);
    put_on_ledger(&world, WEEK, 3, "tick_at", "tick_at");
    let _beat = world.beat(&[]);
    world.wait_for_count(&format!("SELECT count(*) FROM tradingdb.ticks WHERE {RUNNING_TICK}"), 1);
}

#[test]
fn a_claim_made_while_the_clock_was_ahead_does_not_hold_a_tick_until_it_gets_there() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK);
    book_accounts(&world, 2);
    put_on_ledger(&world, WEEK, 0, "now() + interval '1 hour'", "NULL");
    let _beat = world.beat(&[]);
    world.wait_for_count(&format!("SELECT count(*) FROM tradingdb.ticks WHERE {RUNNING_TICK}"), 1);
}
