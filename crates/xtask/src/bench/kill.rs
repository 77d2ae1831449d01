use std::collections::BTreeSet;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use testbed::{Process, wait_until};

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
    // As many as two workers have turns for, so that no job waits behind others, only for its worker; of histories that take long
    // enough to be killed in the middle of, and not so long that the work itself would be what is measured.
    let accounts = 2 * 4 * available_parallelism().map_or(1, usize::from);
    fleet.fill(accounts, 1, 5 * size.orders)?;
    fleet.settle()?;
    let survivor = fleet.worker(&[("WORKER_NAME", "survivor")])?;
    let mut seconds = Vec::new();
    for _ in 0..size.rounds {
        seconds.push(round(&fleet, &survivor)?);
    }
    Ok(vec![Row::within(Part::Kill.name(), "s", seconds, SECONDS)])
}

fn round(fleet: &Fleet, survivor: &Process) -> Result<f64> {
    for _ in 0..TRIES {
        let victim = fleet.worker(&[("WORKER_NAME", "victim")])?;
        fleet.database.sql("TRUNCATE tradingdb.sync_outcomes")?;
        // Neither begins before all is there: enqueueing takes longer than some syncs.
        survivor.stop()?;
        victim.stop()?;
        fleet.enqueue(true)?;
        victim.cont()?;
        survivor.cont()?;
        wait_until("a job of the victim", PATIENCE, || !held(fleet).is_empty());
        let killed = Instant::now();
        victim.kill()?;
        let had = held(fleet);
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

/// The jobs that the victim runs, or ran when it died.
fn held(fleet: &Fleet) -> BTreeSet<String> {
    let query = "SELECT lease_job FROM tradingdb.account_sync_state WHERE lease_worker = 'victim'";
    ids(fleet, query).unwrap_or_default()
}

fn ids(fleet: &Fleet, query: &str) -> Result<BTreeSet<String>> {
    Ok(fleet.database.sql(query)?.lines().map(str::to_owned).collect())
}
