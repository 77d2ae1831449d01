use chrono::{DateTime, TimeDelta, Utc};
use ledger::Account;
use storage::{EndedJob, JobWait};

use crate::support::{Bed, raghu, success, time};

const NOTED: &str = "SELECT count(*) FROM tradingdb.waiting_jobs";

fn wait(account: &Account, job: &str, state: &str, reason: &str) -> JobWait {
    JobWait {
        job_id: job.to_owned(),
        account: account.clone(),
        queue: "adhoc".to_owned(),
        state: state.to_owned(),
        reason: Some(reason.to_owned()),
        error: None,
        retries: 0,
        retries_max: None,
        due_at: None,
        worker: "worker-1".to_owned(),
        is_on_its_way: false,
    }
}

fn ended<'a>(account: &'a Account, sync_id: &'a str, status: &'a str) -> EndedJob<'a> {
    EndedJob { sync_id, account, status, reason: Some("for a test"), worker: "w", retries: 0, report: None }
}

#[tokio::test]
async fn the_end_of_a_job_however_it_ends_forgets_its_wait_and_no_other() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let asha = Account::new("default", "Asha");
    let jobs = ["ran", "failed", "expired", "superseded"];
    let mut waits: Vec<JobWait> = jobs.iter().map(|job| wait(&raghu, job, "queued", "enqueued")).collect();
    waits.push(wait(&raghu, "open", "queued", "enqueued"));
    waits.push(wait(&asha, "ran", "queued", "enqueued"));
    bed.storage.note_waits(&waits).await.unwrap();
    let lease = bed.lease(&raghu, "ran").await;
    bed.storage.finish_run(&lease, &success(&lease), false, false, &[], None).await.unwrap();
    assert_eq!(bed.sql(NOTED), "5");
    bed.storage.record_end(&ended(&raghu, "failed", "failed")).await.unwrap();
    bed.storage.record_end(&ended(&raghu, "expired", "expired")).await.unwrap();
    assert_eq!(bed.sql(NOTED), "3");
    bed.storage.record_superseded("superseded", &raghu, "ran", "w").await.unwrap();
    let left = "SELECT job_id, pseudo_account FROM tradingdb.waiting_jobs ORDER BY 1";
    assert_eq!(bed.sql(left), "open|Raghu\nran|Asha");
}

#[tokio::test]
async fn a_run_that_lost_its_account_forgets_no_wait() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let lost = bed.lease(&raghu, "job-1").await;
    bed.lease(&raghu, "job-1").await;
    bed.storage.note_waits(&[wait(&raghu, "job-1", "parked", "held")]).await.unwrap();
    bed.storage.finish_run(&lost, &success(&lost), false, false, &[], None).await.unwrap_err();
    assert_eq!(bed.sql(NOTED), "1");
}

#[tokio::test]
async fn notes_of_jobs_that_were_not_enqueued_are_taken_back_and_those_of_workers_stay() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let enqueued = ["one", "two", "three"].map(|job| wait(&raghu, job, "queued", "enqueued"));
    bed.storage.note_waits(&enqueued).await.unwrap();
    bed.storage.note_waits(&[wait(&raghu, "two", "retry", "failed")]).await.unwrap();
    bed.storage.forget_enqueued(&enqueued[..2]).await.unwrap();
    let left = bed.sql("SELECT job_id FROM tradingdb.waiting_jobs ORDER BY 1");
    assert_eq!(left, "three\ntwo");
}

#[tokio::test]
async fn a_job_on_its_way_keeps_the_reason_that_was_noted_when_it_set_out() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let due = bed.storage.now().await.unwrap() + TimeDelta::seconds(70);
    let at = |job: &str, reason: &str, due: DateTime<Utc>, is_on_its_way| JobWait {
        due_at: Some(due),
        is_on_its_way,
        ..wait(&raghu, job, "parked", reason)
    };
    bed.storage.note_waits(&[at("job-1", "rate_limit", due, false)]).await.unwrap();
    let row = "SELECT reason, noted_at FROM tradingdb.waiting_jobs";
    let noted = bed.sql(row);
    // A message says microseconds, PostgreSQL keeps as many; a float between them may lose one.
    bed.storage.note_waits(&[at("job-1", "early", due + TimeDelta::microseconds(3), true)]).await.unwrap();
    assert_eq!(bed.sql(row), noted);
    let later = due + TimeDelta::seconds(5);
    bed.storage.note_waits(&[at("job-1", "early", later, true)]).await.unwrap();
    assert!(bed.sql(row).starts_with("early|"), "it is due at another time than was noted");
    bed.storage.note_waits(&[at("job-1", "suspect", later, false)]).await.unwrap();
    assert!(bed.sql(row).starts_with("suspect|"), "it is parked anew");
    bed.storage.note_waits(&[at("job-2", "early", due, true)]).await.unwrap();
    assert_eq!(bed.sql(NOTED), "2", "of what nobody noted before it is the first to tell");
}

#[tokio::test]
async fn the_oldest_of_a_queue_is_one_of_as_many_as_are_there() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    assert_eq!(bed.storage.oldest_enqueued("adhoc", 5).await.unwrap(), None);
    for (job, hour) in [("lost", 8), ("first", 10), ("second", 11)] {
        bed.storage.note_waits(&[wait(&raghu, job, "queued", "enqueued")]).await.unwrap();
        bed.sql(&format!(
            "UPDATE tradingdb.waiting_jobs SET noted_at = '2025-06-17 {hour:02}:00:00+00' WHERE job_id = '{job}'"
        ));
    }
    for (ready, oldest) in [(1, "11"), (2, "10"), (9, "08")] {
        let told = bed.storage.oldest_enqueued("adhoc", ready).await.unwrap();
        assert_eq!(told, Some(time(&format!("2025-06-17T{oldest}:00:00Z"))), "{ready} are there");
    }
    assert_eq!(bed.storage.oldest_enqueued("adhoc", 0).await.unwrap(), None);
}
