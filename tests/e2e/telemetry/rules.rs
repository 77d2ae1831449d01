use std::path::{Path, PathBuf};

use testbed::promtool;

use super::{repository, unknown_in};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus")
}

/// The names of all alerts.
fn alerts() -> Vec<String> {
    let rules = repository("deploy/prometheus/syncfleet.rules.yml");
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[track_caller]
fn check(arguments: &[&str]) {
    let mut checking = promtool(&folder(), arguments).expect("promtool");
    let output = checking.output().expect("promtool's answer");
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&words));
}

#[test]
fn promtool_accepts_the_rules_the_sample_and_the_rules_own_tests() {
    check(&["check", "rules", "--lint-fatal", "syncfleet.rules.yml"]);
    check(&["check", "config", "prometheus.yml"]);
    check(&["test", "rules", "syncfleet.rules.test.yml"]);
}

#[test]
fn rules_ask_for_metrics_that_there_are() {
    for file in ["deploy/prometheus/syncfleet.rules.yml", "deploy/prometheus/syncfleet.rules.test.yml"] {
        assert!(unknown_in(&repository(file)).is_empty(), "{file}: {:?}", unknown_in(&repository(file)));
    }
}

#[test]
fn each_alert_has_words_a_test_and_a_section_that_says_what_to_do() {
    let (rules, tests, readme) = (
        repository("deploy/prometheus/syncfleet.rules.yml"),
        repository("deploy/prometheus/syncfleet.rules.test.yml"),
        repository("deploy/README.md"),
    );
    let alerts = alerts();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in &alerts {
        let (_, rule) = rules.split_once(&format!("- alert: {alert}\n")).unwrap();
        let rule = rule.split("- alert: ").next().unwrap();
        for word in ["expr:", "severity:", "summary:", "description:"] {
            assert!(rule.contains(word), "{alert}: {word}");
        }
        let anchor = format!("runbook: \"deploy/README.md#{}\"", alert.to_lowercase());
        assert!(rule.contains(&anchor), "{alert}: {anchor}");
        assert!(readme.contains(&format!("\n### {alert}\n")), "deploy/README.md has no section {alert}");
        let cases = tests.matches(&format!("alertname: {alert}")).count();
        assert!(cases >= 2, "{alert} is tested where it fires and where it does not");
    }
}
