//! The names of what is counted, and what each means.

use std::time::Duration;

use brokerage::Kind;
use cache::Cache;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use storage::Storage;
use tokio::time::Instant;
use tracing::debug;

use crate::chain;

/// The steps whose time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Detection,
    Generation,
    Snapshot,
    Notification,
}

impl Step {
    const ALL: [Self; 4] = [Self::Detection, Self::Generation, Self::Snapshot, Self::Notification];

    const fn name(self) -> &'static str {
        match self {
            Self::Detection => "detection",
            Self::Generation => "generation",
            Self::Snapshot => "snapshot",
            Self::Notification => "notification",
        }
    }
}

/// Says what each metric means, for whoever reads `/metrics`. Once a process, before anything is connected.
pub fn describe_metrics() {
    describe_histogram!(
        "syncfleet_step_seconds",
        Unit::Seconds,
        "How long steps of syncs took, by step (detection, generation, snapshot, notification) and outcome (done, failed); not those \
         that were skipped"
    );
    describe_histogram!(
        "syncfleet_brokerage_request_seconds",
        Unit::Seconds,
        "From asking a brokerage for a list to its answer or failure, waiting for a turn and tries included, by brokerage"
    );
    describe_gauge!(
        "syncfleet_pool_connections",
        "Connections of this program, by server (postgresql, redis) and state (in_use, idle); a Redis Cluster has no pool"
    );
    describe_gauge!(
        "syncfleet_pool_connections_max",
        "Most connections that this program opens, by server (postgresql, redis)"
    );
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

/// Begins a worker's metrics at nothing: of a counter that appears with its first event nobody sees that event.
pub fn begin_worker_metrics() {
    for step in Step::ALL {
        drop(histogram!("syncfleet_step_seconds", "step" => step.name(), "outcome" => "done"));
    }
    for kind in Kind::ALL.map(Kind::as_str) {
        for outcome in ["ok", "auth", "rate_limited", "transient", "rejected", "malformed"] {
            counter!("syncfleet_brokerage_requests_total", "brokerage" => kind, "outcome" => outcome)
                .increment(0);
        }
        for outcome in ["completed", "login_needed", "breaker_open", "rate_limited", "failed"] {
            counter!("syncfleet_external_checks_total", "brokerage" => kind, "outcome" => outcome)
                .increment(0);
        }
        drop(histogram!("syncfleet_brokerage_request_seconds", "brokerage" => kind));
        counter!("syncfleet_rate_limit_waits_total", "brokerage" => kind).increment(0);
    }
    counter!("syncfleet_broker_differences_total").increment(0);
    counter!("syncfleet_accounts_published_total").increment(0);
}

/// Counts a step that began then and has ended.
pub(crate) fn count_step(step: Step, begun: Instant, is_done: bool) {
    let outcome = if is_done { "done" } else { "failed" };
    histogram!("syncfleet_step_seconds", "step" => step.name(), "outcome" => outcome)
        .record(begun.elapsed().as_secs_f64());
}

/// Counts a list that a brokerage was asked for.
pub(crate) fn count_request(brokerage: &'static str, outcome: &'static str, took: Duration) {
    counter!("syncfleet_brokerage_requests_total", "brokerage" => brokerage, "outcome" => outcome)
        .increment(1);
    histogram!("syncfleet_brokerage_request_seconds", "brokerage" => brokerage).record(took.as_secs_f64());
}

/// Sets the gauges that PostgreSQL knows, the same in every process, and those of this program's connections to it. Where it
/// does not answer they keep their values.
pub async fn refresh_metrics(storage: &Storage) {
    let pool = storage.pool_use();
    set_pool("postgresql", pool.in_use, pool.idle, pool.max);
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

/// Sets the gauges of connections to Redis.
pub fn refresh_cache_metrics(cache: &Cache) {
    if let Some(pool) = cache.pool_use() {
        set_pool("redis", pool.in_use, pool.idle, pool.max);
    }
}

fn set_pool(server: &'static str, in_use: usize, idle: usize, max: usize) {
    // Far from 2^53.
    for (state, connections) in [("in_use", in_use), ("idle", idle)] {
        gauge!("syncfleet_pool_connections", "server" => server, "state" => state).set(connections as f64);
    }
    gauge!("syncfleet_pool_connections_max", "server" => server).set(max as f64);
}
