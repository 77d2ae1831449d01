//! `syncfleet-beat`: publishes one job per account at every tick. Run as many as you like; each tick is published
//! once.

mod due;
mod scheduler;
mod vitals;
mod watch;

use clap::Parser;
use pipeline::{CheckSchedule, FanOut, Fleet, chain};
use queue::{Publisher, RabbitUrls};
use service::{
    BeatArgs, Connections, FanOutArgs, Fatal, LogArgs, Metrics, MetricsArgs, NotReady, PatienceArgs,
    Shutdown, Teller, Told, TracesArgs,
};
use storage::{Storage, StorageError};
use tracing::info;

use crate::scheduler::Scheduler;
use crate::vitals::Course;

/// Publishes one sync job per account at every tick, to the queue `periodic`.
///
/// Any number may run side by side: each tick is claimed in PostgreSQL by one of them. Every setting is a flag or an
/// environment variable.
#[derive(Debug, Parser)]
#[command(name = "syncfleet-beat", version)]
struct Arguments {
    #[command(flatten)]
    connections: Connections,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    fan_out: FanOutArgs,
    #[command(flatten)]
    beat: BeatArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    traces: TracesArgs,
}

fn main() {
    std::process::exit(service::block_on(async {
        match service::parse::<Arguments>() {
            Ok(Arguments { metrics: MetricsArgs { probe: Some(probe), metrics_addr }, .. }) => {
                service::probe(probe, metrics_addr).await
            }
            Ok(arguments) => {
                let (log, traces, name) =
                    (arguments.log.clone(), arguments.traces.clone(), service::process_name("beat"));
                let teller = Teller { program: "syncfleet-beat", instance: &name };
                service::run(&log, &traces, teller, async |shutdown| schedule(arguments, shutdown).await)
                    .await
            }
            Err(failure) => failure.log(),
        }
    }));
}

async fn schedule(arguments: Arguments, shutdown: &Shutdown) -> Result<(), Fatal> {
    let Arguments { connections, patience, fan_out: schedule, beat, metrics, .. } = arguments;
    let give_up_after = patience.give_up_seconds;
    let metrics = Metrics::keep(&metrics, "syncfleet-beat")?;
    queue::describe_metrics();
    pipeline::describe_metrics();
    let name = service::process_name("beat");
    let certificates = connections.tls.certificates()?;
    let url = connections.database_url.expose();
    let storage = Storage::new(url, &certificates, 4, &name, &connections.default_organization_id)
        .map_err(|error| Fatal::setting("DATABASE_URL", chain(&error)))?;
    let urls = RabbitUrls::parse(connections.rabbitmq_url.expose())
        .map_err(|error| Fatal::setting("RABBITMQ_URL", error))?
        .with_certificates(certificates);
    let ready = async {
        service::wait_for("PostgreSQL", give_up_after, async || {
            storage.check_migrated().await.map_err(|error| NotReady {
                is_lasting: matches!(error, StorageError::Untrusted(_)),
                text: chain(&error),
            })
        })
        .await?;
        let publisher = Publisher::start(urls, &name);
        publisher.connected(give_up_after).await.map_err(|error| format!("RabbitMQ: {error}"))?;
        Ok::<_, String>(publisher)
    };
    let publisher = tokio::select! {
        publisher = ready => publisher.map_err(Fatal::unavailable)?,
        () = shutdown.requested.cancelled() => return Ok(()),
    };
    let (interval, spread) = (schedule.sync_interval_seconds, schedule.beat_spread_seconds);
    let fleet = Fleet::new(storage.clone(), pipeline::SCHEDULE, interval, spread);
    metrics.tell(Health { storage: storage.clone(), publisher: publisher.clone(), fleet }).await?;
    let fan_out = FanOut {
        storage: storage.clone(),
        publisher,
        interval: schedule.sync_interval_seconds,
        spread: schedule.beat_spread_seconds,
        checks: CheckSchedule {
            interval: schedule.external_order_check_minutes,
            hours: schedule.external_order_check_hours.0.map(|hours| (hours.from, hours.to)),
        },
        origin: name.clone(),
    };
    info!(
        name,
        interval_seconds = schedule.sync_interval_seconds.as_secs(),
        "{name}: a tick every {} s",
        schedule.sync_interval_seconds.as_secs()
    );
    let publisher = fan_out.publisher.clone();
    let course = Course::default();
    service::supervise(course.clone(), shutdown.requested.clone());
    let scheduler = Scheduler {
        course,
        storage,
        fan_out,
        owner: name,
        catch_up: beat.beat_catch_up,
        retention_days: beat.retention_days,
    };
    tokio::select! {
        () = scheduler.run(&shutdown.requested) => {}
        () = publisher.unreachable_for(give_up_after) => {
            return Err(Fatal::unavailable(format!("RabbitMQ: nothing could be published for {give_up_after:?}")));
        }
    }
    info!("stopped");
    Ok(())
}

/// Whether this beat can publish ticks.
struct Health {
    storage: Storage,
    publisher: Publisher,
    fleet: Fleet,
}

impl Told for Health {
    async fn refresh(&self) -> String {
        self.publisher.refresh_metrics();
        let ((), told) = tokio::join!(pipeline::refresh_metrics(&self.storage), self.fleet.told());
        told
    }

    async fn ready(&self) -> Result<(), String> {
        self.publisher.ready()?;
        self.storage.now().await.map(drop).map_err(|error| format!("PostgreSQL: {}", chain(&error)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
