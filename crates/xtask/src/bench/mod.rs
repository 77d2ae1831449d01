//! `cargo xtask bench`: the whole product against its peers and limits, in turn, on the same private servers.
//!
//! Run it on a machine that does nothing else.

mod built;
mod chart;
mod check;
mod discovery;
mod figures;
mod fleet;
mod ground;
mod kill;
mod latency;
mod machine;
mod memory;
mod noop;
mod part;
mod peer;
mod pgbench;
mod publish;
mod report;
mod row;
mod script;
#[path = "../../../storage/src/session.rs"]
mod session;
mod size;
mod stage;
mod stopwatch;
mod syncs;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::part::Part;
use self::row::Row;
use self::size::Size;
use self::stage::Stage;
use crate::workspace::{cargo, run as run_command};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    single: Option<Single>,
    /// A look: two rounds, and less of everything
    #[arg(long)]
    quick: bool,
    /// Whether everything works at all; the figures say nothing
    #[arg(long, hide = true)]
    tiny: bool,
    /// Only these parts, separated by commas
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Fail when a ratio is more than a fifth below that in tests/BENCHMARKS.md
    #[arg(long)]
    check: bool,
    /// Write tests/BENCHMARKS.md; with --only, the rows of other parts stay as they are
    #[arg(long, conflicts_with = "check")]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Single {
    /// The fold in memory, fills a second; then what a generation costs by the length of an account's history.
    Ledger,
    /// Whole syncs through RabbitMQ, and what Celery's results and events cost them.
    Queue,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.single {
        Some(Single::Ledger) => {
            run_command(&mut cargo(&["bench", "-p", "ledger", "--bench", "fold"]))?;
            run_command(&mut cargo(&["bench", "-p", "pipeline", "--bench", "generation"]))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Single::Queue) => {
            run_command(&mut cargo(&["bench", "-p", "pipeline", "--bench", "queue"]))?;
            Ok(ExitCode::SUCCESS)
        }
        None => whole(arguments),
    }
}

fn whole(arguments: &Arguments) -> Result<ExitCode> {
    // Read before anything is measured, so that a file that cannot be read costs nobody half an hour.
    let before = if arguments.check { check::checked_in()? } else { Vec::new() };
    let parts = Part::wanted(&arguments.only);
    let size = Size::of(arguments);
    let tools: Vec<_> = parts.iter().flat_map(|part| part.tools()).copied().collect();
    let stage = Stage::set(&tools)?;
    let mut rows: Vec<Row> = Vec::new();
    for part in parts {
        println!("{}: {}", part.name(), part.what());
        let measured = part.measure(&stage, &size)?;
        measured.iter().for_each(|row| println!("  {}", row.line()));
        rows.extend(measured);
    }
    report::write(&stage, arguments, &rows)?;
    if !arguments.check {
        return Ok(ExitCode::SUCCESS);
    }
    let fallen = check::fallen(&before, &rows);
    fallen.iter().for_each(|line| println!("fallen: {line}"));
    println!("fallen: {}", fallen.len());
    Ok(if fallen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
