use queue::{DEAD_QUEUE, Declared, Found, WorkQueue};

use crate::doctor::finding::Finding;

const DECLARE: &str =
    "start any syncfleet program (`syncfleet queue status` will do): each declares all of them";
const RECREATE: &str =
    "stop its producers, drain it, delete it, and start any syncfleet program, which declares it anew";

/// Queues and exchanges against what is declared; one finding for all that are well.
pub(super) fn judge(all: &[Declared]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().filter_map(of).collect();
    let missing = |is_queue: bool| {
        let names = all.iter().filter(|found| found.found == Found::Missing && found.is_queue == is_queue);
        names.map(|found| found.name.clone()).collect::<Vec<_>>()
    };
    for (kind, names) in [("queues", missing(true)), ("exchanges", missing(false))] {
        if !names.is_empty() {
            let text = format!("missing {kind}: {}", names.join(", "));
            findings.push(Finding::serious(format!("missing_{kind}"), text, DECLARE));
        }
    }
    if findings.is_empty() {
        let queues = all.iter().filter(|found| found.is_queue).count();
        let text = format!("{queues} queues and {} exchanges are as they should be", all.len() - queues);
        findings.push(Finding::ok("topology", text));
    }
    findings
}

fn of(found: &Declared) -> Option<Finding> {
    let kind = if found.is_queue { "queue" } else { "exchange" };
    let check = format!("{kind}_{}", found.name);
    let name = &found.name;
    match &found.found {
        // What is missing is told in one finding, what is forbidden by the permissions.
        Found::AsWanted | Found::Missing | Found::Forbidden(_) => None,
        Found::NotDurable => {
            let text = format!("{kind} {name} is not durable: it is gone after a restart of RabbitMQ");
            Some(Finding::serious(check, text, RECREATE))
        }
        // Delays and dead letters rely on every argument; a work queue that Celery left works, with less.
        Found::Other(words) if name == DEAD_QUEUE || name.starts_with("syncfleet.delay.") => {
            Some(Finding::serious(check, format!("{kind} {name} has other arguments: {words}"), RECREATE))
        }
        Found::Other(words) => {
            let text = format!(
                "{kind} {name} was left by another system and is used as it is: {words}. A classic queue is not replicated and \
                 counts no deliveries"
            );
            Some(Finding::warning(check, text, RECREATE))
        }
    }
}

/// Whether anybody consumes the work queues.
pub(super) fn workers(all: &[Declared]) -> Finding {
    let idle: Vec<&str> = (all.iter())
        .filter(|found| found.is_queue && found.consumers == 0 && WorkQueue::parse(&found.name).is_some())
        .map(|found| found.name.as_str())
        .collect();
    if idle.is_empty() {
        return Finding::ok("workers", "both work queues are consumed");
    }
    let mend = "start a syncfleet-worker; `syncfleet worker list` shows those that answer, WORKER_QUEUES what each consumes";
    Finding::warning("workers", format!("nobody consumes {}", idle.join(", ")), mend)
}

/// What our user may do.
pub(super) fn permissions(all: &[Declared], unwritable: &[String], unreadable: &[String]) -> Finding {
    let undeclarable: Vec<String> = (all.iter())
        .filter(|found| matches!(found.found, Found::Forbidden(_)))
        .map(|found| found.name.clone())
        .collect();
    let lacks: Vec<String> =
        [("configure", undeclarable.as_slice()), ("write", unwritable), ("read", unreadable)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(right, names)| format!("{right}: {}", names.join(", ")))
            .collect();
    if lacks.is_empty() {
        return Finding::ok("rabbitmq_permissions", "our user may declare, write to and read what it must");
    }
    let mend = "`rabbitmqctl set_permissions` with the expressions of deploy/README.md (RabbitMQ)";
    Finding::serious("rabbitmq_permissions", format!("our user may not {}", lacks.join("; ")), mend)
}
