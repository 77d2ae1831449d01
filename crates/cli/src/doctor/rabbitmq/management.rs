use queue::{DEAD_QUEUE, WorkQueue};
use serde_json::Value;

use super::Told;
use crate::doctor::finding::Finding;
use crate::management::Management;
use crate::servers::Servers;

/// RabbitMQ 4 drops what was returned more often than this, unless a policy says otherwise.
const DEFAULT_LIMIT: i64 = 20;
const POLICY: &str = "`rabbitmqctl set_policy -p VHOST syncfleet-returns '^(periodic|adhoc|periodic\\.dead)$' '{\"delivery-limit\": -1}' --priority 100 --apply-to quorum_queues`";

/// Asks for all that is judged.
pub(super) async fn ask(servers: &Servers) -> Told {
    let nothing = |queues| Told { queues, unbound: Vec::new(), nodes: Vec::new() };
    let management = match Management::new(servers) {
        Ok(Some(management)) => management,
        Ok(None) => return nothing(None),
        Err(error) => return nothing(Some(Err(error))),
    };
    let queues = match management.get(&["queues", management.vhost()], None).await {
        Ok(Value::Array(queues)) => queues,
        Ok(_) => return nothing(Some(Err("it told no list of queues".to_owned()))),
        Err(error) => return nothing(Some(Err(error))),
    };
    let mut unbound = Vec::new();
    for name in queues.iter().filter_map(|queue| queue["name"].as_str()) {
        if !(WorkQueue::parse(name).is_some() || name.starts_with("syncfleet.delay.")) {
            continue;
        }
        let path = ["bindings", management.vhost(), "e", name, "q", name];
        if management
            .get(&path, None)
            .await
            .is_ok_and(|bindings| bindings.as_array().is_some_and(Vec::is_empty))
        {
            unbound.push(name.to_owned());
        }
    }
    let nodes = match management.get(&["nodes"], None).await {
        Ok(Value::Array(nodes)) => nodes,
        _ => Vec::new(),
    };
    Told { queues: Some(Ok(queues)), unbound, nodes }
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
    findings.extend(told.unbound.iter().map(|name| {
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
        "declare the work queues (any syncfleet program does), and see whether a policy on their length refuses messages; they go on by themselves then",
    )
}
