//! `syncfleet-worker`: consumes jobs and syncs accounts. Run as many as you like, on as many machines as you like.

use std::sync::Arc;
use std::time::Duration;

use brokerage::{Http, Timeouts};
use cache::{Cache, CacheConfig, CacheError};
use clap::Parser;
use pipeline::{
    CheckSchedule, Environment, FanOut, Pipeline, PipelineSettings, ResultBackend, SnapshotBudget, Turns,
    chain,
};
use queue::{Consumer, ConsumerSettings, Intaking, Publisher, Pulse, RabbitUrls, RetryPolicy, WorkQueue};
use secrecy::SecretString;
use service::{
    Connections, FanOutArgs, Fatal, LogArgs, Metrics, MetricsArgs, NotReady, PatienceArgs, RedisArgs,
    ResultArgs, ResultUrl, RetryArgs, SecretUrl, Shutdown, SyncArgs, Teller, Told, TracesArgs, Vitals,
    WorkerArgs,
};
use storage::{Storage, StorageError};
use tls::Certificates;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How long a worker that ends may take to say so to monitors.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// How long Redis may take over one operation.
const REDIS_LIMIT: Duration = Duration::from_secs(5);
/// How long a drain may take beyond the grace: jobs that are cut short are given back, and connections closed.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(15);

/// Consumes sync jobs from the queues `periodic` and `adhoc` and runs them.
///
/// Every setting is a flag or an environment variable. The first SIGTERM or SIGINT drains: no new job is taken,
/// running ones may finish within the grace, the rest goes back to its queue. A second signal ends at once.
#[derive(Debug, Parser)]
#[command(name = "syncfleet-worker", version)]
struct Arguments {
    #[command(flatten)]
    connections: Connections,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    redis: RedisArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    sync: SyncArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    fan_out: FanOutArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    traces: TracesArgs,
}

fn main() {
    std::process::exit(service::block_on_sparing_memory(async {
        match service::parse::<Arguments>() {
            Ok(Arguments { metrics: MetricsArgs { probe: Some(probe), metrics_addr }, .. }) => {
                service::probe(probe, metrics_addr).await
            }
            Ok(arguments) => {
                let name = name(&arguments.worker);
                let teller = Teller { program: "syncfleet-worker", instance: &name };
                let (log, traces) = (&arguments.log, &arguments.traces);
                service::run(log, traces, teller, async |shutdown| work(&arguments, &name, shutdown).await)
                    .await
            }
            Err(failure) => failure.log(),
        }
    }));
}

/// What the worker is called in the fleet.
fn name(arguments: &WorkerArgs) -> String {
    arguments.worker_name.clone().unwrap_or_else(|| service::process_name("syncfleet"))
}

async fn work(arguments: &Arguments, name: &str, shutdown: &Shutdown) -> Result<(), Fatal> {
    let give_up_after = arguments.patience.give_up_seconds;
    let metrics = Metrics::keep(&arguments.metrics, "syncfleet-worker")?;
    queue::describe_metrics();
    pipeline::describe_metrics();
    queue::begin_worker_metrics(&pipeline::TASKS);
    pipeline::begin_worker_metrics();
    let queues = slots(&arguments.worker);
    let concurrency: usize = queues.iter().map(|(_, slots)| slots).sum();
    let certificates = arguments.connections.tls.certificates()?;
    let urls = RabbitUrls::parse(arguments.connections.rabbitmq_url.expose())
        .map_err(|error| Fatal::setting("RABBITMQ_URL", error))?
        .with_certificates(certificates.clone());
    let pipeline = tokio::select! {
        // Boxed: the compiler gives up on types nested as deep as those of all connections together.
        pipeline = Box::pin(connect(arguments, name, concurrency, &urls, &certificates)) => pipeline?,
        () = shutdown.requested.cancelled() => return Ok(()),
    };
    let settings = ConsumerSettings {
        urls,
        worker: name.to_owned(),
        queues,
        policy: RetryPolicy {
            initial: arguments.retry.retry_initial_seconds,
            multiplier: arguments.retry.retry_multiplier,
            max: arguments.retry.retry_max_seconds,
            jitter: arguments.retry.retry_jitter,
            retries: arguments.retry.retry_max,
        },
        time_limit: arguments.worker.job_time_limit_seconds,
        crash_limit: arguments.worker.crash_limit,
        tracks_started: arguments.results.result_track_started,
        grace: arguments.worker.shutdown_grace_seconds,
        give_up_after,
    };
    let publisher = pipeline.publisher.clone();
    let (storage, cache) = (pipeline.storage.clone(), pipeline.cache.clone());
    let mut consumer = Consumer::new(settings, Arc::new(pipeline), publisher.clone());
    let control = consumer.control(pipeline::TASKS.map(str::to_owned).to_vec(), conf(arguments));
    let done = CancellationToken::new();
    let controlling =
        control.map(|control| tokio::spawn(control.run(shutdown.requested.clone(), done.clone())));
    let health = Health { storage, cache, publisher: publisher.clone(), intaking: consumer.intaking() };
    metrics.tell(health).await?;
    let work = Work { pulse: consumer.pulse(), grace: arguments.worker.shutdown_grace_seconds };
    service::supervise(work, shutdown.requested.clone());
    info!(worker = name, slots = concurrency, "{name}: ready with {concurrency} slots");
    tokio::select! {
        consumed = consumer.run(shutdown.requested.clone()) => consumed.map_err(Fatal::unavailable)?,
        () = publisher.unreachable_for(give_up_after) => {
            return Err(Fatal::unavailable(format!("RabbitMQ: nothing could be published for {give_up_after:?}")));
        }
    }
    done.cancel();
    if let Some(controlling) = controlling {
        // Its last words are for monitors: they can do without.
        let _ = tokio::time::timeout(FAREWELL_LIMIT, controlling).await;
    }
    info!("stopped");
    Ok(())
}

