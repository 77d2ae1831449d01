//! Jobs that come at the same time share statements, and nothing else.

use std::time::Duration;

use futures_util::future::join_all;
use ledger::Account;
use serde_json::json;
use storage::{CachedRows, EndedJob, Lease, LeaseAnswer, LeaseRequest, StorageError};

use crate::support::{Bed, DEFAULT, HOUR, columns, imported, raghu, request, success};

fn accounts(count: usize) -> Vec<Account> {
    (0..count).map(|n| Account::new(DEFAULT, format!("account-{n}"))).collect()
}

fn jobs_of(accounts: &[Account]) -> Vec<(Account, String)> {
    accounts.iter().map(|account| (account.clone(), format!("job of {}", account.pseudo_account))).collect()
}

/// The account has been synced before, as nearly every one.
async fn synced(bed: &Bed, account: &Account) {
    let lease = bed.lease(account, &format!("first of {}", account.pseudo_account)).await;
    bed.storage.finish_run(&lease, &success(&lease), false, false, &[], None).await.unwrap();
}

async fn leased(bed: &Bed, asking: &[(Account, String)]) -> Vec<LeaseAnswer> {
    let asked = asking.iter().map(|(account, job)| async move {
        let request = LeaseRequest { redelivered: false, ..request(account, job) };
        bed.storage.lease_account(&request).await.unwrap()
    });
    join_all(asked).await
}

fn taken(answers: Vec<LeaseAnswer>) -> Vec<Lease> {
    let of = |answer| match answer {
        LeaseAnswer::Taken(lease) => lease,
        other => panic!("not taken: {other:?}"),
    };
    answers.into_iter().map(of).collect()
}

/// Transactions that wrote the rows of accounts last.
fn writers(bed: &Bed) -> String {
    bed.sql("SELECT count(DISTINCT xmin::text) FROM tradingdb.account_sync_state")
}

#[tokio::test]
async fn jobs_that_ask_at_the_same_time_get_their_accounts_in_one_statement_and_end_in_one() {
    let bed = Bed::migrated().await;
    let accounts = accounts(20);
    for account in &accounts {
        synced(&bed, account).await;
    }
    let asking = jobs_of(&accounts);
    let leases = taken(leased(&bed, &asking).await);
    for ((account, job), lease) in asking.iter().zip(&leases) {
        assert_eq!((&lease.account, &lease.job_id, lease.fence), (account, job, 2));
        assert!(lease.state.is_some(), "what is new comes along");
    }
    assert_eq!(writers(&bed), "1");
    let reports: Vec<_> = (0..20).map(|n| json!({"of": n})).collect();
    let ends = leases.iter().zip(&reports).map(|(lease, report)| {
        let ended = EndedJob { report: Some(report), ..success(lease) };
        let (bed, cached) = (&bed, CachedRows { versions: lease.job_id.clone(), changes: Vec::new() });
        async move { bed.storage.finish_run(lease, &ended, false, false, &[], Some(&cached)).await.unwrap() }
    });
    join_all(ends).await;
    assert_eq!(writers(&bed), "1");
    for (lease, report) in leases.iter().zip(&reports) {
        let outcome = bed.storage.outcome(&lease.job_id, &lease.account).await.unwrap().expect("an outcome");
        assert_eq!((outcome.status.as_str(), outcome.report.as_ref()), ("success", Some(report)));
    }
    let told = "SELECT count(*) FROM tradingdb.account_sync_state
                WHERE cached_rows = last_sync_id AND cached_sequence = fence AND lease_job IS NULL
                  AND last_sync_id = 'job of ' || pseudo_account";
    assert_eq!(bed.sql(told), "20");
}

#[tokio::test]
async fn each_job_of_those_that_ask_together_has_its_own_answer() {
    let bed = Bed::migrated().await;
    let accounts = accounts(6);
    for account in &accounts[..5] {
        synced(&bed, account).await;
    }
    bed.lease(&accounts[1], "another").await;
    let crashed = "INSERT INTO tradingdb.job_crashes (job_id, organization_id, pseudo_account, fence)
                   SELECT 'job-3', 'default', 'account-3', n FROM generate_series(-9, 0) AS n";
    bed.sql(crashed);
    let mut asking: Vec<(Account, String)> =
        accounts.iter().enumerate().map(|(n, account)| (account.clone(), format!("job-{n}"))).collect();
    asking[2].1 = "first of account-2".to_owned();
    // Two jobs of one account.
    asking.push((accounts[0].clone(), "job-0 once more".to_owned()));
    let answers = leased(&bed, &asking).await;
    let both = [&answers[0], &answers[6]];
    assert_eq!(both.iter().filter(|answer| matches!(answer, LeaseAnswer::Taken(_))).count(), 1, "{both:?}");
    assert_eq!(
        both.iter().filter(|answer| matches!(answer, LeaseAnswer::Held { .. })).count(),
        1,
        "{both:?}"
    );
    assert!(matches!(answers[1], LeaseAnswer::Held { .. }), "{:?}", answers[1]);
    assert!(matches!(answers[2], LeaseAnswer::Done), "{:?}", answers[2]);
    assert!(matches!(answers[3], LeaseAnswer::Crashed { crashes: 10 }), "{:?}", answers[3]);
    assert!(matches!(answers[4], LeaseAnswer::Taken(_)), "{:?}", answers[4]);
    assert!(
        matches!(answers[5], LeaseAnswer::Taken(_)),
        "an account that was never synced: {:?}",
        answers[5]
    );
}

