//! Everything at once.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use e2e::World;
use serde_json::json;
use testbed::{Process, RabbitMq};

use crate::workers::accounts;

const ACCOUNTS: u32 = 500;
/// Each is a run of its own: a Celery message does not say when it was enqueued, so no run makes another needless.
const JOBS_EACH: u32 = 4;
/// On two idle cores it takes less than four minutes.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn two_thousand_jobs_survive_dying_and_hanging_workers_lost_connections_and_two_restarts_of_rabbitmq() {
    let world = World::on_rabbitmq(RabbitMq::start().unwrap());
    world.import(&accounts(ACCOUNTS)).expect(0);
    // Queues and exchanges are there once a worker was.
    drop(world.worker(&[]));
    enqueue(&world);
    let mut fleet = Fleet::new(&world);
    let begun = Instant::now();
    let rabbitmq = world.rabbitmq.as_ref().unwrap();
    thread::scope(|scope| {
        let outages = scope.spawn(|| {
            wait_for_done(&world, 400);
            rabbitmq.kill().unwrap();
            rabbitmq.restart().unwrap();
            wait_for_done(&world, 1200);
            rabbitmq.restart().unwrap();
        });
        while done(&world) < jobs() || !outages.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "{} of {} jobs done", done(&world), jobs());
            // The pace of the storm.
            thread::sleep(Duration::from_secs(1));
            // While RabbitMQ is away there is nothing to close.
            let _ = world.vhost.close_all_connections();
            fleet.next_blow();
        }
    });

    assert_eq!(world.count("SELECT count(*) FROM tradingdb.sync_outcomes WHERE status = 'success'"), jobs());
    assert_eq!(world.vhost.queue_depth("periodic.dead").unwrap().0, 0);
    let overlapping = "SELECT count(*) FROM tradingdb.sync_outcomes a JOIN tradingdb.sync_outcomes b
                           USING (organization_id, pseudo_account)
                       WHERE a.sync_id < b.sync_id AND a.started_at < b.finished_at AND b.started_at < a.finished_at";
    assert_eq!(world.count(overlapping), 0, "one account was run twice at once");
    assert_eq!(
        world.count("SELECT count(*) FROM tradingdb.positions WHERE net_quantity = 75"),
        ACCOUNTS as usize
    );
    assert_every_job_was_told(&world);
}

/// Every job was told, and the last that was told of an account is the last that was done.
fn assert_every_job_was_told(world: &World) {
    let mut told = BTreeSet::new();
    let mut last: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for message in world.notifications() {
        let id = message.properties["message_id"].as_str().unwrap().to_owned();
        let sequence = message.headers["sequence"].as_i64().unwrap();
        told.insert(id.clone());
        let newest = last.entry(message.routing_key).or_default();
        *newest = (sequence, id).max(newest.clone());
    }
    assert_eq!(told.len(), jobs());
    let done = world.sql(
        "SELECT DISTINCT ON (pseudo_account) sync_id FROM tradingdb.sync_outcomes
         ORDER BY pseudo_account, finished_at DESC",
    );
    assert_eq!(
        last.into_values().map(|(_, id)| id).collect::<BTreeSet<_>>(),
        done.lines().map(str::to_owned).collect()
    );
}

fn jobs() -> usize {
    (ACCOUNTS * JOBS_EACH) as usize
}

fn done(world: &World) -> usize {
    world.count("SELECT count(*) FROM tradingdb.sync_outcomes")
}

fn wait_for_done(world: &World, count: usize) {
    testbed::wait_until(&format!("{count} jobs done"), PATIENCE, || done(world) >= count);
}

fn enqueue(world: &World) {
    for round in 0..JOBS_EACH {
        for account in 0..ACCOUNTS {
            let id = format!("{round}-{account}");
            let headers = json!({
                "task": "app.tasks.comprehensive_sync_task.comprehensive_account_sync", "id": id, "lang": "py",
            });
            let properties = json!({
                "content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2,
                "correlation_id": id, "message_id": id, "headers": headers,
            });
            let body = json!([["default", format!("account-{account}")], {}, {}]);
            assert!(
                world
                    .vhost
                    .publish("periodic", "periodic", &properties, body.to_string().as_bytes())
                    .unwrap()
            );
        }
    }
}

/// Four workers, hit one after the other.
struct Fleet<'a> {
    world: &'a World,
    workers: Vec<Process>,
    stopped: Option<usize>,
    blows: usize,
}

impl<'a> Fleet<'a> {
    fn new(world: &'a World) -> Self {
        let mut fleet = Self { world, workers: Vec::new(), stopped: None, blows: 0 };
        fleet.workers = (0..4).map(|_| fleet.start()).collect();
        fleet
    }

    /// Not waited for: RabbitMQ may be away.
    fn start(&self) -> Process {
        let mut command = self.world.command("syncfleet-worker", &[]);
        // Taken for dead after twice the heartbeat.
        command.env("RABBITMQ_URL", format!("{}?heartbeat=2", self.world.vhost.url()));
        command.env("WORKER_CONCURRENCY", "8");
        Process::spawn(command).expect("a worker")
    }

    /// By turns: one is killed and replaced; one is stopped, and goes on six seconds later.
    fn next_blow(&mut self) {
        let victim = self.blows % self.workers.len();
        match self.blows % 8 {
            0 | 2 => {
                self.workers[victim].kill().unwrap();
                self.workers[victim] = self.start();
            }
            1 => {
                self.workers[victim].stop().unwrap();
                self.stopped = Some(victim);
            }
            7 => {
                if let Some(stopped) = self.stopped.take() {
                    self.workers[stopped].cont().unwrap();
                }
            }
            _ => {}
        }
        self.blows += 1;
    }
}
