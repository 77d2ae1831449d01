use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ledger::Account;
use storage::{AccountScan, DueAccount, EndedJob, Storage};

use crate::support::{Bed, DEFAULT, HOUR, connect, raghu, success};

const SCHEDULE: &str = "sync";

fn trade(bed: &Bed, account: &str) {
    bed.sql(&format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity) VALUES ('{account}', 'REGULAR', 1)"
    ));
}

/// The only account.
async fn known(storage: &Storage) -> DueAccount {
    let mut page = AccountScan::new().next_page(storage, 10).await.unwrap();
    assert_eq!(page.len(), 1);
    page.remove(0)
}

async fn sync(bed: &Bed, account: &Account, job: &str, status: &str) {
    let lease = bed.lease(account, job).await;
    let ended = EndedJob { status, ..success(&lease) };
    bed.storage.finish_run(&lease, &ended, false, false, &[], None).await.unwrap();
}

async fn fail(bed: &Bed, account: &Account, job: &str) {
    let ended = EndedJob {
        sync_id: job,
        account,
        status: "failed",
        reason: Some("retries_exhausted"),
        worker: "worker-1",
        retries: 5,
        report: None,
    };
    bed.storage.record_end(&ended).await.unwrap();
}

#[tokio::test]
async fn a_failure_does_not_hide_when_an_account_last_was_in_order() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    trade(&bed, "Raghu");
    for status in ["success", "partial_success"] {
        sync(&bed, &raghu, status, status).await;
        let good = known(&bed.storage).await;
        assert_eq!(good.last_success_at, good.last_sync_at);
        fail(&bed, &raghu, &format!("fails after {status}")).await;
        let failed = known(&bed.storage).await;
        assert_eq!(failed.last_success_at, good.last_success_at);
        assert!(failed.last_sync_at > good.last_sync_at);
        assert_eq!(failed.stale_since(), good.last_success_at);
    }
}

#[tokio::test]
async fn an_overview_measures_from_the_last_success_whatever_failed_since() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    trade(&bed, "Raghu");
    let overview = bed.storage.account_overview(&raghu).await.unwrap();
    assert_eq!((overview.last_success_at, overview.staleness_seconds), (None, None));
    let due = bed.storage.now().await.unwrap() - TimeDelta::seconds(600);
    bed.storage.note_due(&[(&raghu, due)]).await.unwrap();
    fail(&bed, &raghu, "fails from the first on").await;
    let overview = bed.storage.account_overview(&raghu).await.unwrap();
    assert!(overview.last_success_at.is_none() && overview.last_sync_at.is_some());
    let age = overview.staleness_seconds.unwrap();
    assert!((600..660).contains(&age), "since it is due, not since it failed: {age}");
    sync(&bed, &raghu, "job-1", "success").await;
    bed.sql(
        "UPDATE tradingdb.account_sync_state SET last_sync_at = now() - interval '2 hours',
             last_success_at = now() - interval '2 hours'",
    );
    fail(&bed, &raghu, "job-2").await;
    let overview = bed.storage.account_overview(&raghu).await.unwrap();
    assert_eq!(overview.status.as_deref(), Some("failed"));
    assert!(overview.last_success_at < overview.last_sync_at);
    let age = overview.staleness_seconds.unwrap();
    assert!((7200..7260).contains(&age), "{age}");
    // What programs of before wrote has no column for its success.
    bed.sql(
        "UPDATE tradingdb.account_sync_state SET last_success_at = NULL, last_status = 'success',
             last_sync_at = now() - interval '1 hour'",
    );
    let age = bed.storage.account_overview(&raghu).await.unwrap().staleness_seconds.unwrap();
    assert!((3600..3660).contains(&age), "{age}");
}

#[tokio::test]
async fn what_programs_of_before_wrote_counts_also_after_a_failure() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    trade(&bed, "Raghu");
    bed.sql(&format!(
        "INSERT INTO tradingdb.account_sync_state (organization_id, pseudo_account, last_sync_at, last_status)
         VALUES ('{DEFAULT}', 'Raghu', '2025-06-17 10:00:00+00', 'success')"
    ));
    let then: Option<DateTime<Utc>> = Some("2025-06-17T10:00:00Z".parse().unwrap());
    assert_eq!(known(&bed.storage).await.last_success_at, then);
    fail(&bed, &raghu, "job-1").await;
    assert_eq!(known(&bed.storage).await.last_success_at, then);
}

