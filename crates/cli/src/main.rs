//! `syncfleet`: what operators type.

mod account;
mod ago;
mod brokerage;
mod completions;
mod dead;
mod doctor;
mod examples;
mod failure;
mod import;
mod instant;
mod interrupt;
mod man;
mod management;
mod migrate;
mod notes;
mod output;
mod progress;
mod queue_status;
mod servers;
mod sync;
mod watch;
mod worker;

use clap::{CommandFactory as _, Parser, Subcommand};
use service::{Connections, LogArgs, ManagementArgs, Teller, TracesArgs, exit};
use tracing::{Instrument as _, info_span};

use crate::failure::Failure;
use crate::servers::{CLIENT, Servers};

/// Enqueues syncs of broker accounts, looks inside the fleet, loads order histories.
///
/// Exit codes: 0 done; 1 the operation failed (any sync that was not `success`, also on time-out); 2 usage; 69 a server
/// cannot be reached; 78 bad settings; 130 ended by Ctrl-C. Every setting is a flag or an environment variable.
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
    #[command(flatten)]
    traces: TracesArgs,
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
    /// Look at the servers, and say what is wrong with them and how to mend it
    ///
    /// Nothing is changed but that a message goes through each empty delay step and back. Serious findings, for which the exit
    /// code is 1: a server away, migrations missing, a queue or exchange missing or not as it should be, confirms not working,
    /// a consumer_timeout below the jobs' time limit, a Cluster wanted and single Redis used. Takes under 15 s.
    Doctor(doctor::Arguments),
    /// Look at workers, and end them
    #[command(subcommand)]
    Worker(worker::Command),
    /// Make workers refuse jobs, and end those that run
    Revoke(worker::Revocation),
    /// Say which brokerage an account is at
    #[command(subcommand)]
    Brokerage(brokerage::Command),
    /// Print what makes a shell complete commands and options
    Completions(completions::Arguments),
    /// Print the man page, or write those of all commands into a folder
    Man(man::Arguments),
}

/// All commands, with their examples.
fn command() -> clap::Command {
    examples::with_examples(Arguments::command())
}

fn main() {
    std::process::exit(service::block_on(async {
        match service::parse_as::<Arguments>(command()) {
            Ok(arguments) => start(arguments).await,
            Err(failure) => failure.report(),
        }
    }));
}

async fn start(arguments: Arguments) -> i32 {
    // These two need no server, so no setting can be wrong for them.
    match &arguments.command {
        Command::Completions(arguments) => return completions::run(arguments),
        Command::Man(arguments) => return man::run(arguments).unwrap_or_else(|failure| failure.report()),
        _ => {}
    }
    let name = service::process_name(CLIENT);
    let teller = Teller { program: "syncfleet", instance: &name };
    let (log, traces) = (arguments.log.clone(), arguments.traces.clone());
    match service::run_command(&log, &traces, teller, async || run(arguments).await).await {
        Ok(code) => code,
        Err(bad) => Failure::from(bad).report(),
    }
}

async fn run(arguments: Arguments) -> i32 {
    let servers = match Servers::new(arguments.connections, arguments.management) {
        Ok(servers) => servers,
        Err(failure) => return failure.report(),
    };
    let json = arguments.json;
    let (ends_itself, left) = (arguments.command.ends_itself(), arguments.command.leaves());
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
        if ends_itself {
            // The command has heard it as well, and says what it did. A second one does not wait for that.
            let _ = tokio::signal::ctrl_c().await;
        }
    };
    let ended = tokio::select! {
        ended = dispatch(arguments.command, &servers, json) => ended,
        () = interrupted => match left {
            Some(left) => Err(Failure::interrupted(left)),
            None => return exit::INTERRUPTED,
        },
    };
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

impl Command {
    /// Whether it listens to Ctrl-C itself, to say what it has done.
    fn ends_itself(&self) -> bool {
        matches!(
            self,
            Self::Sync(_) | Self::Import(_) | Self::Dead(dead::Command::Replay(_) | dead::Command::Purge(_))
        )
    }

    /// What is left by one that is ended in the middle, if it changes anything.
    fn leaves(&self) -> Option<&'static str> {
        match self {
            Self::Migrate => Some(
                "the migrations that had run stay, the one that was running is rolled back; run it again",
            ),
            Self::Account(account::Command::Pause(_) | account::Command::Resume(_))
            | Self::Brokerage(brokerage::Command::Add(_))
            | Self::Worker(worker::Command::Shutdown { .. })
            | Self::Revoke(_) => Some("it may have been done; the same again does no harm"),
            _ if self.ends_itself() => Some("at once; what was on its way may have been done"),
            _ => None,
        }
    }
}

async fn dispatch(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::Migrate => migrate::run(servers, json).await,
        Command::Import(command) => import::run(command, servers, json).await,
        Command::Sync(arguments) => {
            // Its target makes it a trace, to which those of its jobs are linked, and no log.
            let span = info_span!(target: "otel", "sync", otel.name = "syncfleet sync");
            sync::run(arguments, servers, json).instrument(span).await
        }
        Command::Watch(arguments) => watch::run(arguments, servers, json).await,
        Command::Account(command) => account::run(command, servers, json).await,
        Command::Queue(command) => queue_status::run(command, servers, json).await,
        Command::Dead(command) => dead::run(command, servers, json).await,
        Command::Doctor(arguments) => doctor::run(&arguments, servers, json).await,
        Command::Worker(command) => worker::run(command, servers, json).await,
        Command::Revoke(revocation) => worker::revoke(revocation, servers, json).await,
        Command::Brokerage(command) => brokerage::run(command, servers, json).await,
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
        Command::Man(arguments) => man::run(&arguments),
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
