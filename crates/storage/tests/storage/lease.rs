use std::time::Duration;

use ledger::Account;
use serde_json::json;
use storage::{EndedJob, Lease, LeaseAnswer, LeaseRequest, StorageError};

use crate::external::{look, plan, reported};
use crate::support::{Bed, HOUR, empty_book, generated, raghu, request, success};

const TABLES: [&str; 7] =
    ["account_sync_state", "sync_outcomes", "orders", "order_events", "positions", "holdings", "symbols"];

#[tokio::test]
async fn two_live_jobs_exclude_each_other() {
    let bed = Bed::migrated().await;
    bed.lease(&raghu(), "job-1").await;
    let until = match bed.storage.lease_account(&request(&raghu(), "job-2")).await.unwrap() {
        LeaseAnswer::Held { until } => until,
        other => panic!("{other:?}"),
    };
    let left = until - bed.storage.now().await.unwrap();
    assert!(left > chrono::Duration::minutes(50) && left <= chrono::Duration::minutes(60), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_jobs_at_once_one_gets_the_account() {
    let bed = Bed::migrated().await;
    let requests: Vec<_> = (0..20)
        .map(|job| {
            let storage = bed.storage.clone();
            tokio::spawn(async move {
                let (account, job) = (raghu(), format!("job-{job}"));
                matches!(
                    storage.lease_account(&request(&account, &job)).await.unwrap(),
                    LeaseAnswer::Taken(_)
                )
            })
        })
        .collect();
    let mut taken = 0;
    for request in requests {
        taken += usize::from(request.await.unwrap());
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn accounts_of_one_name_in_two_organizations_are_leased_apart() {
    let bed = Bed::migrated().await;
    bed.lease(&raghu(), "job-1").await;
    bed.lease(&Account::new("acme", "Raghu"), "job-2").await;
}

#[tokio::test]
async fn a_redelivered_job_takes_over_its_own_lease_at_once_with_a_higher_fence() {
    let bed = Bed::migrated().await;
    let first = bed.lease(&raghu(), "job-1").await;
    let again = bed.lease(&raghu(), "job-1").await;
    assert_eq!(again.fence, first.fence + 1);
    assert!(matches!(bed.storage.renew_lease(&first, HOUR).await, Err(StorageError::LeaseLost)));
    bed.storage.renew_lease(&again, HOUR).await.unwrap();
}

#[tokio::test]
async fn a_duplicate_of_a_job_waits_while_a_run_of_it_is_alive_whoever_runs_it() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let LeaseAnswer::Taken(lease) = answer(&bed, &by(&raghu, "job-1", "w1")).await else { panic!() };
    for worker in ["w1", "w2"] {
        let duplicate = LeaseRequest { redelivered: false, ..by(&raghu, "job-1", worker) };
        let answer = answer(&bed, &duplicate).await;
        assert!(matches!(answer, LeaseAnswer::Held { .. }), "{answer:?}");
    }
    bed.storage.renew_lease(&lease, Duration::ZERO).await.expect("nobody took it over");
    let duplicate = LeaseRequest { redelivered: false, ..by(&raghu, "job-1", "w2") };
    assert!(matches!(answer(&bed, &duplicate).await, LeaseAnswer::Crashed { crashes: 1 }), "it has expired");
}

#[tokio::test]
async fn an_expired_lease_is_taken_by_the_next_job() {
    let bed = Bed::migrated().await;
    let dead = bed.lease_for(&raghu(), "job-1", Duration::ZERO).await;
    let next = bed.lease(&raghu(), "job-2").await;
    assert_eq!(next.fence, dead.fence + 1);
}

#[tokio::test]
async fn a_renewed_lease_has_not_expired() {
    let bed = Bed::migrated().await;
    let lease = bed.lease_for(&raghu(), "job-1", Duration::ZERO).await;
    bed.storage.renew_lease(&lease, HOUR).await.unwrap();
    let answer = bed.storage.lease_account(&request(&raghu(), "job-2")).await.unwrap();
    assert!(matches!(answer, LeaseAnswer::Held { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_released_lease_is_free_and_leaves_no_outcome() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job-1").await;
    bed.storage.release_lease(&lease).await.unwrap();
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.sync_outcomes"), "0");
    // The same job may run again, and so may another.
    let again = bed.lease(&raghu(), "job-1").await;
    bed.storage.release_lease(&again).await.unwrap();
    bed.lease(&raghu(), "job-2").await;
}

#[tokio::test]
async fn a_job_with_an_outcome_is_done() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job-1").await;
    let report = json!({"status": "success", "positions": 3});
    let ended = EndedJob { report: Some(&report), retries: 2, ..success(&lease) };
    bed.storage.finish_run(&lease, &ended, false, false, &[], None).await.unwrap();
    let answer = bed.storage.lease_account(&request(&raghu(), "job-1")).await.unwrap();
    assert!(matches!(answer, LeaseAnswer::Done), "{answer:?}");
    let outcomes = bed.storage.outcomes(&["job-1".into(), "job-2".into()]).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].status.as_str(), outcomes[0].report.as_ref()), ("success", Some(&report)));
    // It released the account with the same statement.
    let next = bed.lease(&raghu(), "job-2").await;
    assert_eq!(next.fence, lease.fence + 1);
}

/// Both wait for the row, in this order, so that the second begins before the first is committed.
async fn in_turn<A: Send + 'static, B: Send + 'static>(
    bed: &Bed,
    first: impl Future<Output = A> + Send + 'static,
    second: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    let held = bed.database.hold("SELECT FROM tradingdb.account_sync_state FOR UPDATE").unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let wait_for = |count: &str| {
        testbed::wait_until("statements that wait", Duration::from_secs(20), || bed.sql(waiting) == count);
    };
    let first = tokio::spawn(first);
    wait_for("1");
    let second = tokio::spawn(second);
    wait_for("2");
    drop(held);
    (first.await.unwrap(), second.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_starts_when_it_gets_the_account_not_when_it_asked_for_it() {
    let bed = Bed::migrated().await;
    let before = bed.lease(&raghu(), "job-1").await;
    bed.storage.release_lease(&before).await.unwrap();
    let held = bed.database.hold("SELECT FROM tradingdb.account_sync_state FOR UPDATE").unwrap();
    let storage = bed.storage.clone();
    let asking =
        tokio::spawn(async move { storage.lease_account(&request(&raghu(), "job-2")).await.unwrap() });
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testbed::wait_until("a statement that waits", Duration::from_secs(20), || bed.sql(waiting) == "1");
    let released = bed.storage.now().await.unwrap();
    drop(held);
    let LeaseAnswer::Taken(lease) = asking.await.unwrap() else { panic!("it was free") };
    assert!(lease.started_at >= released, "{} is before {released}", lease.started_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_while_its_duplicate_waits_for_the_answer_is_done() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job-1").await;
    let (storage, asked) = (bed.storage.clone(), bed.storage.clone());
    let finishing =
        async move { storage.finish_run(&lease, &success(&lease), false, false, &[], None).await };
    let asking = async move { asked.lease_account(&request(&raghu(), "job-1")).await };
    let (finished, answer) = in_turn(&bed, finishing, asking).await;
    finished.unwrap();
    assert!(matches!(answer, Ok(LeaseAnswer::Done)), "{answer:?}");
}

#[tokio::test]
async fn a_job_that_ended_without_a_run_is_done_and_its_first_outcome_stands() {
    let bed = Bed::migrated().await;
    let account = raghu();
    let ended = |status| EndedJob {
        sync_id: "job-1",
        account: &account,
        status,
        reason: Some("retries_exhausted"),
        worker: "worker-1",
        retries: 5,
        report: None,
    };
    bed.storage.record_end(&ended("failed")).await.unwrap();
    bed.storage.record_end(&ended("expired")).await.unwrap();
    let outcomes = bed.storage.outcomes(&["job-1".into()]).await.unwrap();
    assert_eq!(
        (outcomes[0].status.as_str(), outcomes[0].reason.as_deref()),
        ("failed", Some("retries_exhausted"))
    );
    assert!(matches!(
        bed.storage.lease_account(&request(&account, "job-1")).await.unwrap(),
        LeaseAnswer::Done
    ));
    let view = bed.storage.account_view(&account).await.unwrap();
    assert_eq!(view.overview.status.as_deref(), Some("failed"));
}

#[tokio::test]
async fn a_run_whose_lease_another_took_writes_nothing_more() {
    let bed = Bed::migrated().await;
    let stale = bed.lease_for(&raghu(), "job-1", Duration::ZERO).await;
    let live = bed.lease(&raghu(), "job-2").await;
    nothing_can_be_written(&bed, &stale).await;
    // And the live one can.
    bed.storage.store_book(&live, &generated(&empty_book())).await.unwrap();
    bed.storage.finish_run(&live, &success(&live), false, false, &[], None).await.unwrap();
    // After the end of the live run the stale one still cannot.
    nothing_can_be_written(&bed, &stale).await;
    nothing_can_be_written(&bed, &live).await;
}

#[tokio::test]
async fn a_run_whose_own_job_was_delivered_again_writes_nothing_more() {
    let bed = Bed::migrated().await;
    let stale = bed.lease(&raghu(), "job-1").await;
    bed.lease(&raghu(), "job-1").await;
    nothing_can_be_written(&bed, &stale).await;
}

async fn nothing_can_be_written(bed: &Bed, stale: &Lease) {
    let before = bed.dump(&TABLES);
    let reported = [reported("b-1", "e-1")];
    let plan = plan(&[], &reported);
    let mut book = empty_book();
    book.positions.push(crate::book::position("NSE@TCS@equities"));
    let refusals = [
        bed.storage.store_book(stale, &generated(&book)).await.map(drop),
        bed.storage.take_in(stale, &look(&reported, &plan)).await.map(drop),
        bed.storage.store_differences(stale, &[]).await,
        bed.storage.note_login(stale, Some(("digest", "no"))).await,
        bed.storage.mark_external_check(stale).await,
        bed.storage.finish_run(stale, &success(stale), true, true, &[], None).await,
        bed.storage.renew_lease(stale, HOUR).await,
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        assert!(matches!(refusal, Err(StorageError::LeaseLost)), "{number}: {refusal:?}");
    }
    bed.storage.release_lease(stale).await.unwrap();
    assert_eq!(bed.dump(&TABLES), before);
}

/// A run of `status` that ended, and the instants just before and after its start.
async fn ended_run(
    bed: &Bed,
    status: &str,
    forced: bool,
    external: bool,
) -> [chrono::DateTime<chrono::Utc>; 2] {
    let before = bed.storage.now().await.unwrap();
    let lease = bed.lease(&raghu(), "run").await;
    let after = bed.storage.now().await.unwrap();
    let ended = EndedJob { status, ..success(&lease) };
    bed.storage.finish_run(&lease, &ended, forced, external, &[], None).await.unwrap();
    [before, after]
}

async fn is_superseded(bed: &Bed, wanted: &LeaseRequest<'_>) -> bool {
    match bed.storage.lease_account(wanted).await.unwrap() {
        LeaseAnswer::Superseded { by } => {
            assert_eq!(by, "run");
            true
        }
        LeaseAnswer::Taken(lease) => {
            bed.storage.release_lease(&lease).await.unwrap();
            false
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_job_is_superseded_by_a_run_that_began_after_it_was_enqueued() {
    let bed = Bed::migrated().await;
    let [before, after] = ended_run(&bed, "success", false, false).await;
    let account = raghu();
    let job = |enqueued_at| LeaseRequest { enqueued_at, ..request(&account, "job") };
    assert!(is_superseded(&bed, &job(Some(before))).await);
    assert!(!is_superseded(&bed, &job(Some(after))).await, "the run had begun before");
    assert!(!is_superseded(&bed, &job(None)).await, "nobody knows when it was enqueued");
}

#[tokio::test]
async fn a_job_is_superseded_only_by_a_run_that_did_at_least_as_much() {
    for (forced, external) in [(false, false), (true, false), (false, true), (true, true)] {
        let bed = Bed::migrated().await;
        let [before, _] = ended_run(&bed, "success", forced, external).await;
        let account = raghu();
        for (force, check_external) in [(false, false), (true, false), (false, true), (true, true)] {
            let job =
                LeaseRequest { enqueued_at: Some(before), force, check_external, ..request(&account, "job") };
            let covered = (forced || !force) && (external || !check_external);
            let what = format!("run {forced} {external}, job {force} {check_external}");
            assert_eq!(is_superseded(&bed, &job).await, covered, "{what}");
        }
    }
}

#[tokio::test]
async fn a_run_that_did_not_succeed_supersedes_nothing() {
    for status in ["partial_success", "failed"] {
        let bed = Bed::migrated().await;
        let [before, _] = ended_run(&bed, status, true, true).await;
        let account = raghu();
        let job = LeaseRequest { enqueued_at: Some(before), ..request(&account, "job") };
        assert!(!is_superseded(&bed, &job).await, "{status}");
    }
}

#[tokio::test]
async fn a_superseded_job_gets_the_outcome_of_the_run_that_did_its_work() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "run").await;
    let report = json!({"positions": 3});
    let ended = EndedJob { report: Some(&report), ..success(&lease) };
    bed.storage.finish_run(&lease, &ended, false, false, &[], None).await.unwrap();
    let returned = bed.storage.record_superseded("job", &raghu(), "run", "worker-2").await.unwrap();
    assert_eq!(returned.as_ref(), Some(&report));
    let outcomes = bed.storage.outcomes(&["job".into()]).await.unwrap();
    assert_eq!((outcomes[0].status.as_str(), outcomes[0].report.as_ref()), ("success", Some(&report)));
    assert_eq!(bed.sql("SELECT superseded_by FROM tradingdb.sync_outcomes WHERE sync_id = 'job'"), "run");
    assert!(matches!(bed.storage.lease_account(&request(&raghu(), "job")).await.unwrap(), LeaseAnswer::Done));
}

fn by<'a>(account: &'a Account, job: &'a str, worker: &'a str) -> LeaseRequest<'a> {
    LeaseRequest { worker, ..request(account, job) }
}

async fn answer(bed: &Bed, request: &LeaseRequest<'_>) -> LeaseAnswer {
    bed.storage.lease_account(request).await.unwrap()
}

#[tokio::test]
async fn a_run_that_another_worker_left_open_is_a_crash_of_its_job_and_of_no_other() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    for (crashes, worker) in [(1, "w2"), (2, "w3")] {
        let before = format!("w{crashes}");
        let LeaseAnswer::Taken(lease) = answer(&bed, &by(&raghu, "job-1", &before)).await else { panic!() };
        assert_eq!(lease.crashes, crashes - 1);
        let LeaseAnswer::Crashed { crashes: told } = answer(&bed, &by(&raghu, "job-1", worker)).await else {
            panic!()
        };
        assert_eq!(told, crashes);
        assert!(matches!(bed.storage.renew_lease(&lease, HOUR).await, Err(StorageError::LeaseLost)));
    }
    let LeaseAnswer::Taken(other) = answer(&bed, &by(&raghu, "job-2", "w3")).await else {
        panic!("it is free")
    };
    assert_eq!(other.crashes, 0);
    bed.storage.release_lease(&other).await.unwrap();
    let limited = LeaseRequest { crash_limit: 1, ..by(&raghu, "job-1", "w4") };
    assert!(matches!(answer(&bed, &limited).await, LeaseAnswer::Crashed { crashes: 2 }), "not run again");
}

#[tokio::test]
async fn a_worker_that_lives_after_all_takes_its_crash_back() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let LeaseAnswer::Taken(slow) = answer(&bed, &by(&raghu, "job-1", "w1")).await else { panic!() };
    assert!(matches!(answer(&bed, &by(&raghu, "job-1", "w2")).await, LeaseAnswer::Crashed { crashes: 1 }));
    bed.storage.release_lease(&slow).await.unwrap();
    let LeaseAnswer::Taken(again) = answer(&bed, &by(&raghu, "job-1", "w2")).await else { panic!() };
    assert_eq!(again.crashes, 0);
    bed.storage.release_lease(&slow).await.unwrap();
    bed.storage.renew_lease(&again, HOUR).await.expect("the late word of the first changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_says_it_lives_while_it_is_taken_for_dead_takes_its_crash_back() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let LeaseAnswer::Taken(slow) = answer(&bed, &by(&raghu, "job-1", "w1")).await else { panic!() };
    let (storage, released) = (bed.storage.clone(), bed.storage.clone());
    let account = raghu.clone();
    let charging = async move { storage.lease_account(&by(&account, "job-1", "w2")).await };
    let releasing = async move { released.release_lease(&slow).await };
    let (charged, released) = in_turn(&bed, charging, releasing).await;
    assert!(matches!(charged, Ok(LeaseAnswer::Crashed { crashes: 1 })), "{charged:?}");
    released.unwrap();
    let LeaseAnswer::Taken(again) = answer(&bed, &by(&raghu, "job-1", "w2")).await else { panic!() };
    assert_eq!(again.crashes, 0);
}

#[tokio::test]
async fn an_expired_run_of_another_job_is_that_jobs_crash() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    let short = LeaseRequest { hold: Duration::ZERO, ..by(&raghu, "job-1", "w1") };
    assert!(matches!(answer(&bed, &short).await, LeaseAnswer::Taken(_)));
    let LeaseAnswer::Taken(next) = answer(&bed, &by(&raghu, "job-2", "w2")).await else { panic!() };
    assert_eq!(next.crashes, 0);
    bed.storage.release_lease(&next).await.unwrap();
    let LeaseAnswer::Taken(again) = answer(&bed, &by(&raghu, "job-1", "w2")).await else { panic!() };
    assert_eq!(again.crashes, 1);
}

#[tokio::test]
async fn an_open_run_of_this_workers_name_is_a_crash_only_if_it_began_before_the_process() {
    let (bed, raghu) = (Bed::migrated().await, raghu());
    bed.lease(&raghu, "job-1").await;
    bed.storage.check_migrated().await.unwrap();
    let answer_of = answer(&bed, &by(&raghu, "job-1", "worker-1")).await;
    assert!(matches!(answer_of, LeaseAnswer::Crashed { crashes: 1 }), "{answer_of:?}");
    // Of one that does not say when it began, it is not known that it did before.
    bed.lease(&raghu, "job-2").await;
    bed.sql("UPDATE tradingdb.account_sync_state SET lease_started_at = NULL");
    let answer_of = answer(&bed, &by(&raghu, "job-2", "worker-1")).await;
    assert!(matches!(answer_of, LeaseAnswer::Taken(_)), "{answer_of:?}");
}