#[tokio::test]
async fn since_when_an_account_is_due_is_noted_once_and_anew_when_it_is_resumed() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    trade(&bed, "Raghu");
    assert_eq!(known(&bed.storage).await.stale_since(), None);
    let first: DateTime<Utc> = "2025-06-17T10:00:00Z".parse().unwrap();
    for later in [0, 300] {
        bed.storage.note_due(&[(&raghu, first + TimeDelta::seconds(later))]).await.unwrap();
        assert_eq!(known(&bed.storage).await.stale_since(), Some(first));
    }
    bed.storage.set_paused(&raghu, false).await.unwrap();
    assert_eq!(known(&bed.storage).await.due_since, Some(first), "it was not paused");
    let now = bed.storage.now().await.unwrap();
    bed.storage.set_paused(&raghu, true).await.unwrap();
    bed.storage.set_paused(&raghu, false).await.unwrap();
    assert!(known(&bed.storage).await.stale_since() >= Some(now));
    // A run makes nothing of this undone, and does not need it.
    sync(&bed, &raghu, "job-1", "success").await;
    let synced = known(&bed.storage).await;
    assert_eq!(synced.stale_since(), synced.last_success_at);
}

#[tokio::test]
async fn the_time_of_recent_runs_is_told_of_those_that_ran() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    assert_eq!(bed.storage.recent_run_seconds().await.unwrap(), None);
    fail(&bed, &raghu, "never ran").await;
    assert_eq!(bed.storage.recent_run_seconds().await.unwrap(), None);
    bed.sql(
        "INSERT INTO tradingdb.sync_outcomes
             (sync_id, organization_id, pseudo_account, status, worker, retries, started_at, finished_at, superseded_by)
         SELECT 'job ' || n, 'o', 'a', 'success', 'w', 0, now() - make_interval(secs => n), now(), NULL
         FROM generate_series(0, 100) n
         UNION ALL SELECT 'superseded', 'o', 'a', 'success', 'w', 0, now() - interval '1 hour', now(), 'job 1'
         UNION ALL SELECT 'old', 'o', 'a', 'success', 'w', 0, now() - interval '3 days', now() - interval '2 days', NULL",
    );
    let seconds = bed.storage.recent_run_seconds().await.unwrap().unwrap();
    assert!((seconds - 95.0).abs() < 0.1, "{seconds}");
}

#[tokio::test]
async fn published_ticks_and_ended_jobs_are_found() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let now = bed.storage.now().await.unwrap();
    let ago = |seconds: i64| now - TimeDelta::seconds(seconds);
    for (seconds, is_published) in [(900, true), (500, true), (200, false), (100, true)] {
        assert!(bed.storage.claim_tick(SCHEDULE, ago(seconds), "beat", HOUR).await.unwrap());
        if is_published {
            bed.storage.finish_tick(SCHEDULE, ago(seconds), "beat", 1, ago(9999)).await.unwrap();
        }
    }
    let window = Duration::from_secs(600);
    let micros = |at: DateTime<Utc>| at.timestamp_micros();
    let found = bed.storage.published_ticks(SCHEDULE, window).await.unwrap();
    assert_eq!(found.into_iter().map(micros).collect::<Vec<_>>(), [500, 100].map(|s| micros(ago(s))));
    let last = bed.storage.last_published_tick(SCHEDULE).await.unwrap();
    assert_eq!(last.map(micros), Some(micros(ago(100))));
    assert_eq!(bed.storage.last_published_tick("another").await.unwrap(), None);

    sync(&bed, &raghu, "job-1", "success").await;
    let asked = ["job-1", "job-2"].map(str::to_owned);
    let ended = bed.storage.ended_jobs(&asked).await.unwrap();
    assert_eq!(ended.into_iter().collect::<Vec<_>>(), ["job-1"]);
}

// More than one thread: a connection is given back in the background while the test waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_as_they_are_lent() {
    let bed = Bed::migrated().await;
    let storage = connect(&bed.database);
    assert_eq!((storage.pool_use().in_use, storage.pool_use().max), (0, 24));
    storage.now().await.unwrap();
    testbed::wait_until("an idle connection", Duration::from_secs(5), || {
        storage.pool_use().idle == 1 && storage.pool_use().in_use == 0
    });
}

#[tokio::test]
async fn a_note_of_since_when_an_account_is_due_waits_for_no_run_that_writes_it() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let due = bed.storage.now().await.unwrap();
    let writing = "INSERT INTO tradingdb.account_sync_state (organization_id, pseudo_account) VALUES ('default', 'Raghu')";
    let run = bed.database.hold(writing).unwrap();
    let begun = std::time::Instant::now();
    let error = bed.storage.note_due(&[(&raghu, due)]).await.unwrap_err();
    assert!(matches!(error, storage::StorageError::Unavailable(_)), "{error:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(run);
    bed.storage.note_due(&[(&raghu, due)]).await.unwrap();
}