#[tokio::test]
async fn what_postgresql_refuses_of_one_job_is_no_other_jobs_failure() {
    let bed = Bed::migrated().await;
    let accounts = accounts(3);
    for account in &accounts {
        synced(&bed, account).await;
    }
    let asked = accounts.iter().enumerate().map(|(n, account)| {
        let bed = &bed;
        // There is no NUL in a text of PostgreSQL.
        let job = if n == 1 { "\0".to_owned() } else { format!("job-{n}") };
        async move {
            let request = LeaseRequest { redelivered: false, ..request(account, &job) };
            bed.storage.lease_account(&request).await
        }
    });
    let answers = join_all(asked).await;
    assert!(matches!(answers[0], Ok(LeaseAnswer::Taken(_))), "{:?}", answers[0]);
    assert!(matches!(answers[1], Err(StorageError::Rejected(_))), "{:?}", answers[1]);
    assert!(matches!(answers[2], Ok(LeaseAnswer::Taken(_))), "{:?}", answers[2]);

    let leases: Vec<Lease> = [answers[0].as_ref(), answers[2].as_ref()]
        .into_iter()
        .map(|answer| match answer {
            Ok(LeaseAnswer::Taken(lease)) => lease.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let reports = [json!({}), json!({"text": "\0"})];
    let ends = leases.iter().zip(&reports).map(|(lease, report)| {
        let (bed, ended) = (&bed, EndedJob { report: Some(report), ..success(lease) });
        async move { bed.storage.finish_run(lease, &ended, false, false, &[], None).await }
    });
    let ended = join_all(ends).await;
    assert!(ended[0].is_ok(), "{:?}", ended[0]);
    assert!(matches!(ended[1], Err(StorageError::Rejected(_))), "{:?}", ended[1]);
    assert!(bed.storage.outcome("job-0", &accounts[0]).await.unwrap().is_some());
    assert!(bed.storage.outcome("job-2", &accounts[2]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_that_lost_its_account_ends_with_others_and_changes_nothing() {
    let bed = Bed::migrated().await;
    let accounts = accounts(2);
    for account in &accounts {
        let order = storage::ImportedOrder { columns: columns(json!({})), ..imported(account, "1") };
        bed.storage.import_orders(&[order]).await.unwrap();
    }
    let asking = jobs_of(&accounts);
    for account in &accounts {
        synced(&bed, account).await;
    }
    let leases = taken(leased(&bed, &asking).await);
    bed.lease_for(&accounts[1], "job of account-1", HOUR).await;
    let changes = |n: usize| leases[n].state.as_ref().expect("a state").changes.clone();
    assert_eq!((changes(0).len(), changes(1).len()), (1, 1));
    let ends = leases.iter().enumerate().map(|(n, lease)| {
        let (bed, cached) = (&bed, CachedRows { versions: String::new(), changes: changes(n) });
        async move { bed.storage.finish_run(lease, &success(lease), false, false, &[], Some(&cached)).await }
    });
    let ended = join_all(ends).await;
    assert!(ended[0].is_ok(), "{:?}", ended[0]);
    assert!(matches!(ended[1], Err(StorageError::LeaseLost)), "{:?}", ended[1]);
    assert_eq!(bed.sql("SELECT string_agg(pseudo_account, ' ') FROM tradingdb.order_changes"), "account-1");
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.sync_outcomes WHERE sync_id LIKE 'job of %'"), "1");
}

#[tokio::test]
async fn a_run_whose_row_somebody_else_is_looking_at_ends_when_he_is_done() {
    let bed = Bed::migrated().await;
    synced(&bed, &raghu()).await;
    let lease = bed.lease(&raghu(), "job-1").await;
    let looking = "BEGIN; SELECT FROM tradingdb.account_sync_state FOR UPDATE; SELECT pg_sleep(1); COMMIT";
    let database = bed.database.url();
    let held = std::thread::spawn(move || testbed::psql(&database, &["-c", looking]).unwrap());
    testbed::wait_until("the lock", Duration::from_secs(20), || {
        bed.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; SELECT FROM %' AND wait_event = 'PgSleep'")
            == "1"
    });
    bed.storage.finish_run(&lease, &success(&lease), false, false, &[], None).await.unwrap();
    held.join().unwrap();
    assert!(bed.storage.outcome("job-1", &raghu()).await.unwrap().is_some());
}
