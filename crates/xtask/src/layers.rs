//! The direction of dependencies between our crates.
//!
//! What a crate may know decides what a reader must know to change it. Siblings never import each other, `queue`
//! knows no domain, and each outside system is named in one crate only. `cargo` forbids cycles; the rest is
//! checked here, by `cargo xtask lint` and by a test.

use serde_json::Value;

/// Our crates, from the leaves up, with those of ours that each may use. A new crate must be entered here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    ("celery", &[]),
    ("coalesce", &[]),
    ("tls", &[]),
    ("queue", &["celery", "tls"]),
    ("storage", &["coalesce", "ledger", "tls"]),
    ("cache", &["coalesce", "ledger", "celery", "tls"]),
    ("brokerage", &["ledger"]),
    ("pipeline", &["storage", "cache", "brokerage", "queue", "ledger", "celery", "tls"]),
    ("service", &["tls"]),
    ("beat", WIRING),
    ("worker", WIRING),
    ("cli", WIRING),
    ("testbed", &[]),
    ("xtask", &["testbed"]),
    (
        "e2e",
        &["testbed", "service", "pipeline", "storage", "cache", "brokerage", "queue", "ledger", "celery"],
    ),
];

/// The binaries wire everything together.
const WIRING: &[&str] =
    &["service", "pipeline", "storage", "cache", "brokerage", "queue", "ledger", "celery", "tls"];

/// Examples that people copy: they know nothing of ours, and nothing of this workspace, so that the copy builds.
const EXAMPLES: &[&str] = &["consumer"];

/// What tests of any crate may use besides.
const IN_TESTS: &[&str] = &["testbed"];

/// Crates of others that only one of ours may name, in its tests as well.
const ONLY: &[(&str, &str)] = &[
    ("lapin", "queue"),
    ("backoff", "queue"),
    ("sqlx", "storage"),
    ("redis", "cache"),
    ("deadpool-redis", "cache"),
    ("opentelemetry_sdk", "service"),
    ("opentelemetry-otlp", "service"),
];

/// Everything in `cargo metadata --no-deps` that goes against the rules, one line each.
pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        let manifest = text(&package["manifest_path"]);
        if EXAMPLES.contains(&name) {
            violations.extend(example_violation(name, manifest));
            continue;
        }
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            violations.push(format!("{name} is new: enter it in crates/xtask/src/layers.rs"));
            continue;
        };
        violations
            .extend(list(&package["dependencies"]).iter().filter_map(|edge| violation(name, may_use, edge)));
        if !std::fs::read_to_string(manifest).is_ok_and(|manifest| inherits_lints(&manifest)) {
            violations.push(format!("{name} does not set [lints] workspace = true"));
        }
    }
    violations
}

fn violation(name: &str, may_use: &[&str], edge: &Value) -> Option<String> {
    let used = text(&edge["name"]);
    // Only our own crates are named by a path; others may bear the same name.
    if edge["path"].is_string() {
        let in_tests = edge["kind"] == "dev" && IN_TESTS.contains(&used);
        return (!may_use.contains(&used) && !in_tests).then(|| format!("{name} must not use {used}"));
    }
    let (_, owner) = ONLY.iter().find(|(only, _)| *only == used)?;
    (*owner != name).then(|| format!("{name} must not use {used}: only {owner} does"))
}

/// An example stands alone: it names no path, and takes nothing over from the workspace.
fn example_violation(name: &str, manifest: &str) -> Option<String> {
    let text = std::fs::read_to_string(manifest).unwrap_or_default().replace(' ', "");
    let stands_alone = text.contains("[package]")
        && !["path=\"../", "workspace=true"].iter().any(|borrowed| text.contains(borrowed));
    (!stands_alone).then(|| format!("{name} is an example, and would not build where it is copied to"))
}

/// Whether a manifest has `workspace = true` in its `[lints]`; `cargo metadata` does not tell.
fn inherits_lints(manifest: &str) -> bool {
    let lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.take_while(|line| !line.starts_with('[')).any(|line| line.replace(' ', "") == "workspace=true")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workspace;

    #[test]
    fn the_workspace_keeps_the_direction() {
        assert_eq!(check(&workspace::metadata().unwrap()), [""; 0]);
    }

    #[test]
    fn every_crate_is_checked() {
        let metadata = workspace::metadata().unwrap();
        assert_eq!(list(&metadata["packages"]).len(), MAY_USE.len() + EXAMPLES.len());
    }

    fn with_edge(name: &str, edge: &Value) -> Vec<String> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        check(&json!({ "packages": [{ "name": name, "manifest_path": manifest, "dependencies": [edge] }] }))
    }

    #[test]
    fn a_sibling_is_not_used() {
        let edge = json!({ "name": "storage", "path": "/x", "kind": null });
        assert_eq!(with_edge("cache", &edge), ["cache must not use storage"]);
        assert!(with_edge("pipeline", &edge).is_empty());
    }

    #[test]
    fn the_testbed_is_for_tests_only() {
        assert!(with_edge("storage", &json!({ "name": "testbed", "path": "/x", "kind": "dev" })).is_empty());
        let edge = json!({ "name": "testbed", "path": "/x", "kind": null });
        assert_eq!(with_edge("storage", &edge), ["storage must not use testbed"]);
        let edge = json!({ "name": "pipeline", "path": "/x", "kind": "dev" });
        assert_eq!(with_edge("storage", &edge), ["storage must not use pipeline"]);
    }

    #[test]
    fn an_outside_system_has_one_owner() {
        let edge = json!({ "name": "sqlx", "kind": "dev" });
        assert_eq!(with_edge("worker", &edge), ["worker must not use sqlx: only storage does"]);
        assert!(with_edge("storage", &edge).is_empty());
    }

    #[test]
    fn a_crate_without_the_workspace_lints_is_found() {
        assert!(inherits_lints("[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\n"));
        assert!(!inherits_lints("[lints]\n[dependencies]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nname = \"a\"\n"));
    }

    #[test]
    fn an_example_stands_alone() {
        let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        assert_eq!(
            example_violation("consumer", &format!("{manifests}/deploy/consumers/rust/Cargo.toml")),
            None
        );
        assert!(example_violation("consumer", &format!("{manifests}/crates/queue/Cargo.toml")).is_some());
        assert!(example_violation("consumer", "/nowhere/Cargo.toml").is_some());
    }

    #[test]
    fn a_new_crate_must_be_entered() {
        assert_eq!(
            check(&json!({ "packages": [{ "name": "extra" }] })),
            ["extra is new: enter it in crates/xtask/src/layers.rs"]
        );
    }
}
