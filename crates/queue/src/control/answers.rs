use std::time::Duration;

use celery::{ControlRequest, is_name};
use lapin::uri::AMQPUri;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Control, Queues, stats};
use crate::WorkQueue;
use crate::rate::Rate;

/// Slots that a worker can be given from outside.
const SLOTS_MAX: usize = 1000;
/// A request names at most so many tasks at once.
const IDS_MAX: usize = 50_000;
/// The longest time limit that can be set from outside: a day.
const TIME_LIMIT_MAX: f64 = 86_400.0;

/// How much of a stranger's text an answer repeats, in bytes.
const QUOTE_MAX: usize = 300;
/// Ids in one log line.
const IDS_LOGGED: usize = 20;

type Arguments = Map<String, Value>;

impl Control {
    /// Does what a request asks and says how that went; `None`: nothing is to be said, as Celery's workers say nothing then.
    pub(super) fn answer(
        &self,
        request: &ControlRequest,
        broker: &AMQPUri,
        stop: &CancellationToken,
    ) -> Option<Value> {
        let arguments = &request.arguments;
        let answered = match request.method.as_str() {
            "ping" => ok("pong"),
            "clock" => Ok(json!({"clock": self.clock.forward()})),
            "active" | "dump_active" => Ok(self.roster.active(&self.worker)),
            // Nothing is held that does not run: what is early, or waits for its retry, is with RabbitMQ.
            "reserved" | "dump_reserved" | "scheduled" | "dump_schedule" => Ok(json!([])),
            "registered" | "dump_tasks" => Ok(json!(self.tasks)),
            "revoked" | "dump_revoked" => Ok(json!(self.roster.revoked())),
            "active_queues" => Ok(stats::active_queues(&self.wanted.borrow())),
            "stats" => Ok(stats::stats(self, broker)),
            "conf" => Ok(Value::Object(self.conf.clone())),
            "report" => ok(&format!("software -> syncfleet:{}", env!("CARGO_PKG_VERSION"))),
            "query_task" => self.query(arguments),
            "hello" => return self.hello(arguments),
            "revoke" => self.revoke(arguments),
            "terminate" => self.terminate(arguments),
            "rate_limit" => self.limit_rate(arguments),
            "time_limit" => self.limit_time(arguments),
            "pool_grow" => self.resize(arguments, true),
            "pool_shrink" => self.resize(arguments, false),
            "autoscale" => Err("ValueError('Autoscale not enabled')".to_owned()),
            "pool_restart" => Err("ValueError('Pool restarts not enabled')".to_owned()),
            "add_consumer" => self.add_queue(arguments),
            "cancel_consumer" => self.cancel_queue(arguments),
            "enable_events" if self.events.enable(true) => ok("task events already enabled"),
            "enable_events" => ok("task events enabled"),
            "disable_events" if self.events.enable(false) => ok("task events disabled"),
            "disable_events" => ok("task events already disabled"),
            "heartbeat" => return Some(Value::Null),
            "shutdown" => {
                warn!("told to shut down by remote control");
                stop.cancel();
                return None;
            }
            other => Err(format!("KeyError({})", quoted(other))),
        };
        Some(answered.unwrap_or_else(|error| json!({ "error": error })))
    }

    /// A worker that begins: it is told what must not run, and tells what it knows itself.
    fn hello(&self, arguments: &Arguments) -> Option<Value> {
        if arguments.get("from_node").and_then(Value::as_str) == Some(&self.worker) {
            return None;
        }
        let known = self.roster.revoked();
        self.take_revoked(arguments.get("revoked").unwrap_or(&Value::Null));
        Some(json!({"revoked": known, "clock": self.clock.forward()}))
    }

