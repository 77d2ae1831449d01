//! `cargo xtask`: the tasks around the code, in Rust instead of shell.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

mod bench;
mod capacity;
mod chaos;
mod demo;
mod layers;
mod lint;
mod prepare;
mod random;
mod servers;
mod services;
mod supervisor;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure the whole product against its peers and limits, or one thing apart.
    Bench(bench::Arguments),
    /// What a fleet of so many accounts needs, on paper and simulated.
    Capacity(capacity::Arguments),
    /// Blow a storm of faults over a real fleet, and count what became of everything.
    Chaos(chaos::Arguments),
    /// Show the whole way once: real servers, a beat, two workers, one tick, tables.
    Demo(demo::Arguments),
    /// Format, clippy, the direction of dependencies, and whether .sqlx is up to date.
    Lint,
    /// Write .sqlx, which lets the workspace compile without a database, from the queries and migrations.
    Prepare {
        /// Write nothing; fail when .sqlx is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Private servers for work by hand.
    #[command(subcommand)]
    Services(services::Services),
    /// Run all tests against private servers that are started once.
    Test {
        /// For `cargo nextest run`, such as a filter.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Capacity(arguments) => capacity::run(&arguments),
        Task::Chaos(arguments) => chaos::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Lint => lint::run(),
        Task::Prepare { check } => prepare::run(check),
        Task::Services(services) => services::run(&services),
        Task::Test { arguments } => test::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
