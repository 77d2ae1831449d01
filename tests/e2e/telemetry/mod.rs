//! What the fleet tells of itself: metrics, alert rules, a dashboard, and log lines for machines.

mod dashboard;
mod fleet;
mod logs;
mod prometheus;
mod rules;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::World;
use testbed::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

/// A file of the repository.
fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics of the README's table, with their labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let readme = repository("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let metrics = rows.filter(|(metric, _)| metric.starts_with("syncfleet_")).map(|(metric, _)| {
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let labels = labels.trim_end_matches('}').split(',').map(|label| label.trim().to_owned());
        (name.to_owned(), labels.filter(|label| !label.is_empty()).collect())
    });
    let metrics: BTreeMap<String, BTreeSet<String>> = metrics.collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    metrics
}

/// The metrics that a text names and the README does not. A histogram is told under three names.
fn unknown_in(text: &str) -> BTreeSet<String> {
    let documented = documented();
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let named: Vec<&str> = words.filter(|word| word.starts_with("syncfleet_")).collect();
    assert!(!named.is_empty());
    let family = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        documented.contains_key(name) || parts.is_some_and(|family| documented.contains_key(family))
    };
    named.into_iter().filter(|name| !family(name)).map(str::to_owned).collect()
}

/// The value of a series as it is told.
fn value(told: &str, series: &str) -> Option<f64> {
    told.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Keeps an account from being synced, as another run that holds it would; its jobs are put off.
fn hold(world: &World, account: &str) {
    wait_until(&format!("{account} is held"), PATIENCE, || {
        let held = world.sql(&format!(
            "WITH held AS (
                 UPDATE tradingdb.account_sync_state
                 SET lease_job = 'held', lease_worker = 'a test', lease_expires_at = now() + interval '1 hour'
                 WHERE pseudo_account = '{account}' AND lease_job IS NULL RETURNING 1
             ) SELECT count(*) FROM held"
        ));
        held == "1"
    });
}

/// Ends [`hold`].
fn release(world: &World, account: &str) {
    world.sql(&format!(
        "UPDATE tradingdb.account_sync_state SET lease_job = NULL, lease_worker = NULL, lease_expires_at = NULL
         WHERE pseudo_account = '{account}' AND lease_job = 'held'"
    ));
}