    /// Takes over what another worker says is revoked: a list, or, from older ones, an object by id.
    pub(super) fn take_revoked(&self, revoked: &Value) -> usize {
        let ids: Vec<&str> = match revoked {
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).filter(|id| is_name(id)).collect(),
            Value::Object(ids) => ids.keys().map(String::as_str).filter(|id| is_name(id)).collect(),
            _ => Vec::new(),
        };
        self.roster.revoke(ids.iter().take(IDS_MAX).copied());
        ids.len().min(IDS_MAX)
    }

    fn revoke(&self, arguments: &Arguments) -> Result<Value, String> {
        let ids = ids(arguments)?;
        if arguments.get("terminate").is_some_and(is_true) {
            return self.end(&ids);
        }
        self.roster.revoke(ids.iter().map(String::as_str));
        info!("tasks revoked: {}", some_of(&ids));
        let shown: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
        ok(&format!("tasks {{{}}} flagged as revoked", shown.join(", ")))
    }

    fn terminate(&self, arguments: &Arguments) -> Result<Value, String> {
        self.end(&ids(arguments)?)
    }

    /// Revokes tasks and ends those that run at their next step.
    fn end(&self, ids: &[String]) -> Result<Value, String> {
        self.roster.revoke(ids.iter().map(String::as_str));
        let ended = self.roster.terminate(ids);
        info!("tasks revoked: {}; of them running: {}", some_of(ids), some_of(&ended));
        if ended.is_empty() {
            return ok("terminate: tasks unknown");
        }
        ok(&format!("terminate: {}", ended.join(", ")))
    }

    fn query(&self, arguments: &Arguments) -> Result<Value, String> {
        let wanted = match arguments.get("ids") {
            Some(Value::Array(ids)) => ids.clone(),
            Some(Value::String(id)) => vec![json!(id)],
            _ => return Err(missing("ids")),
        };
        let active = self.roster.active(&self.worker);
        let found = active.as_array().into_iter().flatten().filter(|task| wanted.contains(&task["id"]));
        Ok(found
            .filter_map(|task| Some((task["id"].as_str()?.to_owned(), json!(["active", task]))))
            .collect::<Map<_, _>>()
            .into())
    }

    fn limit_rate(&self, arguments: &Arguments) -> Result<Value, String> {
        let task = self.known_task(arguments)?;
        let text = match arguments.get("rate_limit") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(missing("rate_limit")),
        };
        let rate = Rate::parse(&text).map_err(|error| format!("ValueError({})", quoted(&error)))?;
        let is_off = rate.is_none();
        self.roster.limit_rate(task, rate);
        info!(task, "rate limit set to {text}");
        ok(if is_off { "rate limit disabled successfully" } else { "new rate limit set successfully" })
    }

    /// Only the hard limit: there is nothing in a sync that a soft one could tell.
    fn limit_time(&self, arguments: &Arguments) -> Result<Value, String> {
        let task = self.known_task(arguments)?;
        let limit = match arguments.get("hard") {
            None | Some(Value::Null) => None,
            Some(hard) => match hard.as_f64() {
                Some(seconds) if seconds > 0.0 && seconds <= TIME_LIMIT_MAX => {
                    Some(Duration::from_secs_f64(seconds))
                }
                _ => return Err("ValueError('hard should be seconds, at most a day')".to_owned()),
            },
        };
        self.roster.limit_time(task, limit);
        info!(task, "time limit set to {limit:?}");
        ok("time limits set successfully")
    }

    fn known_task<'a>(&self, arguments: &'a Arguments) -> Result<&'a str, String> {
        let name = arguments.get("task_name").and_then(Value::as_str).ok_or_else(|| missing("task_name"))?;
        if self.tasks.iter().any(|known| known == name) {
            return Ok(name);
        }
        Err("unknown task".to_owned())
    }

    /// More or fewer slots for the queue that has the most.
    fn resize(&self, arguments: &Arguments, grow: bool) -> Result<Value, String> {
        let by = match arguments.get("n") {
            None | Some(Value::Null) => 1,
            Some(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| missing("n"))?,
        };
        let mut queues = self.wanted.borrow().clone();
        let Some((_, slots)) = queues.iter_mut().max_by_key(|(_, slots)| *slots) else {
            return Err("ValueError('no queue is consumed')".to_owned());
        };
        *slots = match grow {
            true if slots.saturating_add(by) > SLOTS_MAX => {
                return Err(format!("ValueError('at most {SLOTS_MAX} slots')"));
            }
            true => *slots + by,
            false if by >= *slots => {
                return Err(r#"ValueError("Can't shrink pool. All processes busy!")"#.to_owned());
            }
            false => *slots - by,
        };
        self.want(queues);
        ok(if grow { "pool will grow" } else { "pool will shrink" })
    }

    fn add_queue(&self, arguments: &Arguments) -> Result<Value, String> {
        let queue = known_queue(arguments)?;
        let mut queues = self.wanted.borrow().clone();
        if queues.iter().any(|(known, _)| *known == queue) {
            return ok(&format!("already consuming from {}", quoted(queue.name())));
        }
        let slots = self.configured.iter().find(|(known, _)| *known == queue).map(|(_, slots)| *slots);
        let most = self.configured.iter().map(|(_, slots)| *slots).max();
        queues.push((queue, slots.or(most).unwrap_or(1)));
        self.want(queues);
        ok(&format!("add consumer {}", queue.name()))
    }

    fn cancel_queue(&self, arguments: &Arguments) -> Result<Value, String> {
        let queue = known_queue(arguments)?;
        let mut queues = self.wanted.borrow().clone();
        queues.retain(|(known, _)| *known != queue);
        self.want(queues);
        ok(&format!("no longer consuming from {}", queue.name()))
    }

    fn want(&self, queues: Queues) {
        info!("remote control changes what is consumed: {}", stats::shown(&queues));
        self.wanted.send_if_modified(|now| {
            let is_new = *now != queues;
            *now = queues;
            is_new
        });
    }
}

fn known_queue(arguments: &Arguments) -> Result<WorkQueue, String> {
    let name = arguments.get("queue").and_then(Value::as_str).ok_or_else(|| missing("queue"))?;
    WorkQueue::parse(name).ok_or_else(|| {
        format!(
            "ValueError({})",
            quoted(&format!("only periodic and adhoc are consumed by syncfleet, not {name}"))
        )
    })
}

/// `task_id`: one or many.
fn ids(arguments: &Arguments) -> Result<Vec<String>, String> {
    let ids: Vec<&str> = match arguments.get("task_id") {
        Some(Value::String(id)) => vec![id],
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
        _ => return Err(missing("task_id")),
    };
    if ids.is_empty() || ids.len() > IDS_MAX || !ids.iter().all(|id| is_name(id)) {
        return Err("ValueError('task_id should be ids of 1 to 255 characters')".to_owned());
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

fn ok(text: &str) -> Result<Value, String> {
    Ok(json!({ "ok": text }))
}

fn missing(argument: &str) -> String {
    format!("TypeError('missing or wrong argument: {argument}')")
}

/// As Python sees it: Flower sends 1.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => false,
    }
}

/// A text as Python shows it.
fn quoted(text: &str) -> String {
    celery::repr_str(text, QUOTE_MAX)
}

/// Ids for a log line, which nobody reads to its thousandth.
fn some_of(ids: &[String]) -> String {
    let shown = ids.iter().take(IDS_LOGGED).cloned().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(IDS_LOGGED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
