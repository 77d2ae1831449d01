use std::collections::BTreeSet;

use e2e::Deployment;
use serde_json::{Value, json};

use super::{GIVE_BACK_SECONDS, variables};

fn all<'a>(things: &'a [Value], kind: &str) -> Vec<&'a Value> {
    things.iter().filter(|thing| thing["kind"] == kind).collect()
}

#[track_caller]
fn one<'a>(things: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = all(things, kind).into_iter().find(|thing| thing["metadata"]["name"].as_str() == Some(name));
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The pods that a thing makes.
fn pod(thing: &Value) -> Option<&Value> {
    let spec = &thing["spec"]["template"]["spec"];
    spec["containers"].is_array().then_some(spec)
}

fn container(thing: &Value) -> &Value {
    &thing["spec"]["template"]["spec"]["containers"][0]
}

/// The settings that all programs share.
fn settings(things: &[Value]) -> &Value {
    let maps = all(things, "ConfigMap");
    let map = maps.into_iter().find(|map| map["data"]["METRICS_ADDR"].is_string());
    &map.expect("the settings")["data"]
}

#[test]
fn every_manifest_is_what_its_schema_says() {
    let Some(deployment) = Deployment::checked() else { return };
    assert!(deployment.problems.is_empty(), "{:#?}", deployment.problems);
    let sets: Vec<_> = deployment.manifests().map(|(place, things)| (place, things.len())).collect();
    assert!(sets.len() >= 7 && sets.iter().all(|(_, count)| *count >= 8), "{sets:?}");
}

#[test]
fn every_program_and_every_variable_of_the_manifests_is_ours() {
    let Some(deployment) = Deployment::read() else { return };
    let programs = ["syncfleet", "syncfleet-beat", "syncfleet-worker"].map(|name| (name, variables(name)));
    let known: BTreeSet<_> = programs.iter().flat_map(|(_, known)| known).collect();
    for (place, things) in deployment.manifests() {
        for name in settings(things).as_object().unwrap().keys() {
            assert!(known.contains(name), "{place}: nobody knows {name}");
        }
        for thing in things.iter().filter(|thing| pod(thing).is_some()) {
            let container = container(thing);
            if !container["image"].as_str().unwrap().contains("syncfleet") {
                continue;
            }
            let program = container["command"][0].as_str().unwrap();
            let (_, known) = programs.iter().find(|(name, _)| *name == program).expect("a program of ours");
            for variable in container["env"].as_array().into_iter().flatten() {
                let name = variable["name"].as_str().unwrap();
                assert!(
                    known.contains(name) || name == "POD_NAME",
                    "{place}: {program} does not know {name}"
                );
            }
        }
    }
    let servers = Deployment::text("deploy/kubernetes/overlays/example/servers.env");
    for line in servers.lines() {
        assert!(known.contains(&line.split_once('=').unwrap().0.to_owned()), "{line}");
    }
}

