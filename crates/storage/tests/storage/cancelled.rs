use std::time::{Duration, Instant};

use ledger::Account;

use crate::support::{Bed, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_at_any_moment_leaves_no_transaction_behind() {
    let bed = Bed::migrated().await;
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    for moment in 0..120 {
        let storage = bed.storage.clone();
        let leasing = tokio::spawn(async move {
            let account = Account::new("org", format!("account-{moment}"));
            storage.lease_account(&request(&account, "job")).await.map(drop)
        });
        // Tokio's clock is too coarse for the moment in which `BEGIN` is on its way.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(moment * 20) {
            std::hint::spin_loop();
        }
        leasing.abort();
        testbed::wait_until("no open transaction", Duration::from_secs(5), || bed.sql(open) == "0");
    }
}
