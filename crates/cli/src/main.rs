//! `syncfleet`: what operators type.

mod account;
mod ago;
mod brokerage;
mod dead;
mod failure;
mod import;
mod instant;
mod management;
mod migrate;
mod output;
mod queue_status;
mod servers;
mod sync;
mod watch;
mod worker;

use clap::{Parser, Subcommand};
use service::{Connections, LogArgs, ManagementArgs, exit};

use crate::failure::Failure;
use crate::servers::Servers;

/// Enqueues syncs of broker accounts, looks inside the fleet, loads order histories.
///
/// Exit codes: 0 done; 1 the operation failed (any sync that was not `success`, also on time-out); 2 usage; 69 a server
/// cannot be reached; 78 bad settings. Every setting is a flag or an environment variable.
#[derive(Debug, Parser)]
#[command(name = "syncfleet", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connections: Connections,
    #[command(flatten)]
    management: ManagementArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the migrations
    Migrate,
    /// Load order histories, opening lots, corporate actions and holidays
    #[command(subcommand)]
    Import(import::Command),
    /// Enqueue syncs of accounts
    Sync(sync::Arguments),
    /// Print notifications as they arrive
    Watch(watch::Arguments),
    /// Look at accounts
    #[command(subcommand)]
    Account(account::Command),
    /// Look at queues
    #[command(subcommand)]
    Queue(queue_status::Command),
    /// Look at dead letters, run them again, delete them
    #[command(subcommand)]
    Dead(dead::Command),
    /// Look at workers, and end them
    #[command(subcommand)]
    Worker(worker::Command),
    /// Make workers refuse jobs, and end those that run
    Revoke(worker::Revocation),
    /// Say which brokerage an account is at
    #[command(subcommand)]
    Brokerage(brokerage::Command),
}

fn main() {
    std::process::exit(service::block_on(async {
        match service::parse::<Arguments>() {
            Ok(arguments) => start(arguments).await,
            Err(failure) => failure.report(),
        }
    }));
}

async fn start(arguments: Arguments) -> i32 {
    // Standard error belongs to the command's own words.
    service::init_logging(&arguments.log, "warn");
    service::install_tls();
    let servers = match Servers::new(arguments.connections, arguments.management) {
        Ok(servers) => servers,
        Err(failure) => return failure.report(),
    };
    let json = arguments.json;
    let ended = tokio::select! {
        ended = dispatch(arguments.command, &servers, json) => ended,
        _ = tokio::signal::ctrl_c() => return exit::INTERRUPTED,
    };
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn dispatch(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::Migrate => migrate::run(servers, json).await,
        Command::Import(command) => import::run(command, servers, json).await,
        Command::Sync(arguments) => sync::run(arguments, servers, json).await,
        Command::Watch(arguments) => watch::run(arguments, servers, json).await,
        Command::Account(command) => account::run(command, servers, json).await,
        Command::Queue(command) => queue_status::run(command, servers, json).await,
        Command::Dead(command) => dead::run(command, servers, json).await,
        Command::Worker(command) => worker::run(command, servers, json).await,
        Command::Revoke(revocation) => worker::revoke(revocation, servers, json).await,
        Command::Brokerage(command) => brokerage::run(command, servers, json).await,
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
