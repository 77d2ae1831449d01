use std::collections::BTreeSet;

use e2e::{Python, World};
use serde_json::Value;

use super::{repository, unknown_in};

/// The dashboard.
pub(super) fn dashboard() -> Value {
    serde_json::from_str(&repository("deploy/grafana/syncfleet.json")).expect("JSON")
}

/// Every query of it: those of panels and of annotations.
pub(super) fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let annotations = dashboard["annotations"]["list"].as_array().into_iter().flatten();
    let queries =
        targets.chain(annotations).map(|target| target["expr"].as_str().expect("a query").to_owned());
    queries.collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let queries = queries(&dashboard());
    assert!(queries.len() > 40, "{}", queries.len());
    let unknown = unknown_in(&queries.join("\n"));
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_metric_of_the_readme_is_somewhere_on_the_dashboard() {
    let asked = queries(&dashboard()).join("\n");
    let missing: Vec<String> =
        super::documented().into_keys().filter(|metric| !asked.contains(metric.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn grafanas_published_types_read_the_dashboard_and_lose_nothing() {
    let Some(python) = Python::new() else { return };
    let world = World::empty();
    let file = world.file("dashboard.json", &repository("deploy/grafana/syncfleet.json"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/dashboard.py");
    let output = python.command(&world, "python", &[script, &file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lost: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn the_dashboard_can_be_provisioned_for_any_data_source() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "syncfleet");
    // A number of the database it was exported from would collide with another one's.
    assert!(dashboard["id"].is_null() && dashboard["__inputs"].is_null());
    let variable = &dashboard["templating"]["list"][0];
    assert_eq!((&variable["type"], &variable["name"]), (&"datasource".into(), &"datasource".into()));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids differ");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty());
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for square in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(square), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for part in targets.iter().chain([panel]) {
            assert_eq!(part["datasource"]["type"], "prometheus", "{title}");
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
        let references: BTreeSet<&str> =
            targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(references.len(), targets.len(), "{title}");
    }
}
