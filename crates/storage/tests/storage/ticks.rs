use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::support::{Bed, HOUR, time};

const SCHEDULE: &str = "sync";

fn tick() -> DateTime<Utc> {
    time("2025-06-17T10:30:00Z")
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
}

#[tokio::test]
async fn a_claim_that_ran_out_unpublished_is_an_orphan_until_another_wins_it() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "dead", Duration::ZERO).await.unwrap());
    assert_eq!(bed.storage.orphaned_ticks(SCHEDULE).await.unwrap(), [tick()]);
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    assert!(bed.storage.orphaned_ticks(SCHEDULE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_published_tick_is_never_claimed_again() {
    let bed = Bed::migrated().await;
    assert!(bed.storage.claim_tick(SCHEDULE, tick(), "beat-1", Duration::ZERO).await.unwrap());
    bed.storage.finish_tick(SCHEDULE, tick(), 7).await.unwrap();
    for beat in ["beat-1", "beat-2"] {
        assert!(!bed.storage.claim_tick(SCHEDULE, tick(), beat, HOUR).await.unwrap(), "{beat}");
        assert!(!bed.storage.renew_tick(SCHEDULE, tick(), beat, HOUR).await.unwrap(), "{beat}");
    }
    // Nor does a late release open it again.
    bed.storage.release_tick(SCHEDULE, tick(), "beat-1").await.unwrap();
    assert!(!bed.storage.claim_tick(SCHEDULE, tick(), "beat-2", HOUR).await.unwrap());
    assert!(bed.storage.orphaned_ticks(SCHEDULE).await.unwrap().is_empty());
    assert_eq!(bed.sql("SELECT accounts FROM tradingdb.ticks"), "7");
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
