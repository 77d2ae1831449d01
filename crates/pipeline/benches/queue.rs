//! What Celery's results and events cost a fleet of syncs: the same jobs without anybody who asks, and with results stored and
//! announced in Redis, and every event sent to a monitor. In turn, in one process, on servers of its own (persistent
//! messages, quorum queue, confirms, manual acks, PostgreSQL with fsync). Run by `cargo xtask bench queue`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and a failed step ends it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use brokerage::{Http, Timeouts};
use cache::{Cache, CacheConfig};
use celery::Waiting;
use ledger::Account;
use pipeline::{
    CheckSchedule, FanOut, Pipeline, PipelineSettings, ResultBackend, SnapshotBudget, SyncJob, Turns,
    encode_sync,
};
use queue::{
    Attempt, Consumer, ConsumerSettings, End, Ending, Handler, Message, Publisher, RabbitUrls, RetryPolicy,
    WorkQueue,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use storage::Storage;
use testbed::{Database, Postgres, RabbitMq, Redis, Vhost};
use tls::Certificates;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const ACCOUNTS: usize = 500;
const ORDERS: u32 = 200;
const SLOTS: usize = 8;
/// The first of each kind is not counted.
const ROUNDS: usize = 11;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    // As a worker's `main` does, for the HTTP client.
    drop(rustls::crypto::ring::default_provider().install_default());
    let fleet = Fleet::start().await;
    let (mut bare, mut told, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Whichever comes second finds warmer servers: they take turns.
        let (first, second) = (round % 2 == 0, round % 2 != 0);
        let (one, other) = (fleet.round(round, first).await, fleet.round(round, second).await);
        if round > 0 {
            let (with, without) = if first { (one, other) } else { (other, one) };
            bare.push(without);
            told.push(with);
            ratios.push(with / without);
        }
    }
    println!(
        "whole syncs (rebuilt from {ORDERS} orders) of {ACCOUNTS} accounts a second, {} rounds, {SLOTS} slots",
        ROUNDS - 1
    );
    println!("{:<42} {:>8} {:>8} {:>8}", "", "median", "min", "max");
    let percent: Vec<f64> = ratios.iter().map(|ratio| 100.0 * ratio).collect();
    for (what, figures) in [
        ("nobody asks", bare),
        ("results, and events to a monitor", told),
        ("the same in percent of its round", percent),
    ] {
        let mut figures = figures;
        figures.sort_by(f64::total_cmp);
        let (min, max) = (figures[0], figures[figures.len() - 1]);
        println!("{what:<42} {:>8.1} {min:>8.1} {max:>8.1}", figures[figures.len() / 2]);
    }
}

/// The real handler, and a count of the jobs that are done.
struct Counting {
    pipeline: Pipeline,
    done: Arc<AtomicUsize>,
    results: Arc<AtomicUsize>,
}

impl Handler for Counting {
    fn knows(&self, task: &str) -> bool {
        self.pipeline.knows(task)
    }

    async fn run(&self, attempt: Arc<Attempt>, stop: CancellationToken) -> Ending {
        let ending = self.pipeline.run(attempt, stop).await;
        assert!(matches!(ending, Ending::Finished(_)), "{ending:?}");
        self.done.fetch_add(1, Ordering::SeqCst);
        ending
    }

    async fn conclude(&self, attempt: &Attempt, end: End) -> Result<End, String> {
        self.pipeline.conclude(attempt, end).await
    }

    async fn tell_result(&self, waiting: &Waiting, result: Value) {
        self.pipeline.tell_result(waiting, result).await;
        self.results.fetch_add(1, Ordering::SeqCst);
    }
}

struct Fleet {
    urls: RabbitUrls,
    vhost: Vhost,
    publisher: Publisher,
    done: Arc<AtomicUsize>,
    results: Arc<AtomicUsize>,
    _servers: (RabbitMq, Postgres, Redis, Database),
}

