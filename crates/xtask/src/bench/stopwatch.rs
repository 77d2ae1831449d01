use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use testbed::Process;

use super::stage::Stage;

/// For whatever is counted; more than the slowest peer takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Lets a frozen worker go and returns the seconds from then until `count` notifications are there: its jobs were
/// enqueued before, so neither its start nor their enqueueing is part of it.
pub(crate) fn seconds(stage: &Stage, amqp_url: &str, count: usize, worker: &Process) -> Result<f64> {
    let mut command = stage.script("stopwatch.py");
    command.args([amqp_url, &count.to_string()]);
    let watch = Process::spawn(command)?;
    watch.wait_for_line("ready", PATIENCE)?;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    worker.cont()?;
    let said = watch.wait_for_line("done", PATIENCE).with_context(|| {
        let output = worker.output();
        let tail = output.lines().rev().take(20).collect::<Vec<_>>();
        format!("not all was done; the worker's last lines, newest first:\n{}", tail.join("\n"))
    })?;
    let last = said.split_whitespace().nth(2).and_then(|last| last.parse::<f64>().ok());
    Ok(last.context("a stopwatch without a time")? - begun.as_secs_f64())
}
