use anyhow::Result;

use super::built::Tool;
use super::ground::Ground;
use super::noop::figures;
use super::part::Part;
use super::row::{Row, named};
use super::size::Size;
use super::stage::Stage;

/// Milliseconds from a job's enqueueing to its notification that half of all jobs, and all but one in a hundred, may take.
const P50: f64 = 10.0;
const P99: f64 = 50.0;

pub(crate) const PACE: Tool = Tool::Peer("pace");

/// From enqueueing to notification, at half of what the worker can do.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let ground = Ground::without_peer(stage, size.accounts, size.orders, &[])?;
    // Once to have positions, once to know the load.
    ground.ours(false, None)?;
    ground.settle()?;
    let pace = ground.ours(false, None)? / 2.0;
    let count = (pace * size.pace_seconds).ceil();
    let mut command = stage.tool(PACE)?;
    command.args([ground.amqp_url(), format!("{count}"), format!("{pace}"), size.accounts.to_string()]);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in 0..=size.rounds {
        let said = figures(&mut command)?;
        if round > 0 {
            p50.push(said["p50"].as_f64().unwrap_or(f64::NAN));
            p99.push(said["p99"].as_f64().unwrap_or(f64::NAN));
        }
    }
    Ok(vec![
        Row::within(&named(Part::Latency, "p50"), "ms", p50, P50),
        Row::within(&named(Part::Latency, "p99"), "ms", p99, P99),
    ])
}