impl Fleet {
    async fn start() -> Self {
        let (rabbitmq, postgres, redis) =
            (RabbitMq::start().unwrap(), Postgres::start_durable().unwrap(), Redis::start().unwrap());
        let vhost = Vhost::create_on(&rabbitmq.url(), &rabbitmq.management_url()).unwrap();
        let database = Database::create_on(&postgres.url()).unwrap();
        let storage = Storage::new(&database.url(), &Certificates::default(), 8, "bench", "default").unwrap();
        storage.migrate().await.unwrap();
        fill(&database);
        let urls = RabbitUrls::parse(&vhost.url()).unwrap();
        let publisher = Publisher::start(urls.clone(), "bench");
        publisher.connected(PATIENCE).await.unwrap();
        let cache = Cache::connect(CacheConfig {
            redis_url: SecretString::from(redis.url()),
            cluster_hosts: Vec::new(),
            certificates: Certificates::default(),
            pool_size: SLOTS,
            timeout: Duration::from_secs(5),
        });
        let pipeline = pipeline(storage, cache.await.unwrap(), publisher.clone());
        let (done, results) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let handler = Counting { pipeline, done: Arc::clone(&done), results: Arc::clone(&results) };
        let settings = ConsumerSettings {
            urls: urls.clone(),
            worker: "bench@host".to_owned(),
            queues: vec![(WorkQueue::Periodic, SLOTS)],
            policy: RetryPolicy::default(),
            time_limit: PATIENCE,
            crash_limit: 5,
            tracks_started: false,
            grace: PATIENCE,
            give_up_after: PATIENCE,
        };
        let mut consumer = Consumer::new(settings, Arc::new(handler), publisher.clone());
        let control = consumer.control(Vec::new(), serde_json::Map::new()).unwrap();
        tokio::spawn(control.run(CancellationToken::new(), CancellationToken::new()));
        tokio::spawn(async move { consumer.run(CancellationToken::new()).await });
        // What a monitor has: a queue of all events.
        vhost.declare_exchange("celeryev", "topic").unwrap();
        vhost.declare_queue("monitor", &json!({"x-max-length": 10_000})).unwrap();
        vhost.bind("celeryev", "monitor", "#").unwrap();
        Self { urls, vhost, publisher, done, results, _servers: (rabbitmq, postgres, redis, database) }
    }

    /// Syncs every account once and returns how many a second.
    async fn round(&self, round: usize, is_told: bool) -> f64 {
        self.done.store(0, Ordering::SeqCst);
        self.results.store(0, Ordering::SeqCst);
        let method = if is_told { "enable_events" } else { "disable_events" };
        let answers =
            queue::ask_workers(&self.urls, "bench", method, &json!({}), None, Duration::from_millis(500))
                .await;
        drop(answers.unwrap());
        // The last events of the round before.
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.vhost.get("monitor", 50_000).unwrap();
        let jobs = (0..ACCOUNTS).map(|account| job(round, account, is_told)).collect();
        let begun = Instant::now();
        self.publisher.publish_all(jobs).await.unwrap();
        let wanted = if is_told { ACCOUNTS } else { 0 };
        while self.done.load(Ordering::SeqCst) < ACCOUNTS || self.results.load(Ordering::SeqCst) < wanted {
            assert!(begun.elapsed() < PATIENCE, "a round takes too long");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let a_second = ACCOUNTS as f64 / begun.elapsed().as_secs_f64();
        assert_eq!(self.results.load(Ordering::SeqCst), wanted);
        let events = self.vhost.get("monitor", 50_000).unwrap();
        let multi = events.iter().filter(|event| event.routing_key == "task.multi").count();
        assert_eq!(multi > 0, is_told, "{multi} batches of events");
        a_second
    }
}

fn job(round: usize, account: usize, is_told: bool) -> Message {
    let id = format!("{round}-{account}-{is_told}");
    let job = SyncJob {
        id: id.clone(),
        account: Account::new("default", format!("A{account}")),
        force: true,
        check_external: false,
        enqueued_at: None,
        replayed_at: None,
        expires: None,
        retries: 0,
        wants_result: is_told,
    };
    Message::job(WorkQueue::Periodic, id, encode_sync(&job, "bench", None))
}

fn pipeline(storage: Storage, cache: Cache, publisher: Publisher) -> Pipeline {
    Pipeline {
        settings: PipelineSettings {
            worker: "bench@host".to_owned(),
            generation_enabled: true,
            generation_interval: Duration::from_secs(3600),
            notifications_enabled: true,
            time_limit: Duration::from_secs(240),
            crash_limit: 5,
        },
        fan_out: FanOut {
            storage: storage.clone(),
            publisher: publisher.clone(),
            interval: Duration::from_secs(300),
            spread: Duration::ZERO,
            checks: CheckSchedule { interval: Duration::from_secs(1800), hours: None },
            origin: "bench@host".to_owned(),
        },
        storage,
        results: ResultBackend::Redis { cache: cache.clone(), ttl: Duration::from_secs(86_400) },
        cache,
        publisher,
        http: Http::new(Timeouts::default()).map_err(|error| error.to_string()),
        environment: Arc::new(|_| None),
        snapshots: Arc::new(SnapshotBudget::of_cores(2)),
        turns: Arc::new(Turns::of_cores(2)),
        suspect: Arc::new(Semaphore::new(1)),
    }
}

/// Forty instruments, bought and sold over some days.
fn fill(database: &Database) {
    database
        .sql(&format!(
            "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol,
                 trade_type, product_type, average_price, exchange_time, exchange_order_id)
             SELECT 'A' || a, 'REGULAR', 10, 1 + n % 7, 'NFO', 'S' || n % 40,
                    CASE WHEN n / 40 % 2 = 0 THEN 'BUY' ELSE 'SELL' END, 'NRML', 100 + n % 900 / 20.0,
                    timestamptz '2025-06-02 04:00+00' + interval '1 minute' * (n % 200), n::text
             FROM generate_series(0, {ACCOUNTS} - 1) AS a, generate_series(0, {ORDERS} - 1) AS n;
             ANALYZE"
        ))
        .unwrap();
}