/// What `celery inspect conf` shows: settings by Celery's names where it has them, and by ours. No secret is among them.
fn conf(arguments: &Arguments) -> serde_json::Map<String, serde_json::Value> {
    let results = match &arguments.results.result_backend_url {
        None => arguments.redis.redis_url.to_string(),
        Some(ResultUrl::Disabled) => "disabled".to_owned(),
        Some(ResultUrl::Redis(url)) => url.to_string(),
        Some(ResultUrl::Rpc) => "rpc://".to_owned(),
    };
    let shown = serde_json::json!({
        "broker_url": arguments.connections.rabbitmq_url.to_string(),
        "result_backend": results,
        "task_track_started": arguments.results.result_track_started,
        "result_expires": arguments.results.result_ttl_seconds.as_secs(),
        "task_time_limit": arguments.worker.job_time_limit_seconds.as_secs(),
        "task_acks_late": true,
        "timezone": "UTC",
        "worker_queues": arguments.worker.worker_queues.0,
        "crash_limit": arguments.worker.crash_limit,
        "retry_max": arguments.retry.retry_max,
        "sync_interval_seconds": arguments.fan_out.sync_interval_seconds.as_secs(),
    });
    shown.as_object().cloned().unwrap_or_default()
}

/// What a service manager may know of this worker.
struct Work {
    pulse: Pulse,
    grace: Duration,
}

impl Vitals for Work {
    fn is_at_work(&self) -> bool {
        self.pulse.intaking() != Intaking::Closed
    }

    fn got_on_at(&self) -> Instant {
        self.pulse.got_on_at()
    }

    fn status(&self) -> String {
        let (running, slots) = (self.pulse.running(), self.pulse.slots());
        let intake = self.pulse.intaking().ready().map_or_else(|why| why, |()| "consuming".to_owned());
        format!("{intake}; {running} jobs running in {slots} slots")
    }

    fn stops_within(&self) -> Duration {
        self.grace + GIVE_BACK_LIMIT
    }
}

/// Whether this worker can do its work.
struct Health {
    storage: Storage,
    cache: Cache,
    publisher: Publisher,
    intaking: watch::Receiver<Intaking>,
}

impl Told for Health {
    async fn refresh(&self) -> String {
        self.publisher.refresh_metrics();
        pipeline::refresh_cache_metrics(&self.cache);
        pipeline::refresh_metrics(&self.storage).await;
        String::new()
    }

    async fn ready(&self) -> Result<(), String> {
        let intaking = *self.intaking.borrow();
        intaking.ready()?;
        self.publisher.ready()?;
        self.storage.now().await.map_err(|error| format!("PostgreSQL: {}", chain(&error)))?;
        Box::pin(self.cache.ping()).await.map_err(|error| format!("Redis: {}", chain(&error)))
    }
}

/// The slots of each consumed queue: `adhoc` has a tenth more of its own, so that it never waits behind a tick.
fn slots(arguments: &WorkerArgs) -> Vec<(WorkQueue, usize)> {
    let concurrency = arguments.worker_concurrency.unwrap_or_else(service::default_slots);
    let names = &arguments.worker_queues.0;
    let queues: Vec<WorkQueue> = names.iter().filter_map(|name| WorkQueue::parse(name)).collect();
    queues
        .iter()
        .map(|queue| match queue {
            WorkQueue::Adhoc if queues.len() > 1 => (*queue, (concurrency / 10).max(1)),
            _ => (*queue, concurrency),
        })
        .collect()
}

