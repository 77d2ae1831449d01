use e2e::Deployment;
use serde_json::Value;

use super::{GIVE_BACK_SECONDS, seconds, variables};

/// The services that run our image, with the program of each.
fn ours(compose: &Value) -> Vec<(&str, &Value, String)> {
    let services = compose["services"].as_object().unwrap();
    let ours = services.iter().filter(|(_, service)| service["image"] == "syncfleet:local");
    ours.map(|(name, service)| {
        let words =
            if service["entrypoint"].is_array() { &service["entrypoint"] } else { &service["command"] };
        (name.as_str(), service, words[0].as_str().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn the_compose_file_is_what_its_programs_its_schema_and_ours_take_it_for() {
    let Some(deployment) = Deployment::checked() else { return };
    let wrong: Vec<_> = deployment.problems.iter().filter(|line| line.contains("compose")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let compose = &deployment.compose;
    let ours = ours(compose);
    assert_eq!(ours.len(), 4, "migrate, beat, worker, cli");
    for (name, service, program) in &ours {
        let known = variables(program);
        for variable in service["environment"].as_object().unwrap().keys() {
            let known_elsewhere =
                variables("syncfleet-worker").contains(variable) || variables("syncfleet").contains(variable);
            assert!(known.contains(variable) || known_elsewhere, "{name}: nobody knows {variable}");
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile", "{name}");
    }
}

#[test]
fn a_worker_in_a_container_has_time_to_drain_and_is_asked_how_it_is() {
    let Some(deployment) = Deployment::read() else { return };
    let services = &deployment.compose["services"];
    let worker = &services["worker"];
    let grace: u64 = worker["environment"]["SHUTDOWN_GRACE_SECONDS"].as_str().unwrap().parse().unwrap();
    let patience = seconds(worker["stop_grace_period"].as_str().unwrap());
    assert!(patience >= grace + GIVE_BACK_SECONDS, "{patience} s for a grace of {grace} s");
    for name in ["worker", "beat"] {
        let check = &services[name]["healthcheck"];
        assert_eq!(check["test"], serde_json::json!(["CMD", "syncfleet-worker", "--probe", "ready"]));
        // It answers when its servers do, for which it waits five minutes.
        assert!(seconds(check["start_period"].as_str().unwrap()) > 300, "{name}");
        assert_eq!(services[name]["expose"], serde_json::json!(["9464"]));
    }
}

#[test]
fn what_the_compose_file_mounts_and_refers_to_is_there() {
    let Some(deployment) = Deployment::read() else { return };
    for (name, service) in deployment.compose["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            if volume["type"] == "bind" {
                let source = volume["source"].as_str().unwrap();
                assert!(std::path::Path::new(source).exists(), "{name} mounts {source}");
                assert_eq!(volume["read_only"], true, "{name} may write to {source}");
            }
        }
        for other in service["depends_on"].as_object().into_iter().flat_map(|others| others.iter()) {
            let depended = &deployment.compose["services"][other.0];
            assert!(depended.is_object(), "{name} depends on {}", other.0);
            if other.1["condition"] == "service_healthy" {
                assert!(depended["healthcheck"].is_object(), "{name} waits for the health of {}", other.0);
            }
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} is published to everybody");
        }
    }
    let command = deployment.compose["services"]["prometheus"]["command"][0].as_str().unwrap();
    let config = command.strip_prefix("--config.file=/etc/prometheus/").unwrap();
    let config = Deployment::text(&format!("deploy/prometheus/{config}"));
    for service in ["beat", "worker"] {
        assert!(config.contains(&format!("names: [{service}]")), "{service} is not scraped");
    }
}
