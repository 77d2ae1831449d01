use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::signature::{Call, Signature, list, name};
use crate::{Embed, Encoded, NewTask, TaskMessage, encode, field, parse_time};

/// Most tasks that may follow one: each carries its whole result.
const FOLLOWERS_LIMIT: usize = 100;

/// The namespace of the ids of followers that have none.
const NAMESPACE: Uuid = Uuid::from_u128(0x0b6a_41d5_92c3_4f0e_8d17_2c5e_93f7_aa61);

/// What is to follow a task cannot be sent by us: the task must be refused before it runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: send the task without it, or to a Python worker")]
pub struct UnsupportedCanvas(String);

impl UnsupportedCanvas {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What follows a task, ready to be sent when it has ended.
#[derive(Debug, Clone, Default)]
pub struct Sequel {
    callbacks: Vec<Signature>,
    errbacks: Vec<Signature>,
    /// The next task of the chain, and those after it, the next one last.
    chain: Option<(Signature, Vec<Value>)>,
}

/// A task to be sent because another one has ended. Sending it again sends the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    /// Its id.
    pub id: String,
    /// Its name.
    pub task: String,
    /// Headers and body.
    pub encoded: Encoded,
    /// The queue it asks for; `None`: that of its task.
    pub queue: Option<String>,
    /// The priority it asks for.
    pub priority: Option<u8>,
    /// Where a client waits for its result.
    pub reply_to: Option<String>,
}

/// Somebody who may wait for the result of a task that is not run because one before it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The task's id.
    pub id: String,
    /// Where the client waits.
    pub reply_to: Option<String>,
}

impl Sequel {
    /// Reads what follows `task`.
    ///
    /// # Errors
    ///
    /// [`UnsupportedCanvas`] when any of it could not be sent: chords, groups that something follows, signatures without
    /// a queue but with an exchange, other serializers than JSON, more than a hundred followers.
    pub fn of(task: &TaskMessage) -> Result<Self, UnsupportedCanvas> {
        let Embed { callbacks, errbacks, chain, chord } = &task.embed;
        if chord.is_some() {
            return Err(UnsupportedCanvas::new("chords are not supported"));
        }
        let read_all =
            |signatures: &[Value]| signatures.iter().map(Signature::read).collect::<Result<_, _>>();
        Signature::check_rest(chain)?;
        let chain = match chain.split_last() {
            Some((next, rest)) => Some((Signature::read(next)?, rest.to_vec())),
            None => None,
        };
        let sequel = Self { callbacks: read_all(callbacks)?, errbacks: read_all(errbacks)?, chain };
        let followers = sequel.callbacks.iter().chain(&sequel.errbacks);
        let count: usize =
            followers.chain(sequel.chain.iter().map(|(next, _)| next)).map(Signature::count).sum();
        if count > FOLLOWERS_LIMIT {
            return Err(UnsupportedCanvas::new(format!("more than {FOLLOWERS_LIMIT} tasks follow")));
        }
        Ok(sequel)
    }

    /// What is to be sent after the task returned `result`: its callbacks, and the next task of its chain.
    pub fn after_success(
        &self,
        task: &TaskMessage,
        result: &Value,
        origin: &str,
        now: DateTime<Utc>,
    ) -> Vec<FollowUp> {
        let mut sender = Sender::new(task, result, origin, now);
        self.callbacks.iter().for_each(|callback| sender.send(callback, &[], None));
        if let Some((next, rest)) = &self.chain {
            sender.send(next, rest, None);
        }
        sender.sent
    }

    /// What is to be sent after the task failed for good: its errbacks, which are given its id.
    pub fn after_failure(&self, task: &TaskMessage, origin: &str, now: DateTime<Utc>) -> Vec<FollowUp> {
        let id = json!(task.id);
        let mut sender = Sender::new(task, &id, origin, now);
        self.errbacks.iter().for_each(|errback| sender.send(errback, &[], None));
        sender.sent
    }
}

/// Who waits for tasks that are not run when `embed`'s task fails: those of its chain, and the body of its chord.
pub fn waiting(embed: &Embed) -> Vec<Waiting> {
    let mut all = Vec::new();
    embed.chain.iter().rev().chain(&embed.chord).for_each(|signature| collect(signature, &mut all));
    all
}

