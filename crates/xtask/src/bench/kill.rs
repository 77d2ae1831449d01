use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use testbed::wait_until;

use super::fleet::Fleet;
use super::part::Part;
use super::row::Row;
use super::size::Size;
use super::stage::Stage;

/// Seconds until all jobs of a worker that was killed are done by another one.
const SECONDS: f64 = 2.0;
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is tried to kill a worker in the middle of something.
const TRIES: usize = 20;

/// How long jobs take that a worker had when it was killed.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let fleet = Fleet::new(stage)?;
    fleet.fill(size.accounts, 1, size.orders)?;
    fleet.settle()?;
    let survivor = fleet.worker(&[("WORKER_NAME", "survivor")])?;
    let mut seconds = Vec::new();
    for _ in 0..size.rounds {
        seconds.push(round(&fleet)?);
    }
    drop(survivor);
    Ok(vec![Row::within(Part::Kill.name(), "s", seconds, SECONDS)])
}

fn round(fleet: &Fleet) -> Result<f64> {
    for _ in 0..TRIES {
        let victim = fleet.worker(&[("WORKER_NAME", "victim")])?;
        fleet.database.sql("TRUNCATE tradingdb.sync_outcomes")?;
        fleet.enqueue(true)?;
        wait_until("jobs of the victim", PATIENCE, || count(fleet, "victim") >= 20);
        let killed = Instant::now();
        victim.kill()?;
        let had =
            ids(fleet, "SELECT lease_job FROM tradingdb.account_sync_state WHERE lease_worker = 'victim'")?;
        let done = || ids(fleet, "SELECT sync_id FROM tradingdb.sync_outcomes").unwrap_or_default();
        wait_until("the end of the victim's jobs", PATIENCE, || had.is_subset(&done()));
        let took = killed.elapsed().as_secs_f64();
        wait_until("the end of all jobs", PATIENCE, || fleet.is_idle());
        if !had.is_empty() {
            return Ok(took);
        }
    }
    bail!("a worker could not be killed in the middle of a job")
}

fn count(fleet: &Fleet, worker: &str) -> usize {
    let query = format!("SELECT count(*) FROM tradingdb.sync_outcomes WHERE worker = '{worker}'");
    fleet.database.sql(&query).ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn ids(fleet: &Fleet, query: &str) -> Result<BTreeSet<String>> {
    Ok(fleet.database.sql(query)?.lines().map(str::to_owned).collect())
}
