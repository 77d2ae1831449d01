//! The view in Prometheus's text format.

use std::fmt::Write as _;
use std::time::Duration;

use super::view::{BUCKETS, View};

/// Lines for `/metrics`; without a view only the interval, which is a setting.
pub(super) fn lines(interval: Duration, view: Option<&View>) -> String {
    let interval = interval.as_secs_f64();
    let mut text = String::new();
    gauge(
        &mut text,
        "syncfleet_sync_interval_seconds",
        "Seconds between ticks: what an account's staleness is to be measured by",
        [(String::new(), interval)],
    );
    let Some(view) = view else { return text };
    // Far from 2^53.
    let count = |accounts: usize| accounts as f64;
    gauge(
        &mut text,
        "syncfleet_accounts",
        "Accounts in the order data and those with a brokerage, by state (active, paused)",
        [
            (labels(&[("state", "active")]), count(view.active)),
            (labels(&[("state", "paused")]), count(view.paused)),
        ],
    );
    let in_time = if view.active == 0 { 1.0 } else { count(view.in_time) / count(view.active) };
    gauge(
        &mut text,
        "syncfleet_service_level_ratio",
        "Share of active accounts that are in time: their last success or partial success, or else the instant they were first \
         due or resumed, is no longer ago than an interval and a fifth",
        [(String::new(), in_time)],
    );
    staleness(&mut text, interval, view);
    gauge(
        &mut text,
        "syncfleet_worst_account_staleness_seconds",
        "The ten stalest active accounts among those that are not in time",
        view.worst.iter().map(|(account, seconds)| {
            let names = [
                ("organization_id", account.organization_id.as_str()),
                ("account", account.pseudo_account.as_str()),
            ];
            (labels(&names), *seconds)
        }),
    );
    gauge(
        &mut text,
        "syncfleet_queue_age_seconds",
        "Age of the oldest job of a tick that is due and not done, retries included, as far as PostgreSQL knows; 0 if there is none",
        [(labels(&[("queue", "periodic")]), view.queue_age)],
    );
    gauge(
        &mut text,
        "syncfleet_last_tick_age_seconds",
        "Seconds since the latest tick was due that is published whole",
        view.last_tick_age.map(|age| (String::new(), age)),
    );
    gauge(
        &mut text,
        "syncfleet_recent_job_p95_seconds",
        "Seconds within which 95 of 100 of the last 2000 jobs ran",
        view.run_seconds.map(|seconds| (String::new(), seconds)),
    );
    gauge(
        &mut text,
        "syncfleet_wanted_slots",
        "Slots that sync every active account once an interval: accounts × p95 of job seconds (1 before any has run) ÷ interval",
        [(String::new(), view.wanted_slots)],
    );
    text
}

/// A histogram of how it is now: without `rate()`.
fn staleness(text: &mut String, interval: f64, view: &View) {
    const NAME: &str = "syncfleet_account_staleness_seconds";
    let help = "Active accounts by seconds since their last success or partial success, now; buckets are multiples of the interval";
    let _ = writeln!(text, "# HELP {NAME} {help}\n# TYPE {NAME} histogram");
    for (up_to, accounts) in BUCKETS.iter().zip(view.up_to) {
        // To the millisecond: `le` is a name, and 1.2 × 300 is a little less than 360.
        let end = (up_to * interval * 1000.0).round() / 1000.0;
        let _ = writeln!(text, "{NAME}_bucket{{le=\"{end}\"}} {accounts}");
    }
    let active = view.active;
    let _ = writeln!(
        text,
        "{NAME}_bucket{{le=\"+Inf\"}} {active}\n{NAME}_sum {}\n{NAME}_count {active}",
        view.sum
    );
}

/// A gauge with its values by labels; nothing at all of one that has none.
fn gauge(text: &mut String, name: &str, help: &str, values: impl IntoIterator<Item = (String, f64)>) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// Names are anybody's: they may hold quotes and line ends.
fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use ledger::Account;

    use super::*;

    fn told(view: &View) -> Vec<String> {
        lines(Duration::from_secs(300), Some(view)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_account_with_any_name_is_one_line() {
        let name = "a\"b\\c\nd".to_owned();
        let view = View { worst: vec![(Account::new("org", name), 700.5)], ..View::default() };
        let line =
            r#"syncfleet_worst_account_staleness_seconds{organization_id="org",account="a\"b\\c\nd"} 700.5"#;
        assert!(told(&view).iter().any(|told| told == line), "{:?}", told(&view));
    }

    #[test]
    fn the_histogram_has_buckets_by_the_interval_and_adds_up() {
        let mut up_to = [2; BUCKETS.len()];
        up_to[0] = 1;
        let view = View { active: 3, up_to, sum: 1234.5, ..View::default() };
        let told = told(&view);
        for line in [
            r#"syncfleet_account_staleness_seconds_bucket{le="75"} 1"#,
            r#"syncfleet_account_staleness_seconds_bucket{le="360"} 2"#,
            r#"syncfleet_account_staleness_seconds_bucket{le="+Inf"} 3"#,
            "syncfleet_account_staleness_seconds_sum 1234.5",
            "syncfleet_account_staleness_seconds_count 3",
        ] {
            assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
        }
    }

    #[test]
    fn what_nobody_knows_is_not_told() {
        let empty = told(&View::default()).join("\n");
        assert!(!empty.contains("worst_account") && !empty.contains("last_tick_age"), "{empty}");
        assert!(empty.contains("syncfleet_service_level_ratio 1"), "no account is late: {empty}");
        let unseen = lines(Duration::from_secs(300), None);
        assert_eq!(unseen.lines().last(), Some("syncfleet_sync_interval_seconds 300"));
        assert_eq!(unseen.lines().count(), 3);
    }
}
