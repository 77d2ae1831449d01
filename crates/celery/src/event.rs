use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::repr::{repr, repr_str};
use crate::{TaskMessage, epoch_seconds, format_time};

/// The topic exchange on which workers tell what they do.
pub const EVENT_EXCHANGE: &str = "celeryev";
/// The routing key of a list of task events.
pub const BATCH_ROUTING_KEY: &str = "task.multi";

/// Seconds between a worker's heartbeats: it counts as gone after twice that.
pub const HEARTBEAT_SECONDS: f64 = 2.0;

/// How much of arguments, results and errors an event repeats.
const REPR_LIMIT: usize = 1024;

/// Something that Celery's monitors want to know of a worker or of a task.
///
/// A malformed event ends Python workers (those that gossip), so all are made here, each with every field.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    kind: &'static str,
    fields: Map<String, Value>,
}

/// What every event carries.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The worker's name.
    pub hostname: &'a str,
    /// Its process id.
    pub pid: u32,
    /// Its logical clock.
    pub clock: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// The life of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerIs {
    /// It begins.
    Online,
    /// It goes on.
    Alive,
    /// It ends.
    Offline,
}

/// How a worker is doing.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerLoad {
    /// Tasks that run now.
    pub active: usize,
    /// Tasks that were begun.
    pub processed: u64,
    /// The machine's, over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
}

impl Event {
    /// Of a worker.
    pub fn worker(is: WorkerIs, load: &WorkerLoad) -> Self {
        let kind = match is {
            WorkerIs::Online => "worker-online",
            WorkerIs::Alive => "worker-heartbeat",
            WorkerIs::Offline => "worker-offline",
        };
        Self::new(
            kind,
            json!({"freq": HEARTBEAT_SECONDS, "active": load.active, "processed": load.processed,
                   "loadavg": load.load_average, "sw_ident": "syncfleet", "sw_ver": env!("CARGO_PKG_VERSION"),
                   "sw_sys": "Linux"}),
        )
    }

    /// A task has reached a worker.
    pub fn received(task: &TaskMessage) -> Self {
        let (args, kwargs) = (Value::from(task.args.clone()), Value::from(task.kwargs.clone()));
        Self::new(
            "task-received",
            json!({"uuid": task.id, "name": task.task, "args": repr(&args, REPR_LIMIT),
                   "kwargs": repr(&kwargs, REPR_LIMIT), "root_id": task.root_id, "parent_id": task.parent_id,
                   "retries": task.retries, "eta": task.eta.map(format_time),
                   "expires": task.expires.map(format_time)}),
        )
    }

    /// It runs.
    pub fn started(id: &str) -> Self {
        Self::new("task-started", json!({ "uuid": id }))
    }

    /// It is done, after so many seconds.
    pub fn succeeded(id: &str, result: &Value, runtime: f64) -> Self {
        let result = repr(result, REPR_LIMIT);
        Self::new("task-succeeded", json!({"uuid": id, "result": result, "runtime": runtime}))
    }

    /// It has failed for good.
    pub fn failed(id: &str, exception: &str, error: &str) -> Self {
        Self::new("task-failed", error_fields(id, exception, error))
    }

    /// It has failed and comes back.
    pub fn retried(id: &str, exception: &str, error: &str) -> Self {
        Self::new("task-retried", error_fields(id, exception, error))
    }

    /// It is not run, or not to its end, because somebody said so or it came too late.
    pub fn revoked(id: &str, is_terminated: bool, is_expired: bool) -> Self {
        let signal = is_terminated.then_some("SIGTERM");
        Self::new(
            "task-revoked",
            json!({"uuid": id, "terminated": is_terminated, "signum": signal, "expired": is_expired}),
        )
    }

    /// It was given back to its queue: whoever gets it next runs it.
    pub fn rejected(id: &str) -> Self {
        Self::new("task-rejected", json!({"uuid": id, "requeue": true}))
    }

    fn new(kind: &'static str, fields: Value) -> Self {
        let Value::Object(fields) = fields else { return Self { kind, fields: Map::new() } };
        Self { kind, fields }
    }

    /// Where a message with this event alone goes.
    pub fn routing_key(&self) -> String {
        self.kind.replace('-', ".")
    }

    /// The body.
    pub fn to_json(&self, stamp: &Stamp<'_>) -> Value {
        let mut body = self.fields.clone();
        let timestamp = epoch_seconds(stamp.at);
        let common = json!({"type": self.kind, "hostname": stamp.hostname, "utcoffset": 0, "pid": stamp.pid,
                            "clock": stamp.clock, "timestamp": timestamp});
        body.extend(common.as_object().cloned().unwrap_or_default());
        Value::Object(body)
    }
}

/// The exception as Python would show it, and the whole error where its traceback would be.
fn error_fields(id: &str, exception: &str, error: &str) -> Value {
    let shown = format!("{exception}({})", repr_str(error, REPR_LIMIT));
    json!({"uuid": id, "exception": shown, "traceback": error})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_time;

    fn stamp() -> Stamp<'static> {
        let at = parse_time("2026-11-22T13:14:58.5Z").unwrap();
        Stamp { hostname: "syncfleet@h-1", pid: 7, clock: 3, at }
    }

    #[test]
    fn a_heartbeat_has_what_captured_ones_have() {
        let load = WorkerLoad { active: 2, processed: 9, load_average: [0.5, 0.25, 0.125] };
        let event = Event::worker(WorkerIs::Alive, &load);
        assert_eq!(event.routing_key(), "worker.heartbeat");
        assert_eq!(
            event.to_json(&stamp()),
            json!({"hostname": "syncfleet@h-1", "utcoffset": 0, "pid": 7, "clock": 3, "freq": 2.0, "active": 2,
                   "processed": 9, "loadavg": [0.5, 0.25, 0.125], "sw_ident": "syncfleet",
                   "sw_ver": env!("CARGO_PKG_VERSION"), "sw_sys": "Linux", "timestamp": 1_795_353_298.5,
                   "type": "worker-heartbeat"})
        );
    }

    #[test]
    fn every_event_says_what_it_is_who_tells_it_and_of_which_task() {
        for (event, key) in [
            (Event::started("a"), "task.started"),
            (Event::succeeded("a", &json!({"status": "success"}), 0.25), "task.succeeded"),
            (Event::failed("a", "SyncFailed", "boom"), "task.failed"),
            (Event::retried("a", "SyncFailed", "boom"), "task.retried"),
            (Event::revoked("a", true, false), "task.revoked"),
            (Event::rejected("a"), "task.rejected"),
        ] {
            assert_eq!(event.routing_key(), key);
            let body = event.to_json(&stamp());
            assert_eq!(body["type"], key.replace('.', "-"));
            assert_eq!((&body["uuid"], &body["hostname"]), (&json!("a"), &json!("syncfleet@h-1")));
            assert!(body["clock"].is_u64() && body["timestamp"].is_f64());
        }
        let failed = Event::failed("a", "SyncFailed", "it's \"bad\"").to_json(&stamp());
        assert_eq!(failed["exception"], r#"SyncFailed('it\'s "bad"')"#);
        let done = Event::succeeded("a", &json!({"ok": true}), 0.25).to_json(&stamp());
        assert_eq!((&done["result"], &done["runtime"]), (&json!("{'ok': True}"), &json!(0.25)));
    }
}
