use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::signature::{Call, Signature, Time, list, name, set_option, time};
use crate::{Embed, Encoded, NewTask, TaskMessage, encode, field};

/// Most tasks that may follow one: each carries its whole result.
const FOLLOWERS_LIMIT: usize = 100;

/// How deeply a header that a signature adds may be nested.
const HEADER_DEPTH_LIMIT: usize = 8;

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

/// What follows a task that ends well, ready to be sent then.
#[derive(Debug, Clone, Default)]
pub struct Sequel {
    callbacks: Vec<Signature>,
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
            |signatures: &[Value]| signatures.iter().map(Signature::read).collect::<Result<Vec<_>, _>>();
        Signature::check_rest(chain)?;
        let chain = match chain.split_last() {
            Some((next, rest)) => Some((Signature::read(next)?, rest.to_vec())),
            None => None,
        };
        let (callbacks, errbacks) = (read_all(callbacks)?, read_all(errbacks)?);
        let next = chain.iter().map(|(next, _)| next);
        let well: usize = callbacks.iter().chain(next).map(Signature::count).sum();
        let badly: usize = errbacks.iter().map(Signature::count).sum();
        if well.max(badly) > FOLLOWERS_LIMIT {
            return Err(UnsupportedCanvas::new(format!("more than {FOLLOWERS_LIMIT} tasks follow")));
        }
        Ok(Self { callbacks, chain })
    }

    /// What is to be sent after the task returned `result`: its callbacks, and the next task of its chain.
    pub fn after_success(
        &self,
        task: &TaskMessage,
        result: &Value,
        origin: &str,
        now: DateTime<Utc>,
    ) -> Vec<FollowUp> {
        let mut sender = Sender { role: "callback", task, origin, now, sent: Vec::new() };
        self.callbacks.iter().for_each(|callback| sender.send(callback, Some(result), &[], None));
        if let Some((next, rest)) = &self.chain {
            sender.send(next, Some(result), rest, None);
        }
        sender.sent
    }
}

/// What is to be sent after a task failed for good: its errbacks, which are given its id. One that cannot be sent does not
/// keep the others; nor does it, when the task is refused for something else that should have followed.
pub fn after_failure(task: &TaskMessage, origin: &str, now: DateTime<Utc>) -> Vec<FollowUp> {
    let id = json!(task.id);
    let mut sender = Sender { role: "errback", task, origin, now, sent: Vec::new() };
    for errback in task.embed.errbacks.iter().take(FOLLOWERS_LIMIT) {
        if let Ok(errback) = Signature::read(errback)
            && sender.sent.len() + errback.count() <= FOLLOWERS_LIMIT
        {
            sender.send(&errback, Some(&id), &[], None);
        }
    }
    sender.sent
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
    // A chord that is a link of a chain has its header and its body as arguments.
    let (of_group, header) = (&signature["kwargs"]["tasks"], &signature["kwargs"]["header"]);
    for tasks in [of_group, header, &header["kwargs"]["tasks"], &options["chain"]] {
        tasks.as_array().into_iter().flatten().for_each(|task| collect(task, all));
    }
    if signature["kwargs"]["body"].is_object() {
        collect(&signature["kwargs"]["body"], all);
    }
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
    role: &'static str,
    task: &'a TaskMessage,
    origin: &'a str,
    now: DateTime<Utc>,
    sent: Vec<FollowUp>,
}

impl Sender<'_> {
    /// Sends a signature with `argument` as its first one, with `rest` after it, as a member of `group`.
    fn send(
        &mut self,
        signature: &Signature,
        argument: Option<&Value>,
        rest: &[Value],
        group: Option<(&str, u64)>,
    ) {
        match signature {
            Signature::Task(call) => {
                let argument = argument.filter(|_| !call.is_immutable);
                let follow_up = self.follow_up(call, argument, rest, group);
                self.sent.push(follow_up);
            }
            Signature::Chain { first, rest: own, is_immutable, .. } => {
                let mut own = own.clone();
                // Of a chain it is the last task that is the member.
                let group = match (group, own.first_mut()) {
                    (Some((id, index)), Some(last)) => {
                        set_option(last, "group_id", &json!(id));
                        set_option(last, "group_index", &json!(index));
                        None
                    }
                    (group, _) => group,
                };
                let rest: Vec<Value> = rest.iter().cloned().chain(own).collect();
                self.send(first, argument.filter(|_| !is_immutable), &rest, group);
            }
            Signature::Group { id, members, is_immutable } => {
                let id = id.clone().unwrap_or_else(|| self.fresh_id("group"));
                for (member, index) in members.iter().zip(0..) {
                    self.send(member, argument.filter(|_| !is_immutable), &[], Some((&id, index)));
                }
            }
        }
    }

    fn follow_up(
        &self,
        call: &Call,
        argument: Option<&Value>,
        rest: &[Value],
        group: Option<(&str, u64)>,
    ) -> FollowUp {
        let Call { options, .. } = call;
        let named = |option: &str| name(options, option).ok().flatten();
        let signatures = |option: &str| list(options, option).unwrap_or_default();
        let seconds = |option: &str| field::get(options, option).and_then(Value::as_f64);
        let id = named("task_id").unwrap_or_else(|| self.fresh_id(&call.task));
        let mut new = NewTask::new(&id, &call.task, self.origin);
        new.args = argument.into_iter().chain(&call.args).cloned().collect();
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
        new.extra_headers = own_headers(options);
        let mut encoded = encode(&new);
        if let Some(Value::Array(names)) = field::get(options, "stamped_headers") {
            let names = names.iter().filter_map(Value::as_str);
            let stamps: Map<String, Value> =
                names.filter_map(|name| Some((name.to_owned(), options.get(name)?.clone()))).collect();
            encoded.headers.insert("stamped_headers".to_owned(), options["stamped_headers"].clone());
            encoded.headers.insert("stamps".to_owned(), Value::Object(stamps));
        }
        FollowUp {
            id,
            task: call.task.clone(),
            encoded,
            queue: named("queue"),
            priority: field::index(options, "priority").and_then(|priority| u8::try_from(priority).ok()),
            reply_to: named("reply_to"),
        }
    }

    /// An id that is the same each time: whoever sends a follower again sends no second one.
    fn fresh_id(&self, what: &str) -> String {
        let place = self.sent.len().to_string();
        let name = [self.role, &self.task.id, &place, what].join("\u{0}");
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }

    fn instant(&self, options: &Map<String, Value>, option: &str) -> Option<DateTime<Utc>> {
        match time(field::get(options, option)?)? {
            Time::At(instant) => Some(instant),
            Time::In(delay) => self.now.checked_add_signed(delay),
        }
    }
}

/// The headers that a signature adds, without those by which RabbitMQ or a worker would act.
fn own_headers(options: &Map<String, Value>) -> Map<String, Value> {
    let acts = |name: &str| {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "cc" | "bcc" | "compression" | "x-delay")
            || name.starts_with("x-death")
            || name.starts_with("syncfleet-")
    };
    let Some(Value::Object(headers)) = field::get(options, "headers") else { return Map::new() };
    let kept = headers.iter().filter(|(name, value)| !acts(name) && !is_deep(value, HEADER_DEPTH_LIMIT));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_deep(value: &Value, limit: usize) -> bool {
    let below = |inner: &Value| limit == 0 || is_deep(inner, limit - 1);
    match value {
        Value::Array(items) => items.iter().any(below),
        Value::Object(fields) => fields.values().any(below),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
