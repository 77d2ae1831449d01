//! `cargo xtask demo`: the whole way, once, on real servers and processes.

mod fleet;
mod keep;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::demo::fleet::Fleet;

/// How long the accounts of the first tick may take; the user's own history may be large.
const TICK: Duration = Duration::from_secs(120);
/// Between two looks.
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Your own history instead of the samples: JSON lines whose fields are the columns of `orders`
    #[arg(long, value_name = "FILE.jsonl")]
    orders: Option<PathBuf>,
    /// Leave servers and programs running and print their addresses
    #[arg(long)]
    keep: bool,
    /// End what an earlier `--keep` left running
    #[arg(long, conflicts_with_all = ["keep", "orders"])]
    end: bool,
    #[arg(long, hide = true)]
    hold: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let orders = match &arguments.orders {
        Some(file) => Some(file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?),
        None => None,
    };
    match (arguments.end, arguments.keep, arguments.hold) {
        (true, ..) => keep::end(),
        (_, true, _) => keep::start(orders.as_deref()),
        (_, _, true) => keep::hold(|| play(orders.as_deref())),
        _ => {
            let fleet = play(orders.as_deref())?;
            println!("\nTo keep all this running and look around: cargo xtask demo --keep");
            println!("To run every test on servers like these:  cargo xtask test");
            drop(fleet);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Servers, data, programs, one tick, tables.
fn play(orders: Option<&std::path::Path>) -> Result<Fleet> {
    heading("Building, and starting private RabbitMQ, PostgreSQL and Redis");
    let mut fleet = Fleet::start_servers()?;
    heading("Preparing the database and loading order histories");
    fleet.syncfleet(&["migrate"])?;
    match orders {
        Some(file) => fleet.syncfleet(&["import", "orders", &file.to_string_lossy()])?,
        None => sample::load(&mut fleet)?,
    }
    heading("Starting two workers and a beat; its first tick publishes a job per account");
    fleet.start_programs()?;
    let accounts = show_tick(&fleet)?;
    for account in &accounts {
        heading(&format!("syncfleet account show {account:?}"));
        fleet.syncfleet(&["account", "show", account])?;
    }
    heading("syncfleet account list");
    fleet.syncfleet(&["account", "list"])?;
    heading("What else there is to look at");
    println!("  syncfleet watch                        notifications as they arrive");
    println!("  syncfleet sync --all --force --wait    sync now, and wait for the outcomes");
    println!("  syncfleet queue status                 queues, delay steps and dead letters");
    println!("  syncfleet --help                       everything");
    Ok(fleet)
}

/// Prints notifications as they arrive until every account has been synced; returns the accounts.
fn show_tick(fleet: &Fleet) -> Result<Vec<String>> {
    let begun = Instant::now();
    let mut shown = 0;
    loop {
        let output = fleet.watched();
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        for line in whole.lines().skip(shown).filter(|line| !line.starts_with("watching")) {
            println!("  {line}");
        }
        shown = whole.lines().count();
        let listed: Value = serde_json::from_str(&fleet.query(&["account", "list", "--json"])?)
            .context("syncfleet account list --json wrote no JSON")?;
        let rows = listed.as_array().map_or(&[][..], Vec::as_slice);
        let name = |row: &Value| row["account"].as_str().unwrap_or_default().to_owned();
        let told = |row: &Value| output.contains(&format!("sync_completed {}:", name(row)));
        if rows.iter().all(|row| !row["status"].is_null() && told(row)) {
            if let Some(row) = rows.iter().find(|row| row["status"] != "success") {
                bail!("account {} ended {}:\n{}", name(row), row["status"], fleet.logs());
            }
            return Ok(rows.iter().map(name).collect());
        }
        if begun.elapsed() > TICK {
            bail!("not every account was synced within {TICK:?}:\n{}", fleet.logs());
        }
        std::thread::sleep(POLL);
    }
}

fn heading(text: &str) {
    println!("\n== {text}");
}
