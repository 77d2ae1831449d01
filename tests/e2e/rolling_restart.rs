//! The procedure of "Upgrade without a gap" in deploy/README.md, under load: for each worker a new one is started first,
//! then the old one is told to end, and waited for. Half of them are told by a signal, half by remote control.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::World;
use serde_json::json;
use testbed::{FakeKite, Process, wait_until};

use crate::drain::running;
use crate::workers::accounts;

const ACCOUNTS: usize = 200;
const WORKERS: usize = 4;
/// Accounts are due at their own offset in it, so that there is always something running.
const INTERVAL: Duration = Duration::from_secs(20);
/// How long an account's brokerage takes to answer, the longest part of its sync.
const LOOK: Duration = Duration::from_millis(300);
/// What a sync may be late: it waits for a slot, looks at its brokerage twice, and shares two cores with everybody else.
const LATE: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn all_workers_are_replaced_under_load_and_every_account_stays_fresh_and_no_job_runs_twice() {
    let interval = INTERVAL.as_secs().to_string();
    let world = World::new()
        .with("SYNC_INTERVAL_SECONDS", &interval)
        .with("BEAT_SPREAD_SECONDS", &interval)
        .with("EXTERNAL_ORDER_CHECK_MINUTES", "0")
        .with("RUST_LOG", "info,pipeline=debug");
    world.import(&accounts(u32::try_from(ACCOUNTS).unwrap())).expect(0);
    let _kite = slow_brokerage(&world);
    let mut fleet: Vec<_> = (0..WORKERS).map(|n| worker(&world, &format!("old-{n}"))).collect();
    wait_for_a_young_interval(&world);
    let beat = world.beat(&[]);
    wait_for_every_account(&world, "-infinity");

    let begun = world.sql("SELECT clock_timestamp()");
    let mut busy = 0;
    for (number, worker_now) in fleet.iter_mut().enumerate() {
        let replacement = worker(&world, &format!("new-{number}"));
        let old = std::mem::replace(worker_now, replacement);
        let name = format!("old-{number}");
        wait_until("the old worker runs something", PATIENCE, || runs_of(&world, &name) > 0);
        busy += runs_of(&world, &name);
        if number % 2 == 0 {
            old.terminate().unwrap();
        } else {
            world.syncfleet(&["worker", "shutdown", &name]).expect(0);
        }
        assert_eq!(old.wait(PATIENCE).unwrap().code(), Some(0), "{}", old.output());
        assert_eq!(runs_of(&world, &name), 0, "it left nothing behind");
        assert!(!old.output().contains("grace is over"), "{}", old.output());
    }
    assert!(busy > 0, "nothing ran on any worker that was told to end");
    let ended = world.sql("SELECT clock_timestamp()");

    wait_for_every_account(&world, &ended);
    // Right after a tick, so that all of its jobs are out.
    let ticks = published_ticks(&world);
    wait_until("a last tick", PATIENCE, || published_ticks(&world) > ticks);
    beat.terminate().unwrap();
    assert_eq!(beat.wait(PATIENCE).unwrap().code(), Some(0), "{}", beat.output());
    let jobs = world.count("SELECT sum(accounts) FROM tradingdb.ticks");
    world.wait_for_outcomes(jobs);
    wait_until("no job runs", PATIENCE, || running(&world) == 0);

    assert_nothing_was_lost_or_run_twice(&world, jobs);
    for worker in &fleet {
        assert!(!worker.output().contains("done before"), "a done job came again: {}", worker.output());
    }
    assert_always_fresh(&world, &begun);
}

/// A beat that begins late in an interval publishes its tick late, all of it due at once: those runs would do the work of the
/// next tick's first jobs, which are superseded then, as they should be.
fn wait_for_a_young_interval(world: &World) {
    let seconds = INTERVAL.as_secs();
    let age = format!("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint % {seconds}");
    wait_until("a young interval", PATIENCE, || world.count(&age) < 4);
}

fn worker(world: &World, name: &str) -> Process {
    world.worker(&[("WORKER_NAME", name), ("WORKER_CONCURRENCY", "8")])
}

/// All accounts are at a brokerage that takes its time, each with a login of its own.
fn slow_brokerage(world: &World) -> FakeKite {
    let kite = FakeKite::start().unwrap();
    kite.respond(200, json!({"status": "success", "data": []}).to_string());
    kite.delay(LOOK);
    let logins = (0..ACCOUNTS).map(|n| {
        let login = world.file(&format!("login-{n}"), &format!("login-{n}"));
        let url = kite.base_url();
        format!("('default', 'account-{n}', 'kite', '{url}', 'file:{login}', 'file:{login}')")
    });
    let rows = logins.collect::<Vec<_>>().join(", ");
    let columns = "organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref";
    world.sql(&format!("INSERT INTO tradingdb.brokerage_accounts ({columns}) VALUES {rows}"));
    kite
}

/// Waits until every account has been synced after an instant.
fn wait_for_every_account(world: &World, after: &str) {
    let synced = format!(
        "SELECT count(DISTINCT pseudo_account) FROM tradingdb.sync_outcomes WHERE started_at > '{after}'"
    );
    wait_until("every account is synced", PATIENCE, || world.count(&synced) == ACCOUNTS);
}

fn runs_of(world: &World, worker: &str) -> usize {
    world.count(&format!(
        "SELECT count(*) FROM tradingdb.account_sync_state WHERE lease_job IS NOT NULL AND lease_worker = '{worker}'"
    ))
}

fn published_ticks(world: &World) -> usize {
    world.count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL")
}

fn assert_nothing_was_lost_or_run_twice(world: &World, jobs: usize) {
    let odd = "SELECT coalesce(string_agg(DISTINCT concat_ws(' ', status, reason, retries), ', '), '')
               FROM tradingdb.sync_outcomes
               WHERE status <> 'success' OR retries <> 0 OR superseded_by IS NOT NULL";
    assert_eq!(world.sql(odd), "", "every job was run, by the first try");
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.job_crashes"), 0);
    // The fence of an account counts its runs, those that came to no end among them.
    let runs = world.count("SELECT sum(fence) FROM tradingdb.account_sync_state");
    assert_eq!(runs, jobs, "one run for each job");
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for message in world.notifications() {
        *told.entry(message.properties["message_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(told.len(), jobs, "every job was told");
    let twice: Vec<_> = told.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "told twice: {twice:?}");
}

/// From one sync of an account to its next one never passes more than the interval and what a sync may take.
fn assert_always_fresh(world: &World, begun: &str) {
    let worst = world.sql(&format!(
        "SELECT max(extract(epoch FROM finished_at - before)) FROM
             (SELECT finished_at, lag(finished_at) OVER (PARTITION BY pseudo_account ORDER BY finished_at) AS before
              FROM tradingdb.sync_outcomes) o
         WHERE finished_at > '{begun}'"
    ));
    let worst: f64 = worst.parse().unwrap();
    let limit = (INTERVAL + LATE).as_secs_f64();
    assert!(worst <= limit, "an account was {worst:.1} s old: more than {limit} s");
}
