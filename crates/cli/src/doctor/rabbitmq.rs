mod amqp;
mod canaries;
mod declared;
mod management;
mod timeout;

use std::time::Duration;

use queue::{RabbitUrls, ask_workers};
use serde_json::json;
use tokio::time::Instant;

use super::Looked;
use super::finding::Finding;
use crate::servers::Servers;

/// How long what goes over AMQP may take, its parting included: less than all that looks at one server may.
const AMQP_LIMIT: Duration = Duration::from_millis(9500);
/// How long workers may take to tell their settings, and how long they may take with all that comes before.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);
const WORKERS_LIMIT: Duration = Duration::from_secs(8);

/// Looks at RabbitMQ: over AMQP, and, where it is known, over its management API.
pub(super) async fn look(time_limit: u64, servers: &Servers, looked: &mut Looked) {
    let urls = match servers.rabbit_urls() {
        Ok(urls) => urls,
        Err(failure) => {
            let mend = "set RABBITMQ_URL";
            return looked.findings.push(Finding::serious("rabbitmq", failure.text(), mend));
        }
    };
    // Each of them ends in time by itself, so that one that hangs costs nothing of the others.
    let (seen, told, longest) = tokio::join!(
        amqp::look(&urls, servers, Instant::now() + AMQP_LIMIT),
        management::ask(servers),
        longest_time_limit(&urls, servers),
    );
    looked.findings.extend(seen.findings);
    if !seen.is_open && !matches!(told.queues, Some(Ok(_))) {
        return;
    }
    looked.findings.extend(management::judge(&told, seen.version));
    looked.findings.push(timeout::judge(&told, seen.version, longest.unwrap_or(time_limit)));
}

/// The longest time limit of jobs among the workers that answer.
async fn longest_time_limit(urls: &RabbitUrls, servers: &Servers) -> Option<u64> {
    let nothing = json!({});
    let asking = ask_workers(urls, &servers.client, "conf", &nothing, None, ANSWER_LIMIT);
    let workers = tokio::time::timeout(WORKERS_LIMIT, asking).await.ok()?.ok()?;
    workers.values().filter_map(|conf| conf["task_time_limit"].as_u64()).max()
}
