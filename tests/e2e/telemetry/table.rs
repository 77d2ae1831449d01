use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use e2e::{World, fill, free_address, get, jsonl};
use testbed::{promtool, wait_until};

use super::{PATIENCE, documented, hold, release};

/// Metrics with all labels that any series of theirs has, but for the histograms' own.
fn metrics_of(told: &str) -> BTreeMap<String, BTreeSet<String>> {
    let kinds = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut metrics: BTreeMap<String, BTreeSet<String>> =
        kinds.map(|(name, _)| (name.to_owned(), BTreeSet::new())).collect();
    for line in told.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, labels) = match line.split_once('{') {
            Some((name, rest)) => (name, rest.rsplit_once('}').map_or("", |(labels, _)| labels)),
            None => (line.split(' ').next().unwrap_or(line), ""),
        };
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let family = if metrics.contains_key(name) { name } else { parts.unwrap_or(name) };
        let known = metrics.get_mut(family).unwrap_or_else(|| panic!("a series without a type: {line}"));
        // No value of these tests has a comma or a quote in it.
        let names = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        known.extend(names.filter(|name| name != "le"));
    }
    metrics
}

#[test]
fn every_metric_that_is_told_is_in_the_readme_and_every_one_there_is_told() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "5");
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Meena", 2, 75, "100")])).expect(0);
    let (beat_address, worker_address) = (free_address(), free_address());
    let _worker = world.worker(&[("METRICS_ADDR", &worker_address)]);
    let beat = world.beat(&[("METRICS_ADDR", &beat_address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    world.wait_for_count("SELECT count(DISTINCT pseudo_account) FROM tradingdb.sync_outcomes", 2);
    // Only an account that is late is named.
    hold(&world, "Raghu");
    wait_until("a late account", PATIENCE, || {
        get(&beat_address, "/metrics").contains("syncfleet_worst_account_staleness_seconds{")
    });
    let told = [&beat_address, &worker_address].map(|address| {
        let answer = get(address, "/metrics");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    });
    release(&world, "Raghu");

    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels) in told.iter().flat_map(|told| metrics_of(told)) {
        assert!(name.starts_with("syncfleet_"), "{name}");
        metrics.entry(name).or_default().extend(labels);
    }
    assert_eq!(metrics, documented(), "told, and what README.md says");

    for told in &told {
        let mut check = promtool(Path::new("."), &["check", "metrics"]).unwrap();
        let check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = check.spawn().unwrap();
        running.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
        let checked = running.wait_with_output().unwrap();
        let words = [checked.stdout, checked.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        assert!(checked.status.success() && words.trim().is_empty(), "{words}");
    }
}

#[test]
fn nothing_is_kept_and_nobody_listens_without_an_address() {
    let world = World::new();
    let worker = world.worker(&[("METRICS_ADDR", "")]);
    assert!(!worker.output().contains("metrics:"), "{}", worker.output());
    let listening = std::fs::read_to_string(format!("/proc/{}/net/tcp", worker.id())).unwrap();
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{}/fd", worker.id()))
        .unwrap()
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    // State 0A is LISTEN; the tenth column is the socket's number.
    let listens = listening.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours: Vec<_> = listens
        .filter(|columns| columns[3] == "0A" && sockets.contains(&format!("socket:[{}]", columns[9])))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
}
