//! The names of what is counted, and what each means.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use storage::Storage;
use tracing::debug;

use crate::chain;

/// Says what each metric means, for whoever reads `/metrics`. Once a process.
pub fn describe_metrics() {
    describe_counter!(
        "syncfleet_brokerage_requests_total",
        "Lists asked of brokerages, by brokerage and outcome (ok, auth, rate_limited, transient, rejected, malformed)"
    );
    describe_counter!(
        "syncfleet_external_checks_total",
        "Looks at brokerages, by brokerage and outcome (completed, login_needed, breaker_open, rate_limited, failed)"
    );
    describe_counter!(
        "syncfleet_rate_limit_waits_total",
        "Jobs sent away before they began, because a brokerage's rate limits had no room"
    );
    describe_counter!(
        "syncfleet_broker_differences_total",
        "Instruments whose generated quantity is not the brokerage's, counted at each comparison"
    );
    describe_counter!("syncfleet_ticks_total", "Ticks published whole");
    describe_histogram!(
        "syncfleet_tick_lateness_seconds",
        Unit::Seconds,
        "From the instant a tick was due to the confirm of its last job"
    );
    describe_counter!(
        "syncfleet_missed_ticks_total",
        "Ticks between two published ones that no beat has published or will publish"
    );
    describe_counter!(
        "syncfleet_accounts_published_total",
        "Jobs published for single accounts by ticks and by jobs for all accounts, those of a repeated page again"
    );
    describe_gauge!(
        "syncfleet_logins_needed",
        "Accounts whose brokerage refuses the login until its secret changes, by brokerage"
    );
}

/// Sets the gauges that PostgreSQL knows, the same in every process. Without it they keep their values.
pub async fn refresh_metrics(storage: &Storage) {
    match storage.logins_needed().await {
        Ok(kinds) => {
            for (kind, accounts) in kinds {
                // Far from 2^53.
                gauge!("syncfleet_logins_needed", "brokerage" => kind).set(accounts as f64);
            }
        }
        Err(error) => debug!("logins that are needed were not counted: {}", chain(&error)),
    }
}
