//! `syncfleet-beat`: publishes one job per account at every tick. Run as many as you like; each tick is published
//! once.

mod due;
mod scheduler;

use clap::Parser;
use pipeline::{CheckSchedule, FanOut, chain};
use queue::{GIVE_UP_AFTER, Publisher, RabbitUrls};
use service::{BeatArgs, Connections, FanOutArgs, LogArgs, Shutdown, exit};
use storage::Storage;
use tracing::{error, info};

use crate::scheduler::Scheduler;

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
    fan_out: FanOutArgs,
    #[command(flatten)]
    beat: BeatArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[tokio::main]
async fn main() {
    let code = match service::parse::<Arguments>() {
        Ok(arguments) => run(arguments).await,
        Err(failure) => failure.report(),
    };
    std::process::exit(code);
}

async fn run(arguments: Arguments) -> i32 {
    service::init_logging(&arguments.log, "info");
    service::install_tls();
    let shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            error!("cannot listen for signals: {error}");
            return exit::FAILED;
        }
    };
    tokio::select! {
        started = schedule(arguments, &shutdown) => match started {
            Ok(()) => exit::DONE,
            Err(error) => {
                error!("{error:#}");
                exit::UNAVAILABLE
            }
        },
        () = shutdown.forced.cancelled() => exit::INTERRUPTED,
    }
}

async fn schedule(arguments: Arguments, shutdown: &Shutdown) -> anyhow::Result<()> {
    let Arguments { connections, fan_out: schedule, beat, .. } = arguments;
    let name = service::process_name("beat");
    let storage =
        Storage::new(connections.database_url.expose(), 4, &name, &connections.default_organization_id)?;
    let urls = RabbitUrls::parse(connections.rabbitmq_url.expose())?;
    let ready = async {
        service::wait_for("PostgreSQL", service::START_LIMIT, async || {
            storage.check_migrated().await.map_err(|error| chain(&error))
        })
        .await?;
        let publisher = Publisher::start(urls, &name);
        publisher.connected(service::START_LIMIT).await.map_err(|error| format!("RabbitMQ: {error}"))?;
        Ok::<_, String>(publisher)
    };
    let publisher = tokio::select! {
        publisher = ready => publisher.map_err(anyhow::Error::msg)?,
        () = shutdown.requested.cancelled() => return Ok(()),
    };
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
    let scheduler = Scheduler {
        storage,
        fan_out,
        owner: name,
        catch_up: beat.beat_catch_up,
        retention_days: beat.retention_days,
    };
    tokio::select! {
        () = scheduler.run(&shutdown.requested) => {}
        () = publisher.unreachable_for(GIVE_UP_AFTER) => {
            anyhow::bail!("no connection with RabbitMQ for {GIVE_UP_AFTER:?}");
        }
    }
    info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
