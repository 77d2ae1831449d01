use std::time::Duration;

use queue::{Checkup, QueueError, RabbitUrls};
use tokio::time::{Instant, timeout_at};

use super::{canaries, declared};
use crate::doctor::finding::Finding;
use crate::servers::Servers;

/// Debian 12's, with which all of this was tried.
const VERSION_MIN: (u32, u32) = (3, 10);
/// How long the canaries may be out.
const CANARY_LIMIT: Duration = Duration::from_secs(5);
/// What is needed after them, to see why some are late.
const AFTERWARDS: Duration = Duration::from_secs(2);
const MEND: &str =
    "see whether RabbitMQ runs, and what RABBITMQ_URL says: host, port, virtual host, user and password";

/// What there is to look at, in this order.
const PARTS: [&str; 3] = ["queues and exchanges", "permissions", "the way through the delay steps"];

/// What was seen over AMQP, as far as the time sufficed.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    pub(super) version: Option<(u32, u32)>,
    /// Whether RabbitMQ let us in.
    pub(super) is_open: bool,
    /// Of [`PARTS`], how many were looked at.
    done: usize,
}

/// Looks at what is there and tries it; what was seen before RabbitMQ hung or hung up is kept.
pub(super) async fn look(urls: &RabbitUrls, servers: &Servers, deadline: Instant) -> Seen {
    let mut seen = Seen::default();
    let late = || "no answer in time".to_owned();
    let checkup = match timeout_at(deadline, Checkup::open(urls, &servers.client)).await {
        Ok(Ok(checkup)) => checkup,
        Ok(Err(error)) => {
            seen.findings.push(Finding::serious("rabbitmq", pipeline::chain(&error), MEND));
            return seen;
        }
        Err(_) => {
            seen.findings.push(Finding::serious("rabbitmq", late(), MEND));
            return seen;
        }
    };
    seen.is_open = true;
    seen.version = checkup.version().and_then(numbers);
    seen.findings.push(server(&checkup, seen.version));
    let cut = match timeout_at(deadline, look_inside(&checkup, &mut seen, deadline)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(pipeline::chain(&error)),
        Err(_) => Some(late()),
    };
    if let Some(why) = cut {
        let text = format!("{why}; so not looked at: {}", PARTS[seen.done..].join(", "));
        let mend = "see whether RabbitMQ hangs, or the network to it, what its log says, and that our user may do what deploy/README.md (RabbitMQ) says";
        seen.findings.push(Finding::serious("rabbitmq_answers", text, mend));
    }
    // It is told to those who publish, so only now.
    if checkup.is_blocked() {
        seen.findings.push(Finding::serious(
            "rabbitmq_alarm",
            "it takes no messages: a memory or disk alarm",
            "free memory or disk on its hosts; `rabbitmq-diagnostics alarms` tells which",
        ));
    }
    checkup.close().await;
    seen
}

async fn look_inside(checkup: &Checkup, seen: &mut Seen, deadline: Instant) -> Result<(), QueueError> {
    let all = checkup.declared().await?;
    seen.findings.extend(declared::judge(&all));
    seen.findings.push(declared::workers(&all));
    seen.done = 1;
    let (unwritable, unreadable) = tokio::try_join!(checkup.unwritable(), checkup.unreadable(&all))?;
    seen.findings.push(declared::permissions(&all, &unwritable, &unreadable));
    seen.done = 2;
    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(AFTERWARDS);
    let canaries = checkup.canaries(&all, CANARY_LIMIT.min(left)).await?;
    seen.findings.extend(canaries::judge(&canaries));
    seen.done = 3;
    Ok(())
}

fn server(checkup: &Checkup, version: Option<(u32, u32)>) -> Finding {
    let name =
        format!("RabbitMQ {} at {}", checkup.version().unwrap_or("of unknown version"), checkup.server());
    match version {
        Some(version) if version < VERSION_MIN => {
            Finding::warning("rabbitmq", format!("{name} is old"), "use RabbitMQ 3.10 or later")
        }
        _ => Finding::ok("rabbitmq", name),
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
