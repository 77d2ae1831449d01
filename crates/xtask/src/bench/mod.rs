//! `cargo xtask bench`: figures, from optimised builds. Run them on a machine that does nothing else.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{cargo, run as run_command};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// The fold in memory, fills a second; then what a generation costs by the length of an account's history.
    Ledger,
    /// Whole syncs through RabbitMQ, and what Celery's results and events cost them.
    Queue,
}

pub(crate) fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Ledger => {
            run_command(&mut cargo(&["bench", "-p", "ledger", "--bench", "fold"]))?;
            run_command(&mut cargo(&["bench", "-p", "pipeline", "--bench", "generation"]))?;
        }
        Bench::Queue => run_command(&mut cargo(&["bench", "-p", "pipeline", "--bench", "queue"]))?,
    }
    Ok(ExitCode::SUCCESS)
}
