use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testbed::Process;

use super::built::Tool;
use super::figures::in_turn;
use super::fleet::Fleet;
use super::memory::peak_mb;
use super::noop::rate;
use super::part::Part;
use super::row::{Better, Row, named};
use super::size::Size;
use super::stage::Stage;

/// For a tick to be published.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a beat may take for 100,000 accounts.
const SECONDS: f64 = 10.0;
/// What a beat may grow to; found anywhere, it is streamed.
const MEGABYTES: f64 = 40.0;

/// The same number of messages, by nothing but lapin.
pub(crate) const BARE: Tool = Tool::Peer("publish");

/// One tick of every account, found and published by a beat.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let fleet = Fleet::new(stage)?;
    let accounts = size.many_accounts;
    fleet.fill(accounts, 1, 2)?;
    fleet.settle()?;
    let mut memory = Vec::new();
    let mut bare = stage.tool(BARE)?;
    bare.args([&fleet.vhost.url(), &accounts.to_string()]);
    let measured = in_turn(
        size.rounds,
        &mut [
            &mut |round| {
                let (seconds, peak) = tick(&fleet, accounts)?;
                if round > 0 {
                    memory.push(peak);
                }
                Ok(accounts as f64 / seconds)
            },
            &mut |_| rate(&mut bare),
        ],
    )?;
    let seconds: Vec<f64> = measured[0].iter().map(|rate| accounts as f64 / rate).collect();
    let limit = SECONDS * accounts as f64 / 100_000.0;
    let bare = ("bare publishing with confirms", measured[1].as_slice());
    Ok(vec![
        Row::versus(Part::Publish.name(), "jobs/s", Better::More, &measured[0], bare, Some(0.8)),
        Row::within(&named(Part::Publish, "a tick"), "s", seconds, limit),
        Row::within(&named(Part::Publish, "memory"), "MB", memory, MEGABYTES),
    ])
}

/// Starts a beat, which finds a tick to publish, and ends it afterwards. Seconds from the first look for ticks to what it
/// writes after the last confirm, and the most memory that it had.
///
/// Its lines are waited for, not its rows: a client of PostgreSQL for each look takes a quarter of a core from it.
fn tick(fleet: &Fleet, accounts: usize) -> Result<(f64, f64)> {
    fleet.database.sql("TRUNCATE tradingdb.ticks")?;
    let mut command = fleet.command("syncfleet-beat");
    // The tick after the first one is hours away.
    command.env("SYNC_INTERVAL_SECONDS", "86400");
    let beat = Process::spawn(command)?;
    beat.wait_for_line("a tick every", PATIENCE)?;
    let begun = Instant::now();
    beat.wait_for_line("jobs published", PATIENCE)?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_mb(&beat)?;
    let found = fleet.database.sql("SELECT accounts FROM tradingdb.ticks WHERE published_at IS NOT NULL")?;
    let found: usize = found.parse().context("a tick without a number of accounts")?;
    ensure!(found == accounts, "a tick of {found} accounts, not {accounts}");
    drop(beat);
    fleet.purge("periodic")?;
    Ok((seconds, peak))
}
