use std::future::Future;
use std::time::Duration;

use queue::{DEAD_QUEUE, WorkQueue, queue_names};
use serde_json::Value;

use crate::doctor::finding::Finding;
use crate::management::Management;
use crate::servers::Servers;

/// How long all of its answers may take: they are asked for together.
const LIMIT: Duration = Duration::from_secs(4);
/// What is asked of each queue.
const COLUMNS: &str = "columns=name,type,arguments,effective_policy_definition,messages_dlx";
/// RabbitMQ 4 drops what was returned more often than this, unless a policy says otherwise.
const DEFAULT_LIMIT: i64 = 20;
const POLICY: &str = "`rabbitmqctl set_policy -p VHOST syncfleet-returns '^(periodic|adhoc|periodic\\.dead)$' '{\"delivery-limit\": -1}' --priority 100 --apply-to quorum_queues`";

/// What the management API said, where it was asked. `Err`: it did not answer that.
#[derive(Default)]
pub(super) struct Told {
    /// Our queues; `None`: `RABBITMQ_MANAGEMENT_URL` says nothing.
    pub(super) queues: Option<Result<Vec<Value>, String>>,
    /// Those of our queues that are not bound to the exchange of their name, though they must be.
    pub(super) unbound: Option<Result<Vec<String>, String>>,
    /// The nodes, with the files of their configuration.
    pub(super) nodes: Vec<Value>,
    /// Whether its URL leads to this host.
    pub(super) is_local: bool,
}

/// Asks for all that is judged.
pub(super) async fn ask(servers: &Servers) -> Told {
    let management = match Management::new(servers) {
        Ok(Some(management)) => management,
        Ok(None) => return Told::default(),
        Err(error) => return Told { queues: Some(Err(error)), ..Told::default() },
    };
    let bindings = ["bindings", management.vhost()];
    let names = queue_names();
    let (queues, bindings, nodes) = tokio::join!(
        in_time(management.queues(&names, Some(COLUMNS))),
        in_time(management.get(&bindings, Some("columns=source,destination,destination_type"))),
        in_time(management.get(&["nodes"], Some("columns=name,config_files"))),
    );
    let unbound = match (&queues, bindings) {
        (Ok(queues), Ok(bindings)) => Some(Ok(unbound(queues, &bindings))),
        (Ok(_), Err(error)) => Some(Err(error)),
        (Err(_), _) => None,
    };
    let nodes = match nodes {
        Ok(Value::Array(nodes)) => nodes,
        _ => Vec::new(),
    };
    Told { queues: Some(queues), unbound, nodes, is_local: management.is_local() }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no answer within {} s", LIMIT.as_secs()));
    tokio::time::timeout(LIMIT, answer).await.unwrap_or_else(late)
}

/// Work queues and delay steps among these without a binding to the exchange of their name.
fn unbound(queues: &[Value], bindings: &Value) -> Vec<String> {
    let is_bound = |name: &str| {
        let mut bindings = bindings.as_array().into_iter().flatten();
        bindings.any(|binding| {
            binding["source"] == name
                && binding["destination"] == name
                && binding["destination_type"] == "queue"
        })
    };
    let names = queues.iter().filter_map(|queue| queue["name"].as_str());
    names.filter(|name| *name != DEAD_QUEUE && !is_bound(name)).map(str::to_owned).collect()
}

/// What only the management API tells.
pub(super) fn judge(told: &Told, version: Option<(u32, u32)>) -> Vec<Finding> {
    let queues = match &told.queues {
        Some(Ok(queues)) => queues,
        Some(Err(error)) => {
            let mend = "see RABBITMQ_MANAGEMENT_URL, and that its user has the tag monitoring";
            return vec![Finding::warning(
                "management",
                format!("the management API did not answer: {error}"),
                mend,
            )];
        }
        None if version.is_some_and(|version| version >= (4, 0)) => {
            let mend = format!("set RABBITMQ_MANAGEMENT_URL to have it checked; what it should be: {POLICY}");
            let text =
                "not looked at: without a policy RabbitMQ 4 drops a job that was returned more than 20 times";
            return vec![Finding::warning("delivery_limit", text, mend)];
        }
        None => {
            let text = "not asked, RABBITMQ_MANAGEMENT_URL is not set: policies, bindings and stuck messages were not looked at";
            return vec![Finding::ok("management", text)];
        }
    };
    let mut findings = vec![limits(queues, version), stuck(queues)];
    if let Some(Err(error)) = &told.unbound {
        let text = format!("bindings were not looked at: {error}");
        findings.push(Finding::warning("bindings", text, "see whether the management API is overloaded"));
    }
    findings.extend(told.unbound.iter().flatten().flatten().map(|name| {
        let mend = "start any syncfleet program (`syncfleet queue status` will do): each binds it";
        Finding::serious(
            format!("binding_{name}"),
            format!("queue {name} is not bound to its exchange"),
            mend,
        )
    }));
    findings
}

fn limits(queues: &[Value], version: Option<(u32, u32)>) -> Finding {
    let is_4 = version.is_some_and(|version| version >= (4, 0));
    let mut droppers = Vec::new();
    for queue in queues {
        let name = queue["name"].as_str().unwrap_or_default();
        if (WorkQueue::parse(name).is_none() && name != DEAD_QUEUE) || queue["type"] != "quorum" {
            continue;
        }
        let policy = queue["effective_policy_definition"]["delivery-limit"].as_i64();
        let argument = queue["arguments"]["x-delivery-limit"].as_i64();
        // The lower one counts; below zero means none on RabbitMQ 4, and at once before.
        let limit = policy.into_iter().chain(argument).min().or(is_4.then_some(DEFAULT_LIMIT));
        if let Some(limit) = limit.filter(|limit| !(is_4 && *limit < 0)) {
            droppers.push(format!("{name} ({limit})"));
        }
    }
    if droppers.is_empty() {
        return Finding::ok("delivery_limit", "no job is dropped for having been returned often");
    }
    let text = format!("jobs that were returned more often than this are dropped: {}", droppers.join(", "));
    let mend = if is_4 {
        POLICY.to_owned()
    } else {
        "take `delivery-limit` out of the policy that matches these queues; never set -1 before RabbitMQ 4, it drops at the first return".to_owned()
    };
    Finding::warning("delivery_limit", text, mend)
}

fn stuck(queues: &[Value]) -> Finding {
    let stuck: Vec<String> = (queues.iter())
        .filter_map(|queue| {
            Some((queue["name"].as_str()?, queue["messages_dlx"].as_u64().filter(|count| *count > 0)?))
        })
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    if stuck.is_empty() {
        return Finding::ok("delay_steps_routing", "no delay step holds a message that it cannot route");
    }
    Finding::warning(
        "delay_steps_routing",
        format!(
            "messages whose time has come and whose queue is not there, or takes none: {}",
            stuck.join(", ")
        ),
        "declare the work queues (any syncfleet program does), and see whether a policy on their length refuses messages. They go on by \
         themselves then, after RabbitMQ's dead_letter_worker_publisher_confirm_timeout: 180 s unless it is set, at most twice that. For \
         10 s, in advanced.config: `[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].`",
    )
}