/// Waits for every server and wires the pipeline.
async fn connect(
    arguments: &Arguments,
    name: &str,
    concurrency: usize,
    urls: &RabbitUrls,
    certificates: &Certificates,
) -> Result<Pipeline, Fatal> {
    let connections = &arguments.connections;
    let limit = arguments.patience.give_up_seconds;
    let storage = Storage::new(
        connections.database_url.expose(),
        certificates,
        service::postgres_pool_size(concurrency),
        name,
        &connections.default_organization_id,
    )
    .map_err(|error| Fatal::setting("DATABASE_URL", chain(&error)))?;
    service::wait_for("PostgreSQL", limit, async || {
        storage.check_migrated().await.map_err(|error| NotReady {
            is_lasting: matches!(error, StorageError::Untrusted(_)),
            text: chain(&error),
        })
    })
    .await
    .map_err(Fatal::unavailable)?;
    let open_cache = async |url: &SecretUrl, cluster_hosts| {
        let config = CacheConfig {
            redis_url: SecretString::from(url.expose().to_owned()),
            cluster_hosts,
            certificates: certificates.clone(),
            pool_size: concurrency.clamp(4, 64),
            timeout: REDIS_LIMIT,
        };
        Cache::connect(config).await.map_err(|error| Fatal::setting("REDIS_URL", chain(&error)))
    };
    let cache = open_cache(&arguments.redis.redis_url, arguments.redis.cluster_hosts()).await?;
    service::wait_for("Redis", limit, async || {
        Box::pin(cache.ping()).await.map_err(|error| NotReady {
            is_lasting: matches!(error, CacheError::Untrusted(_)),
            text: chain(&error),
        })
    })
    .await
    .map_err(Fatal::unavailable)?;
    let publisher = Publisher::start(urls.clone(), name);
    (publisher.connected(limit).await).map_err(|error| Fatal::unavailable(format!("RabbitMQ: {error}")))?;
    let ttl = arguments.results.result_ttl_seconds;
    let results = match &arguments.results.result_backend_url {
        None => ResultBackend::Redis { cache: cache.clone(), ttl },
        Some(ResultUrl::Redis(url)) => {
            ResultBackend::Redis { cache: open_cache(url, Vec::new()).await?, ttl }
        }
        Some(ResultUrl::Rpc) => ResultBackend::Rpc(publisher.clone()),
        Some(ResultUrl::Disabled) => ResultBackend::Disabled,
    };
    let environment: Environment = Arc::new(|variable| std::env::var(variable).ok());
    Ok(Pipeline {
        settings: PipelineSettings {
            worker: name.to_owned(),
            generation_enabled: arguments.sync.position_generation_enabled,
            generation_interval: arguments.sync.position_generation_minutes,
            notifications_enabled: arguments.sync.rabbitmq_notifications_enabled,
            time_limit: arguments.worker.job_time_limit_seconds,
            crash_limit: arguments.worker.crash_limit,
        },
        fan_out: FanOut {
            storage: storage.clone(),
            publisher: publisher.clone(),
            interval: arguments.fan_out.sync_interval_seconds,
            spread: arguments.fan_out.beat_spread_seconds,
            checks: CheckSchedule {
                interval: arguments.fan_out.external_order_check_minutes,
                hours: arguments.fan_out.external_order_check_hours.0.map(|hours| (hours.from, hours.to)),
            },
            origin: name.to_owned(),
        },
        storage,
        cache,
        results,
        publisher,
        http: Http::new(Timeouts::default()).map_err(|error| chain(&error)),
        environment,
        snapshots: Arc::new(SnapshotBudget::of_cores(service::cores())),
        turns: Arc::new(Turns::of_cores(service::cores())),
        suspect: Arc::new(Semaphore::new(1)),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn slots_of(arguments: &[&str]) -> Vec<(WorkQueue, usize)> {
        let arguments = std::iter::once("syncfleet-worker").chain(arguments.iter().copied());
        slots(&Arguments::try_parse_from(arguments).unwrap().worker)
    }

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn adhoc_has_a_tenth_more_but_at_least_one_slot_of_its_own() {
        use WorkQueue::{Adhoc, Periodic};
        assert_eq!(slots_of(&["--worker-concurrency", "20"]), [(Periodic, 20), (Adhoc, 2)]);
        assert_eq!(slots_of(&["--worker-concurrency", "1"]), [(Periodic, 1), (Adhoc, 1)]);
        assert_eq!(slots_of(&["--worker-concurrency", "8", "--worker-queues", "adhoc"]), [(Adhoc, 8)]);
    }
}
