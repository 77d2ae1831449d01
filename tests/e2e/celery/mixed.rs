//! Python and Rust side by side.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Python, World};
use serde_json::json;
use testbed::wait_until;

use super::{PATIENCE, list, world};
use crate::workers::accounts;

/// Ids of the jobs that the Python worker ran.
pub(super) fn ran_in_python(world: &World) -> Vec<String> {
    list(world, "python-ran")
}

/// Ids of the jobs that have an outcome.
pub(super) fn ran_in_rust(world: &World) -> Vec<String> {
    let ids = world.sql("SELECT sync_id FROM tradingdb.sync_outcomes");
    ids.lines().map(str::to_owned).collect()
}

#[test]
fn a_python_worker_runs_the_jobs_of_a_rust_beat_and_of_the_command_line() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let _theirs = python.worker(&world, "py@host", "periodic,adhoc");
    let _beat = world.beat(&[]);
    wait_until("a job of each account", PATIENCE, || ran_in_python(&world).len() == 3);
    world.syncfleet(&["sync", "account-0"]).expect(0);
    wait_until("one more", PATIENCE, || ran_in_python(&world).len() == 4);
    // Celery tells what it ran from inside the job, and acknowledges after it.
    wait_until("all acknowledged", PATIENCE, || world.vhost.queue_depth("periodic").unwrap() == (0, 0));
    let ids: BTreeSet<String> = ran_in_python(&world).into_iter().collect();
    assert_eq!(ids.len(), 4, "each its own");
}

#[test]
fn a_queue_shared_by_python_and_rust_loses_no_job_and_runs_none_twice() {
    let Some(python) = Python::new() else { return };
    let world = World::new();
    world.import(&accounts(500)).expect(0);
    let _theirs = python.worker(&world, "py@host", "periodic");
    let _worker = world.worker(&[("WORKER_CONCURRENCY", "2")]);
    let answers = python.produce(&world, &["many", "500"]);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 500);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(
            (&answer["status"], &answer["account"]),
            (&json!("success"), &json!(format!("account-{n}")))
        );
    }
    let (theirs, ours) = (ran_in_python(&world), ran_in_rust(&world));
    assert!(theirs.len() > 20 && ours.len() > 20, "both worked: {} and {}", theirs.len(), ours.len());
    let all: BTreeSet<&String> = theirs.iter().chain(&ours).collect();
    assert_eq!((theirs.len() + ours.len(), all.len()), (500, 500), "each once");
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap(), (0, 0));
}

#[test]
fn a_celery_beat_drives_the_rust_fleet() {
    let Some(python) = Python::new() else { return };
    let (world, _kite) = world(Duration::ZERO);
    let _worker = world.worker(&[]);
    let beat = python.start(&world, &["beat", "-l", "INFO"], "beat: Starting");
    wait_until("two ticks of all three accounts", PATIENCE, || ran_in_rust(&world).len() >= 6);
    assert!(beat.output().contains("sync_all_accounts_comprehensive"), "{}", beat.output());
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success'"), 0);
}
