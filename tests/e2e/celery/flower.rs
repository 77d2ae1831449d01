//! Flower, which operators have open all day.

use std::time::Duration;

use e2e::{Python, World, free_address, request};
use serde_json::Value;
use testbed::{Process, wait_until};

use super::{PATIENCE, until_answered, world};

const NAME: &str = "rust@host";
const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

struct Flower {
    address: String,
    _process: Process,
}

impl Flower {
    fn start(python: &Python, world: &World) -> Self {
        let address = free_address();
        let (host, port) = address.split_once(':').unwrap();
        let mut command = python.command(world, "celery", &["-A", "app", "flower"]);
        command.args([
            format!("--address={host}"),
            format!("--port={port}"),
            "--unauthenticated_api=true".to_owned(),
        ]);
        command.env("FLOWER_UNAUTHENTICATED_API", "true");
        let process = Process::spawn(command).unwrap();
        process.wait_for_line("Visit me at", PATIENCE).unwrap();
        Self { address, _process: process }
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let (_, body) = request(&self.address, method, path);
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }
}

#[test]
fn flower_lists_a_rust_worker_with_its_tasks_and_revokes_one() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::from_secs(6));
    let world = world.with("WORKER_NAME", NAME);
    let _worker = world.worker(&[]);
    until_answered(&world, NAME);
    let flower = Flower::start(&python, &world);
    wait_until("the worker in Flower", PATIENCE, || {
        let workers = flower.ask("GET", "/api/workers?refresh=true");
        workers[NAME]["registered"].as_array().is_some_and(|tasks| tasks.iter().any(|task| task == TASK))
    });
    let workers = flower.ask("GET", "/api/workers");
    let known = &workers[NAME];
    assert!(known["stats"]["pool"]["max-concurrency"].is_u64(), "{known}");
    assert_eq!(known["active_queues"][0]["name"], "periodic", "{known}");
    wait_until("it is alive", PATIENCE, || flower.ask("GET", "/api/workers?status=true")[NAME] == true);

    // Flower turns events on itself, every five seconds.
    let done = || {
        world.syncfleet(&["sync", "account-0", "--wait", "30"]).expect(0);
        let tasks = flower.ask("GET", "/api/tasks?state=SUCCESS");
        let tasks: Vec<Value> =
            tasks.as_object().into_iter().flat_map(|tasks| tasks.values().cloned()).collect();
        tasks.into_iter().find(|task| task["name"] == TASK && task["runtime"].is_f64())
    };
    wait_until("a task with its runtime", PATIENCE, || done().is_some());
    let task = done().unwrap();
    assert!(task["args"].as_str().unwrap().contains("account-0"), "{task}");
    assert!(task["result"].as_str().unwrap().contains("'status': 'success'"), "{task}");
    assert_eq!(task["worker"], NAME);

    world.syncfleet(&["sync", "slow"]).expect(0);
    let running = || {
        let tasks = flower.ask("GET", "/api/tasks?state=STARTED");
        let ids: Vec<String> =
            tasks.as_object().into_iter().flat_map(|tasks| tasks.keys().cloned()).collect();
        ids.into_iter().next()
    };
    wait_until("a running task", PATIENCE, || running().is_some());
    let id = running().unwrap();
    let answer = flower.ask("POST", &format!("/api/task/revoke/{id}?terminate=true"));
    assert!(answer["message"].is_string(), "{answer}");
    world.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'revoked'", 1);
    wait_until("Flower knows", PATIENCE, || {
        flower.ask("GET", &format!("/api/task/info/{id}"))["state"] == "REVOKED"
    });
}
