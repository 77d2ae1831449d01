mod canaries;
mod declared;
mod management;
mod timeout;

use std::time::Duration;

use queue::{Checkup, QueueError, ask_workers};
use serde_json::{Value, json};

use super::Looked;
use super::finding::Finding;
use crate::servers::Servers;

/// Debian 12's, with which all of this was tried.
const VERSION_MIN: (u32, u32) = (3, 10);
/// How long the canaries may be out.
const CANARY_LIMIT: Duration = Duration::from_secs(5);
/// How long workers may take to tell their settings.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// Looks at RabbitMQ: over AMQP, and, where it is known, over its management API.
pub(super) async fn look(time_limit: u64, servers: &Servers) -> Looked {
    let mend =
        "see whether RabbitMQ runs, and what RABBITMQ_URL says: host, port, virtual host, user and password";
    let lost = |error: &QueueError| Finding::serious("rabbitmq", pipeline::chain(error), mend);
    let urls = match servers.rabbit_urls() {
        Ok(urls) => urls,
        Err(failure) => {
            return (vec![Finding::serious("rabbitmq", failure.text(), "set RABBITMQ_URL")], None);
        }
    };
    let nothing = json!({});
    let (checkup, told, workers) = tokio::join!(
        Checkup::open(&urls, &servers.client),
        management::ask(servers),
        ask_workers(&urls, &servers.client, "conf", &nothing, None, ANSWER_LIMIT),
    );
    let checkup = match checkup {
        Ok(checkup) => checkup,
        Err(error) => return (vec![lost(&error)], None),
    };
    let version = checkup.version().and_then(numbers);
    let mut findings = vec![server(&checkup, version)];
    if checkup.is_blocked() {
        findings.push(Finding::serious(
            "rabbitmq_alarm",
            "it takes no messages: a memory or disk alarm",
            "free memory or disk on its hosts; `rabbitmq-diagnostics alarms` tells which",
        ));
    }
    let limits: Vec<u64> =
        workers.iter().flatten().filter_map(|(_, conf)| conf["task_time_limit"].as_u64()).collect();
    let time_limit = limits.iter().copied().max().unwrap_or(time_limit);
    findings.extend(match look_inside(&checkup).await {
        Ok(found) => found,
        Err(error) => vec![lost(&error)],
    });
    findings.extend(management::judge(&told, version));
    findings.push(timeout::judge(&told, time_limit));
    checkup.close().await;
    (findings, None)
}

async fn look_inside(checkup: &Checkup) -> Result<Vec<Finding>, QueueError> {
    let all = checkup.declared().await?;
    let mut findings = declared::judge(&all);
    findings.push(declared::workers(&all));
    let (unwritable, unreadable) = (checkup.unwritable().await?, checkup.unreadable(&all).await?);
    findings.push(declared::permissions(&all, &unwritable, &unreadable));
    findings.extend(canaries::judge(&checkup.canaries(&all, CANARY_LIMIT).await?));
    Ok(findings)
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

/// What the management API said, where it was asked.
struct Told {
    /// `None`: `RABBITMQ_MANAGEMENT_URL` says nothing. `Err`: it did not answer.
    queues: Option<Result<Vec<Value>, String>>,
    /// Whether each work queue and delay step is bound to its exchange: names of those that are not.
    unbound: Vec<String>,
    /// The nodes, with the files of their configuration.
    nodes: Vec<Value>,
}
