use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::Vhost;

use super::built::Tool;
use super::figures::in_turn;
use super::part::Part;
use super::peer::Peer;
use super::row::{Better, Row, named};
use super::size::Size;
use super::stage::{Stage, answer};
use super::stopwatch;

/// As many as the bare loop and the peers are given before they ack: a worker holds what it runs, so its slots are what is
/// on its way.
const SLOTS: &str = "256";

const OURS: Tool = Tool::Bench("queue", "noop");
const BARE: Tool = Tool::Peer("consume");
const APALIS: Tool = Tool::Peer("apalis");
const RUSTY_CELERY: Tool = Tool::Peer("rusty_celery");
/// Whatever is measured beside the peer.
pub(crate) const TOOLS: [Tool; 4] = [OURS, BARE, APALIS, RUSTY_CELERY];

/// Jobs that do nothing, a second: ours, the limit, and whoever else there is. Ours with as many slots as the others are
/// given at a time, and with those that a worker has by default.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let servers = &stage.servers;
    let vhost = Vhost::create_on(&servers.rabbitmq.url(), &servers.rabbitmq.management_url())?;
    let words = [vhost.url(), size.noops.to_string()];
    let mut ours = stage.tool(OURS)?;
    ours.args(&words).arg(SLOTS);
    let mut default_slots = stage.tool(OURS)?;
    default_slots.args(&words);
    let mut bare = stage.tool(BARE)?;
    bare.args(&words);
    let mut apalis = stage.tool(APALIS)?;
    apalis.args(&words);
    let mut rusty = stage.tool(RUSTY_CELERY)?;
    rusty.args(&words);
    let (peer, count) = (Peer::new(stage)?, size.celery_noops);
    let celery_worker = peer.worker()?;

    let measured = in_turn(
        size.rounds,
        &mut [
            &mut |_| rate(&mut ours),
            &mut |_| rate(&mut bare),
            &mut |_| rate(&mut apalis),
            &mut |_| rate(&mut rusty),
            &mut |_| {
                celery_worker.stop()?;
                peer.run(&["noop", &count.to_string()])?;
                let seconds = stopwatch::seconds(stage, &peer.vhost.url(), 1, &celery_worker)?;
                Ok(count as f64 / seconds)
            },
            &mut |_| rate(&mut default_slots),
        ],
    )?;
    let names = [
        ("the bare lapin loop", 0.9),
        ("apalis-amqp", 1.0),
        ("rusty-celery (classic queue)", 1.0),
        ("Celery", 1.0),
    ];
    let row = |((against, target), theirs): ((&str, f64), &Vec<f64>)| {
        let theirs = (against, theirs.as_slice());
        Row::versus(Part::Noop.name(), "jobs/s", Better::More, &measured[0], theirs, Some(target))
    };
    let mut rows: Vec<Row> = names.into_iter().zip(&measured[1..]).map(row).collect();
    let (name, bare) = (named(Part::Noop, "default slots"), (names[0].0, measured[1].as_slice()));
    rows.push(Row::versus(&name, "jobs/s", Better::More, &measured[5], bare, None));
    Ok(rows)
}

/// Runs a program that prints how many a second it did.
pub(crate) fn rate(command: &mut Command) -> Result<f64> {
    figure(command, "per_second")
}

/// Runs a program that prints figures as JSON, and picks one.
pub(crate) fn figure(command: &mut Command, name: &str) -> Result<f64> {
    let said = figures(command)?;
    said[name].as_f64().with_context(|| format!("no {name} in {said}"))
}

/// Runs a program that prints figures as JSON.
pub(crate) fn figures(command: &mut Command) -> Result<Value> {
    let said = answer(command)?;
    serde_json::from_str(&said).with_context(|| format!("no figures: {said}"))
}
