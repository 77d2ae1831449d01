use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// What AMQP delivered, in neutral types: AMQP tables are JSON maps here.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The property `content_type`; a message without one is refused, as every Celery producer sets it.
    pub content_type: Option<&'a str>,
    /// The property `content_encoding`.
    pub content_encoding: Option<&'a str>,
    /// The property `correlation_id`: Celery repeats the task id there, so an error without a usable `id` header
    /// is reported under it.
    pub correlation_id: Option<&'a str>,
    /// The message headers. Timestamps, decimals and byte arrays may be any JSON the caller likes.
    pub headers: &'a Map<String, Value>,
    /// The body as delivered, still compressed if the header `compression` says so.
    pub body: &'a [u8],
}

/// One job message, whichever protocol brought it.
///
/// `id` and `task` are 1 to 255 bytes without control characters, so they fit an AMQP short string, a Redis key
/// and a PostgreSQL text. Arguments are unchecked JSON: see [`Parameters`](crate::Parameters).
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMessage {
    /// The task id; any string, not only a UUID.
    pub id: String,
    /// The task name.
    pub task: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// Attempts already spent.
    pub retries: u32,
    /// Not to be run before this instant.
    pub eta: Option<DateTime<Utc>>,
    /// Not to be run after this instant.
    pub expires: Option<DateTime<Utc>>,
    /// The first task of the tree this one belongs to.
    pub root_id: Option<String>,
    /// The task that sent this one; on a retry Celery writes the task's own id.
    pub parent_id: Option<String>,
    /// The group this task is a member of.
    pub group: Option<String>,
    /// Its place in that group.
    pub group_index: Option<u64>,
    /// `None` leaves the choice to the task's own default.
    pub ignore_result: Option<bool>,
    /// The hard time limit, first of `timelimit`.
    pub time_limit: Option<Duration>,
    /// The soft time limit, second of `timelimit`.
    pub soft_time_limit: Option<Duration>,
    /// What is to follow the task.
    pub embed: Embed,
    /// When one of our own producers enqueued it, by PostgreSQL's clock (header `syncfleet-enqueued-at`); an
    /// unreadable value counts as none, which only means that nothing is superseded.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When it was taken out of the dead letters to run once more, by PostgreSQL's clock (header
    /// `syncfleet-replayed-at`): how it ended before that counts no more. An unreadable value counts as none.
    pub replayed_at: Option<DateTime<Utc>>,
}

/// The signatures that follow a task, as Celery sent them; [`Sequel`](crate::Sequel) is what can be done with them.
///
/// Dropping one makes its caller wait for ever: honour each of these or refuse the task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embed {
    /// To send with the result after success.
    pub callbacks: Vec<Value>,
    /// To send with the id after failure.
    pub errbacks: Vec<Value>,
    /// The rest of a chain, reversed: the next task is the last element.
    pub chain: Vec<Value>,
    /// The body of the chord whose header this task belongs to.
    pub chord: Option<Value>,
}

impl Embed {
    /// Whether nothing follows the task.
    pub fn is_empty(&self) -> bool {
        self.callbacks.is_empty() && self.errbacks.is_empty() && self.chain.is_empty() && !self.has_chord()
    }

    /// Whether the task is part of a chord.
    pub fn has_chord(&self) -> bool {
        self.chord.is_some()
    }

    /// The third element of a body of protocol 2.
    pub(crate) fn to_json(&self) -> Value {
        let list = |items: &[Value]| if items.is_empty() { Value::Null } else { json!(items) };
        json!({"callbacks": list(&self.callbacks), "errbacks": list(&self.errbacks), "chain": list(&self.chain),
               "chord": self.chord})
    }
}