fn collect(signature: &Value, all: &mut Vec<Waiting>) {
    let options = &signature["options"];
    let text = |option: &str| options[option].as_str().filter(|text| field::is_name(text)).map(str::to_owned);
    if let Some(id) = text("task_id") {
        all.push(Waiting { id, reply_to: text("reply_to") });
    }
    let nested = [&signature["kwargs"]["tasks"], &options["chain"]].into_iter().filter_map(Value::as_array);
    nested.flatten().for_each(|task| collect(task, all));
    if options["chord"].is_object() {
        collect(&options["chord"], all);
    }
}

impl Signature {
    fn count(&self) -> usize {
        match self {
            Self::Task(_) => 1,
            Self::Group { members, .. } => members.iter().map(Self::count).sum(),
            Self::Chain { first, .. } => first.count(),
        }
    }
}

/// Makes the messages of followers.
struct Sender<'a> {
    task: &'a TaskMessage,
    /// What each gets as its first argument.
    argument: &'a Value,
    origin: &'a str,
    now: DateTime<Utc>,
    sent: Vec<FollowUp>,
}

impl<'a> Sender<'a> {
    fn new(task: &'a TaskMessage, argument: &'a Value, origin: &'a str, now: DateTime<Utc>) -> Self {
        Self { task, argument, origin, now, sent: Vec::new() }
    }

    fn send(&mut self, signature: &Signature, rest: &[Value], group: Option<(&str, u64)>) {
        match signature {
            Signature::Task(call) => {
                let follow_up = self.follow_up(call, rest, group);
                self.sent.push(follow_up);
            }
            Signature::Chain { first, rest: own, .. } => {
                let rest: Vec<Value> = rest.iter().chain(own).cloned().collect();
                self.send(first, &rest, group);
            }
            Signature::Group { id, members } => {
                let id = id.clone().unwrap_or_else(|| self.fresh_id("group"));
                for (member, index) in members.iter().zip(0..) {
                    self.send(member, &[], Some((&id, index)));
                }
            }
        }
    }

    fn follow_up(&self, call: &Call, rest: &[Value], group: Option<(&str, u64)>) -> FollowUp {
        let Call { options, .. } = call;
        let named = |option: &str| name(options, option).ok().flatten();
        let signatures = |option: &str| list(options, option).unwrap_or_default();
        let seconds = |option: &str| field::get(options, option).and_then(Value::as_f64);
        let id = named("task_id").unwrap_or_else(|| self.fresh_id(&call.task));
        let mut new = NewTask::new(&id, &call.task, self.origin);
        new.args = match call.is_immutable {
            true => call.args.clone(),
            false => std::iter::once(self.argument).chain(&call.args).cloned().collect(),
        };
        new.kwargs = call.kwargs.clone();
        new.eta = self.instant(options, "eta").or_else(|| self.instant(options, "countdown"));
        new.expires = self.instant(options, "expires");
        new.ignore_result = field::get(options, "ignore_result").and_then(Value::as_bool);
        (new.time_limit, new.soft_time_limit) = (seconds("time_limit"), seconds("soft_time_limit"));
        new.shadow = named("shadow");
        new.root_id = Some(self.task.root_id.clone().unwrap_or_else(|| self.task.id.clone()));
        new.parent_id = Some(self.task.id.clone());
        new.group = group.map(|(id, _)| id.to_owned()).or_else(|| named("group_id"));
        new.group_index = group.map(|(_, index)| index).or_else(|| field::index(options, "group_index"));
        new.embed = Embed {
            callbacks: signatures("link"),
            errbacks: signatures("link_error"),
            chain: rest.iter().cloned().chain(signatures("chain")).collect(),
            chord: field::get(options, "chord").cloned(),
        };
        new.extra_headers = match field::get(options, "headers") {
            Some(Value::Object(headers)) => headers.clone(),
            _ => Map::new(),
        };
        FollowUp {
            id,
            task: call.task.clone(),
            encoded: encode(&new),
            queue: named("queue"),
            priority: field::index(options, "priority").and_then(|priority| u8::try_from(priority).ok()),
            reply_to: named("reply_to"),
        }
    }

    /// An id that is the same each time: whoever sends a follower again sends no second one.
    fn fresh_id(&self, what: &str) -> String {
        let place = self.sent.len().to_string();
        let name = [self.task.id.as_str(), &place, what].join("\u{0}");
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }

    /// An instant, or as many seconds from now.
    fn instant(&self, options: &Map<String, Value>, option: &str) -> Option<DateTime<Utc>> {
        match field::get(options, option)? {
            Value::String(text) => parse_time(text),
            value => {
                let millis = value.as_f64()? * 1000.0;
                self.now.checked_add_signed(TimeDelta::try_milliseconds(millis as i64)?)
            }
        }
    }
}

#[cfg(test)]
mod tests;
