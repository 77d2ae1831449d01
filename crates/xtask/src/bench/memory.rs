use std::fs;

use anyhow::{Context, Result};
use testbed::Process;

use super::fleet::Fleet;
use super::part::Part;
use super::row::{Better, Row, named};
use super::size::Size;
use super::stage::Stage;
use super::stopwatch;

/// Megabytes that a worker may have with slots as by default, and with many.
const BY_DEFAULT: f64 = 40.0;
const WITH_MANY: f64 = 80.0;
const MANY: &str = "64";

/// A worker's memory while it rebuilds accounts, and whether it grows with the jobs that it has done.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let fleet = Fleet::new(stage)?;
    fleet.fill(size.accounts, 1, size.orders)?;
    fleet.settle()?;
    let (mut by_default, mut with_many) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        by_default.push(peak_of_force(stage, &fleet, size, &[])?);
        with_many.push(peak_of_force(stage, &fleet, size, &[("WORKER_CONCURRENCY", MANY)])?);
    }
    let worker = fleet.worker(&[])?;
    let (mut done, mut early) = (0, None);
    while done < size.many_jobs {
        round(stage, &fleet, size, &worker, false)?;
        done += size.accounts;
        // Whatever is made once, such as prepared statements, is there by then.
        if early.is_none() && done >= size.many_jobs / 10 {
            early = Some(megabytes(&worker, "VmRSS")?);
        }
    }
    let (early, late) = (early.unwrap_or(f64::NAN), megabytes(&worker, "VmRSS")?);
    let growth = named(Part::Memory, "after many jobs");
    Ok(vec![
        Row::within(&named(Part::Memory, "by default"), "MB", by_default, BY_DEFAULT),
        Row::within(&named(Part::Memory, &format!("at {MANY}")), "MB", with_many, WITH_MANY),
        Row::versus(&growth, "MB", Better::Less, &[late], ("a tenth of them", &[early]), Some(0.9)),
    ])
}

/// Of a worker that is started for it.
fn peak_of_force(stage: &Stage, fleet: &Fleet, size: &Size, settings: &[(&str, &str)]) -> Result<f64> {
    let worker = fleet.worker(settings)?;
    round(stage, fleet, size, &worker, true)?;
    peak_mb(&worker)
}

fn round(stage: &Stage, fleet: &Fleet, size: &Size, worker: &Process, force: bool) -> Result<()> {
    worker.stop()?;
    fleet.enqueue(force)?;
    stopwatch::seconds(stage, &fleet.vhost.url(), size.accounts, worker)?;
    fleet.all_succeeded()
}

/// The most memory that a program has had.
pub(crate) fn peak_mb(process: &Process) -> Result<f64> {
    megabytes(process, "VmHWM")
}

fn megabytes(process: &Process, field: &str) -> Result<f64> {
    let file = format!("/proc/{}/status", process.id());
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().nth(1)?.parse().ok());
    let kib: f64 = kib.with_context(|| format!("no {field} in {file}"))?;
    Ok(kib * 1024.0 / 1e6)
}