#[test]
fn a_worker_is_never_taken_away_in_the_middle_of_its_jobs() {
    let Some(deployment) = Deployment::read() else { return };
    for (place, things) in deployment.manifests() {
        let grace: u64 = settings(things)["SHUTDOWN_GRACE_SECONDS"].as_str().unwrap().parse().unwrap();
        let worker = one(things, "Deployment", "syncfleet-worker");
        let patience = pod(worker).unwrap()["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(patience >= grace + GIVE_BACK_SECONDS, "{place}: {patience} s for a grace of {grace} s");
        for name in ["syncfleet-worker", "syncfleet-beat"] {
            let deployed = one(things, "Deployment", name);
            let rolling = json!({"maxUnavailable": 0, "maxSurge": 1});
            assert_eq!(deployed["spec"]["strategy"]["rollingUpdate"], rolling, "{place}: {name}");
            let budget = one(things, "PodDisruptionBudget", name);
            assert_eq!(budget["spec"]["maxUnavailable"], 1);
            let labels = &deployed["spec"]["template"]["metadata"]["labels"];
            for (label, value) in budget["spec"]["selector"]["matchLabels"].as_object().unwrap() {
                assert_eq!(&labels[label], value, "{place}: the budget of {name}");
            }
        }
    }
    let things = deployment.manifest("base");
    let name = container(one(things, "Deployment", "syncfleet-worker"))["env"].as_array().unwrap();
    let name = name.iter().find(|variable| variable["name"] == "WORKER_NAME").unwrap();
    assert_eq!(name["value"], "syncfleet@$(POD_NAME)", "a name of its own");
}

#[test]
fn probes_ask_where_the_programs_answer_and_as_long_as_they_wait_for_their_servers() {
    let Some(deployment) = Deployment::read() else { return };
    let things = deployment.manifest("base");
    let address = settings(things)["METRICS_ADDR"].as_str().unwrap();
    let port: u64 = address.strip_prefix("0.0.0.0:").unwrap().parse().unwrap();
    for name in ["syncfleet-worker", "syncfleet-beat"] {
        let deployed = one(things, "Deployment", name);
        let container = container(deployed);
        assert_eq!(container["ports"], json!([{"name": "metrics", "containerPort": port}]));
        let annotations = &deployed["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], port.to_string());
        for (probe, path) in [("startup", "live"), ("liveness", "live"), ("readiness", "ready")] {
            let asked = &container[format!("{probe}Probe")]["httpGet"];
            assert_eq!(*asked, json!({"path": format!("/health/{path}"), "port": "metrics"}), "{name}");
        }
        let startup = &container["startupProbe"];
        let patience =
            startup["periodSeconds"].as_u64().unwrap() * startup["failureThreshold"].as_u64().unwrap();
        assert!(patience > 300, "{name}: GIVE_UP_SECONDS is 300, and it is ended after {patience} s");
    }
    let policy = one(things, "NetworkPolicy", "syncfleet");
    assert_eq!(policy["spec"]["ingress"][0]["ports"], json!([{"port": "metrics"}]));
}

#[test]
fn no_pod_may_more_than_it_must() {
    let Some(deployment) = Deployment::read() else { return };
    for (place, things) in deployment.manifests() {
        for thing in things.iter().filter(|thing| pod(thing).is_some()) {
            let (pod, name) = (pod(thing).unwrap(), &thing["metadata"]["name"]);
            assert_eq!(pod["automountServiceAccountToken"], false, "{place}: {name}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{place}: {name}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{place}: {name}");
            for container in pod["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{place}: {name}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{place}: {name}");
                assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{place}: {name}");
                for bound in ["requests", "limits"] {
                    assert!(container["resources"][bound]["memory"].is_string(), "{place}: {name}");
                }
            }
        }
    }
}

#[test]
fn workers_are_scaled_by_the_slots_that_are_wanted_and_taken_away_slowly() {
    let Some(deployment) = Deployment::read() else { return };
    for place in ["components/keda", "overlays/example"] {
        let things = deployment.manifest(place);
        let scaled = &one(things, "ScaledObject", "syncfleet-worker")["spec"];
        let target = one(things, "Deployment", scaled["scaleTargetRef"]["name"].as_str().unwrap());
        assert!(target["spec"]["replicas"].is_null(), "else each apply sets it anew");
        let trigger = |kind: &str| {
            let triggers = scaled["triggers"].as_array().unwrap();
            triggers.iter().find(|trigger| trigger["type"] == kind).unwrap()
        };
        let wanted = trigger("prometheus");
        assert_eq!(wanted["metadata"]["query"], "max(syncfleet_wanted_slots)");
        assert_eq!(wanted["metadata"]["threshold"], settings(things)["WORKER_CONCURRENCY"]);
        let queue = trigger("rabbitmq");
        assert_eq!(queue["metadata"]["queueName"], "periodic");
        assert_eq!(queue["metadata"]["mode"], "QueueLength");
        let login = queue["authenticationRef"]["name"].as_str().unwrap();
        let secret = &one(things, "TriggerAuthentication", login)["spec"]["secretTargetRef"][0];
        let is_there = all(things, "Secret").iter().any(|found| found["metadata"]["name"] == secret["name"]);
        assert!(is_there || place != "overlays/example", "no Secret {}", secret["name"]);
        let down = &scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"];
        assert!(down["stabilizationWindowSeconds"].as_u64().unwrap() >= 3 * 300, "three ticks");
        let policy = &down["policies"][0];
        assert_eq!((&policy["type"], &policy["value"]), (&json!("Pods"), &json!(1)));
        let drain = pod(target).unwrap()["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(policy["periodSeconds"].as_u64().unwrap() > drain, "one has gone before the next one goes");
    }
}

#[test]
fn rabbitmq_allows_what_the_documentation_says() {
    let Some(deployment) = Deployment::read() else { return };
    let things = deployment.manifest("components/rabbitmq");
    let text = Deployment::text("deploy/README.md");
    let value = |name: &str, quote: char| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}={quote}"))).unwrap();
        line.split(quote).next().unwrap().to_owned()
    };
    let control = value("C", '\'');
    let written = |name: &str| value(name, '"').replace("$C", &control).replace(")\\$", ")$");
    let permissions = &one(things, "Permission", "syncfleet")["spec"]["permissions"];
    assert_eq!(permissions["configure"], written("N"));
    assert_eq!(permissions["write"], written("W"));
    assert_eq!(permissions["read"], written("N"));
    let policy = &one(things, "Policy", "syncfleet-returns")["spec"];
    assert!(text.contains(policy["pattern"].as_str().unwrap()), "{}", policy["pattern"]);
    assert_eq!(policy["definition"], json!({"delivery-limit": -1}));
}

#[test]
fn every_secret_and_every_map_of_the_example_is_there_or_may_be_missing() {
    let Some(deployment) = Deployment::read() else { return };
    let things = deployment.manifest("overlays/example");
    let named =
        |kind: &str, name: &Value| all(things, kind).iter().any(|thing| thing["metadata"]["name"] == *name);
    for thing in things.iter().filter(|thing| pod(thing).is_some()) {
        let pod = pod(thing).unwrap();
        for volume in pod["volumes"].as_array().into_iter().flatten() {
            let (secret, map) = (&volume["secret"], &volume["configMap"]);
            assert!(secret.is_null() || secret["optional"] == true || named("Secret", &secret["secretName"]));
            assert!(map.is_null() || named("ConfigMap", &map["name"]), "{map}");
        }
        let container = &pod["containers"][0];
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let (secret, map) = (&source["secretRef"]["name"], &source["configMapRef"]["name"]);
            assert!(named("Secret", secret) || named("ConfigMap", map), "{source}");
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let secret = &variable["valueFrom"]["secretKeyRef"]["name"];
            assert!(secret.is_null() || named("Secret", secret), "{variable}");
        }
    }
    let user = &one(things, "User", "syncfleet")["spec"]["importCredentialsSecret"]["name"];
    assert!(named("Secret", user), "{user}");
    let redis = settings(things)["REDIS_CLUSTER_HOSTS"].as_str().unwrap();
    let nodes = one(things, "StatefulSet", "syncfleet-redis");
    for host in redis.split(',') {
        let (pod, service) = host.strip_suffix(":6379").unwrap().split_once('.').unwrap();
        assert!(pod.starts_with("syncfleet-redis-"), "{host}");
        assert_eq!(nodes["spec"]["serviceName"], service);
    }
}
