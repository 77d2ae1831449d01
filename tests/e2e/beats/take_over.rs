use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::World;
use testbed::{Process, wait_until};

use super::{WEEK, book_accounts, job_ids};

/// As a claim lasts, plus a look, plus what a busy machine takes.
const WITHIN_SECONDS: Duration = Duration::from_secs(12);
const CLAIMED_BY: &str = "SELECT coalesce(max(claimed_by), '') FROM tradingdb.ticks";
const PUBLISHED: &str = "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL";

/// Two beats, one of which has claimed the running tick and hangs where it reads the accounts.
///
/// `look` is given the beat with the claim and its name in the ledger; afterwards accounts can be read again.
fn while_accounts_cannot_be_read(world: &World, look: impl FnOnce(&Process, &str)) -> Vec<Process> {
    book_accounts(world, 600);
    let _locked = world.database.hold("LOCK TABLE tradingdb.brokerage_accounts").expect("a locked table");
    let beats = vec![world.beat(&[]), world.beat(&[])];
    wait_until("a claim", Duration::from_secs(30), || !world.sql(CLAIMED_BY).is_empty());
    let owner = world.sql(CLAIMED_BY);
    let holder =
        beats.iter().find(|beat| owner.ends_with(&format!("-{}", beat.id()))).expect("a beat of ours");
    let other = beats.iter().find(|beat| beat.id() != holder.id()).expect("the other");
    other.wait_for_line("a tick every", Duration::from_secs(20)).expect("a running beat");
    look(holder, &owner);
    beats
}

fn wait_for_another_owner(world: &World, owner: &str) {
    wait_until("another beat's claim", WITHIN_SECONDS, || world.sql(CLAIMED_BY) != owner);
}

#[test]
fn a_slow_page_keeps_its_claim_and_a_killed_beat_loses_it_within_seconds() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK);
    let _beats = while_accounts_cannot_be_read(&world, |holder, owner| {
        let claimed = Instant::now();
        wait_until("longer than a claim lasts", Duration::from_secs(20), || {
            assert_eq!(world.sql(CLAIMED_BY), owner, "a living beat has lost its claim");
            claimed.elapsed() > Duration::from_secs(9)
        });
        holder.kill().unwrap();
        wait_for_another_owner(&world, owner);
    });
    world.wait_for_count(PUBLISHED, 1);
    assert_eq!(job_ids(&world, "periodic", 600).into_iter().collect::<BTreeSet<_>>().len(), 600);
}

#[test]
fn a_beat_that_hangs_and_goes_on_when_another_has_its_tick_does_no_harm() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK);
    let beats = while_accounts_cannot_be_read(&world, |holder, owner| {
        holder.stop().unwrap();
        wait_for_another_owner(&world, owner);
        holder.cont().unwrap();
        holder.wait_for_line("another beat has taken it over", Duration::from_secs(20)).unwrap();
        assert_eq!(world.count(PUBLISHED), 0, "it is the other's to finish");
    });
    world.wait_for_count(PUBLISHED, 1);
    assert_eq!(world.sql("SELECT accounts FROM tradingdb.ticks"), "600");
    assert_eq!(job_ids(&world, "periodic", 600).into_iter().collect::<BTreeSet<_>>().len(), 600);
    for beat in &beats {
        assert!(beat.try_wait().unwrap().is_none(), "{}", beat.output());
    }
}
