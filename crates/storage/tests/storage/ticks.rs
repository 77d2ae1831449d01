use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::support::{Bed, HOUR, time};

const SCHEDULE: &str = "sync";

fn tick() -> DateTime<Utc> {
    time("2025-06-17T10:30:00Z")
}

fn long_ago() -> DateTime<Utc> {
    time("2000-01-01T00:00:00Z")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_beats_one_claims_a_tick() {
    let bed = Bed::migrated().await;
    let claims: Vec<_> = (0..20)
        .map(|beat| {
            let storage = bed.storage.clone();
            tokio::spawn(async move {
                storage.claim_tick(SCHEDULE, tick(), &format!("beat-{beat}"), HOUR).await.unwrap()
            })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        won += usize::from(claim.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_beats_one_takes_over_a_claim_that_ran_out() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "dead", Duration::ZERO).await.unwrap());
    let claims: Vec<_> = (0..20)
        .map(|beat| {
            let storage = bed.storage.clone();
            tokio::spawn(async move {
                storage.claim_tick(SCHEDULE, tick(), &format!("beat-{beat}"), HOUR).await.unwrap()
            })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        won += usize::from(claim.await.unwrap());
    }
    assert_eq!(won, 1);
    assert!(!bed.storage.renew_tick(SCHEDULE, tick(), "dead", HOUR).await.unwrap(), "it is another's by now");
}

#[tokio::test]
async fn schedules_and_ticks_are_claimed_apart() {
    let bed = Bed::migrated().await;
    for (schedule, tick_at) in [("a", tick()), ("b", tick()), ("a", time("2025-06-17T10:35:00Z"))] {
        assert!(bed.storage.claim_tick(schedule, tick_at, "beat-1", HOUR).await.unwrap());
    }
    assert_eq!(bed.storage.latest_tick("a").await.unwrap(), Some(time("2025-06-17T10:35:00Z")));
    assert_eq!(bed.storage.latest_tick("c").await.unwrap(), None);
    let claimed = bed.storage.claimed_ticks("a", tick(), time("2025-06-17T10:34:59Z")).await.unwrap();
    assert_eq!(claimed.into_iter().collect::<Vec<_>>(), [tick()], "of this schedule, from here to there");
}

#[tokio::test]
async fn a_claim_that_ran_out_unpublished_is_an_orphan_until_another_wins_it() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "dead", Duration::ZERO).await.unwrap());
    assert_eq!(bed.storage.orphaned_ticks(SCHEDULE, long_ago(), HOUR).await.unwrap(), [tick()]);
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    assert!(bed.storage.orphaned_ticks(SCHEDULE, long_ago(), HOUR).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_published_tick_is_never_claimed_again() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", Duration::ZERO).await.unwrap());
    bed.storage.finish_tick(SCHEDULE, tick(), "beat-1", 7, long_ago()).await.unwrap().unwrap();
    for beat in ["beat-1", "beat-2"] {
        assert!(!bed.storage.claim_tick(SCHEDULE, tick(), beat, HOUR).await.unwrap(), "{beat}");
        assert!(!bed.storage.renew_tick(SCHEDULE, tick(), beat, HOUR).await.unwrap(), "{beat}");
    }
    // Nor does a late release open it again.
    bed.storage.release_tick(SCHEDULE, tick(), "beat-1").await.unwrap();
    assert!(!bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    assert!(bed.storage.orphaned_ticks(SCHEDULE, long_ago(), HOUR).await.unwrap().is_empty());
    assert_eq!(bed.sql("SELECT accounts FROM tradingdb.ticks"), "7");
}

#[tokio::test]
async fn a_beat_that_was_taken_over_does_not_finish_the_tick_of_the_other() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "stopped", Duration::ZERO).await.unwrap());
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    let finish = async |owner| bed.storage.finish_tick(SCHEDULE, tick(), owner, 7, long_ago()).await.unwrap();
    assert_eq!(finish("stopped").await, None);
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NULL"), "1");
    assert!(finish("beat-2").await.is_some());
    assert_eq!(finish("beat-2").await, None, "once");
}

