use std::fs;

use lapin::uri::{AMQPScheme, AMQPUri};
use serde_json::{Value, json};

use super::{Control, Queues};

/// Clock ticks a second in `/proc`: what every Linux has.
const TICKS: f64 = 100.0;

/// What `celery inspect stats` shows; Flower wants `broker` and `pool`.
pub(super) fn stats(control: &Control, broker: &AMQPUri) -> Value {
    let queues = control.wanted.borrow();
    let slots: usize = queues.iter().map(|(_, slots)| slots).sum();
    json!({
        "total": control.roster.totals(),
        "pid": std::process::id(),
        "clock": control.clock.forward().to_string(),
        "uptime": control.since.elapsed().as_secs(),
        "pool": {"implementation": "syncfleet", "max-concurrency": slots, "processes": [std::process::id()],
                 "max-tasks-per-child": "N/A", "put-guarded-by-semaphore": false, "timeouts": [0, 0],
                 "writes": {"total": control.roster.counts().1}},
        "broker": {"hostname": broker.authority.host, "userid": broker.authority.userinfo.username,
                   "virtual_host": broker.vhost, "port": broker.authority.port, "insist": false,
                   "ssl": broker.scheme == AMQPScheme::AMQPS, "transport": "amqp", "connect_timeout": 5,
                   "transport_options": {}, "login_method": "PLAIN", "uri_prefix": null,
                   "heartbeat": broker.query.heartbeat, "failover_strategy": "round-robin", "alternates": [],
                   "credential_provider": null},
        "prefetch_count": slots,
        "rusage": usage(),
    })
}

/// What `celery inspect active_queues` shows.
pub(super) fn active_queues(queues: &Queues) -> Value {
    let shown = |name: &str| {
        json!({"name": name, "routing_key": name, "durable": true, "exclusive": false, "auto_delete": false,
               "exchange": {"name": name, "type": "direct", "arguments": null, "durable": true, "passive": false,
                            "auto_delete": false, "delivery_mode": null, "no_declare": false},
               "queue_arguments": {"x-queue-type": "quorum"}, "binding_arguments": null,
               "consumer_arguments": null, "no_ack": false, "alias": null, "bindings": [], "no_declare": null,
               "expires": null, "message_ttl": null, "max_length": null, "max_length_bytes": null,
               "max_priority": null})
    };
    queues.iter().map(|(queue, _)| shown(queue.name())).collect()
}

/// For a log line.
pub(super) fn shown(queues: &Queues) -> String {
    let shown: Vec<String> =
        queues.iter().map(|(queue, slots)| format!("{} with {slots} slots", queue.name())).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// The machine's load over 1, 5 and 15 minutes.
pub(super) fn load_average() -> [f64; 3] {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(0.0));
    [(); 3].map(|()| words.next().unwrap_or(0.0))
}

/// Processor time and the most memory so far, in KiB, as far as `/proc` tells.
fn usage() -> Value {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold blanks; times are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let seconds =
        |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / TICKS;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    json!({"utime": seconds(11), "stime": seconds(12), "maxrss": peak})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_busy_we_are() {
        let usage = usage();
        assert!(usage["maxrss"].as_u64().is_some_and(|kib| kib > 500), "{usage}");
        assert!(usage["utime"].as_f64().is_some_and(|seconds| seconds < 3600.0), "{usage}");
        assert!(load_average().iter().all(|load| *load >= 0.0));
    }
}
