use chrono::{DateTime, Utc};
use ledger::Account;
use serde_json::json;
use storage::{EndedJob, LeaseAnswer, LeaseRequest};

use crate::support::{Bed, HOUR, raghu, request, success};

fn failed(account: &Account) -> EndedJob<'_> {
    EndedJob {
        sync_id: "job-1",
        account,
        status: "failed",
        reason: Some("retries_exhausted"),
        worker: "worker-1",
        retries: 5,
        report: None,
    }
}

fn replayed(account: &Account, at: DateTime<Utc>) -> LeaseRequest<'_> {
    LeaseRequest { replayed_at: Some(at), enqueued_at: Some(at), ..request(account, "job-1") }
}

async fn status(bed: &Bed) -> (String, Option<String>) {
    let outcome = bed.storage.outcome("job-1", &raghu()).await.unwrap().unwrap();
    (outcome.status, outcome.reason)
}

#[tokio::test]
async fn a_replayed_job_that_failed_before_runs_and_its_success_is_the_outcome() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    bed.storage.record_end(&failed(&raghu)).await.unwrap();
    let answer = bed.storage.lease_account(&request(&raghu, "job-1")).await.unwrap();
    assert!(matches!(answer, LeaseAnswer::Done), "a duplicate that nobody replayed: {answer:?}");
    let at = bed.storage.now().await.unwrap();
    let answer = bed.storage.lease_account(&replayed(&raghu, at)).await.unwrap();
    let LeaseAnswer::Taken(lease) = answer else { panic!("{answer:?}") };
    let report = json!({"status": "success"});
    let ended = EndedJob { report: Some(&report), ..success(&lease) };
    bed.storage.finish_run(&lease, &ended, false, false, &[], None).await.unwrap();
    let outcome = bed.storage.outcome("job-1", &raghu).await.unwrap().unwrap();
    assert_eq!((outcome.status.as_str(), outcome.reason), ("success", None));
    assert_eq!(outcome.report, Some(report));
    assert!(outcome.finished_at > at);
    let answer = bed.storage.lease_account(&replayed(&raghu, at)).await.unwrap();
    assert!(matches!(answer, LeaseAnswer::Done), "{answer:?}");
}

#[tokio::test]
async fn the_late_failure_of_the_run_before_does_not_swallow_a_replay() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    // A letter is there a moment before its outcome is.
    let at = bed.storage.now().await.unwrap();
    bed.storage.record_end(&failed(&raghu)).await.unwrap();
    let answer = bed.storage.lease_account(&replayed(&raghu, at)).await.unwrap();
    assert!(matches!(answer, LeaseAnswer::Taken(_)), "{answer:?}");
}

#[tokio::test]
async fn a_success_stands_whatever_comes_later() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let lease = bed.lease(&raghu, "job-1").await;
    bed.storage.finish_run(&lease, &success(&lease), false, false, &[], None).await.unwrap();
    bed.storage.record_end(&failed(&raghu)).await.unwrap();
    assert_eq!(status(&bed).await, ("success".into(), None));
    assert_eq!(bed.sql("SELECT last_status FROM tradingdb.account_sync_state"), "success");
}

#[tokio::test]
async fn a_newer_failure_takes_the_place_of_an_older_one() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    bed.storage.record_end(&failed(&raghu)).await.unwrap();
    let at = bed.storage.now().await.unwrap();
    let again = EndedJob { reason: Some("crash_loop"), ..failed(&raghu) };
    bed.storage.record_end(&again).await.unwrap();
    assert_eq!(status(&bed).await, ("failed".into(), Some("crash_loop".into())));
    assert!(bed.storage.outcome("job-1", &raghu).await.unwrap().unwrap().finished_at > at);
}

#[tokio::test]
async fn a_replayed_job_that_is_superseded_is_failed_no_more() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    bed.storage.record_end(&failed(&raghu)).await.unwrap();
    let at = bed.storage.now().await.unwrap();
    let other = bed.lease(&raghu, "job-2").await;
    bed.storage.finish_run(&other, &success(&other), false, true, &[], None).await.unwrap();
    let answer = bed.storage.lease_account(&replayed(&raghu, at)).await.unwrap();
    let LeaseAnswer::Superseded { by } = answer else { panic!("{answer:?}") };
    bed.storage.record_superseded("job-1", &raghu, &by, "worker-1").await.unwrap();
    assert_eq!(status(&bed).await, ("success".into(), Some("superseded".into())));
}

#[tokio::test]
async fn the_crashes_before_a_replay_do_not_count() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let by = |worker| LeaseRequest { worker, crash_limit: 0, hold: HOUR, ..request(&raghu, "job-1") };
    assert!(matches!(bed.storage.lease_account(&by("w1")).await.unwrap(), LeaseAnswer::Taken(_)));
    for _ in 0..2 {
        let answer = bed.storage.lease_account(&by("w2")).await.unwrap();
        assert!(matches!(answer, LeaseAnswer::Crashed { crashes: 1 }), "{answer:?}");
    }
    let at = bed.storage.now().await.unwrap();
    let answer =
        bed.storage.lease_account(&LeaseRequest { replayed_at: Some(at), ..by("w2") }).await.unwrap();
    let LeaseAnswer::Taken(lease) = answer else { panic!("{answer:?}") };
    assert_eq!(lease.crashes, 0);
}