#[tokio::test]
async fn a_published_tick_tells_how_late_it_is_and_what_was_before_it() {
    let bed = Bed::migrated().await;
    let after = |minutes: i64| tick() + chrono::TimeDelta::minutes(minutes);
    let publish = async |minutes: i64| {
        let tick_at = after(minutes);
        assert!(bed.storage.claim_tick(SCHEDULE, tick_at, "beat-1", HOUR).await.unwrap());
        bed.storage.finish_tick(SCHEDULE, tick_at, "beat-1", 7, after(8)).await.unwrap().unwrap()
    };
    let first = publish(0).await;
    assert_eq!(first.before, None);
    assert_eq!(
        bed.sql(&format!(
            "SELECT abs(extract(epoch FROM published_at - tick_at) - {}) < 0.001 FROM tradingdb.ticks",
            first.lateness.as_secs_f64()
        )),
        "t"
    );
    // Claimed by beats that died: the first is given up by now, the second not yet.
    for minutes in [5, 10] {
        assert!(bed.storage.claim_tick(SCHEDULE, after(minutes), "dead", Duration::ZERO).await.unwrap());
    }
    assert_eq!(publish(7).await.before, Some(after(0)), "what is given up is missed");
    assert_eq!(publish(15).await.before, Some(after(10)), "what will be made good is not");
    assert!(bed.storage.claim_tick(SCHEDULE, after(6), "beat-2", HOUR).await.unwrap());
    bed.sql("DELETE FROM tradingdb.ticks WHERE tick_at > '2025-06-17T10:36:00Z'");
    assert_eq!(publish(7).await.before, Some(after(6)), "what somebody holds is not missed");
}

#[tokio::test]
async fn ticks_claimed_while_the_clock_was_ahead_do_not_count_until_it_gets_there() {
    let bed = Bed::migrated().await;
    bed.sql(
        "INSERT INTO tradingdb.ticks (schedule, tick_at, claimed_by, claimed_until, published_at)
         VALUES ('sync', now() + interval '1 day', 'b', now() + interval '1 day', now() + interval '1 day'),
                ('sync', now() + interval '2 days', 'b', now() - interval '1 second', NULL)",
    );
    assert_eq!(bed.storage.latest_tick(SCHEDULE).await.unwrap(), None);
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", HOUR).await.unwrap());
    assert_eq!(bed.storage.latest_tick(SCHEDULE).await.unwrap(), Some(tick()));
    assert!(bed.storage.orphaned_ticks(SCHEDULE, long_ago(), HOUR).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_claim_from_before_the_clock_was_put_back_has_run_out() {
    let bed = Bed::migrated().await;
    let hold = Duration::from_secs(6);
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "dead", HOUR).await.unwrap());
    assert_eq!(bed.storage.orphaned_ticks(SCHEDULE, long_ago(), hold).await.unwrap(), [tick()]);
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", hold).await.unwrap());
    assert!(!bed.storage.claim_tick(SCHEDULE, tick(), "beat-3", hold).await.unwrap());
}

#[tokio::test]
async fn what_is_given_up_is_no_orphan() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "dead", Duration::ZERO).await.unwrap());
    assert!(bed.storage.orphaned_ticks(SCHEDULE, tick(), HOUR).await.unwrap().is_empty());
    let before = tick() - chrono::TimeDelta::seconds(1);
    assert_eq!(bed.storage.orphaned_ticks(SCHEDULE, before, HOUR).await.unwrap(), [tick()]);
}

#[tokio::test]
async fn only_the_owner_renews_and_releases() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", HOUR).await.unwrap());
    assert!(!bed.storage.renew_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    bed.storage.release_tick(SCHEDULE, tick(), "beat-2").await.unwrap();
    assert!(!bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    assert!(bed.storage.renew_tick(SCHEDULE, tick(), "beat-1", HOUR).await.unwrap());
}

#[tokio::test]
async fn a_renewed_claim_has_not_run_out() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", Duration::ZERO).await.unwrap());
    assert!(bed.storage.renew_tick(SCHEDULE, tick(), "beat-1", HOUR).await.unwrap());
    assert!(!bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
}

#[tokio::test]
async fn a_released_tick_is_anybodys_at_once() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", HOUR).await.unwrap());
    bed.storage.release_tick(SCHEDULE, tick(), "beat-1").await.unwrap();
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
}

#[tokio::test]
async fn records_older_than_the_retention_are_deleted_and_no_others() {
    let bed = Bed::migrated().await;
    bed.sql(
        "INSERT INTO tradingdb.ticks (schedule, tick_at, claimed_by, claimed_until)
         SELECT 's', now() - make_interval(days => n), 'b', now() FROM generate_series(0, 40, 10) n;
         INSERT INTO tradingdb.sync_outcomes
             (sync_id, organization_id, pseudo_account, status, worker, retries, finished_at)
         SELECT 'job' || n, 'o', 'a', 'success', 'w', 0, now() - make_interval(days => n)
         FROM generate_series(0, 40, 10) n",
    );
    assert_eq!(bed.storage.delete_expired_records(25).await.unwrap(), 4);
    assert_eq!(
        bed.sql("SELECT count(*) FROM tradingdb.ticks WHERE tick_at > now() - interval '25 days'"),
        "3"
    );
    assert_eq!(
        bed.sql("SELECT string_agg(sync_id, ' ' ORDER BY sync_id) FROM tradingdb.sync_outcomes"),
        "job0 job10 job20"
    );
    assert_eq!(bed.storage.delete_expired_records(25).await.unwrap(), 0);
}
