use serde_json::{Map, Value, json};

use crate::body::QUOTE_LIMIT;
use crate::field;
use crate::repr::{repr, repr_str};
use crate::sequel::UnsupportedCanvas;
use crate::time::parse_time;

/// How deeply groups and chains may be nested.
const DEPTH_LIMIT: usize = 16;
/// Bytes of options that are copied from groups and chains to their tasks, at most.
const COPIES_LIMIT: usize = 1 << 20;

/// What of a chain's options belongs to its last task, whose id is also the chain's.
const OF_THE_LAST: [&str; 4] = ["task_id", "group_id", "group_index", "chord"];
/// What of a group's options does not belong to each of its members.
const OF_THE_GROUP: [&str; 3] = ["task_id", "root_id", "parent_id"];

/// One signature of Celery's canvas, as far as it can be sent: a task, or tasks side by side, or one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signature {
    /// A task, also one of Celery's own such as `celery.map`: whoever has it runs it.
    Task(Box<Call>),
    /// Tasks side by side.
    Group { id: Option<String>, members: Vec<Signature>, is_immutable: bool },
    /// One after the other: the first, and the rest as it is, the next one last.
    Chain { first: Box<Signature>, rest: Vec<Value>, ends_in_group: bool, is_immutable: bool },
}

/// What to call, with what, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) task: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) options: Map<String, Value>,
    /// It takes no result of what came before.
    pub(crate) is_immutable: bool,
}

impl Signature {
    /// Reads one signature.
    pub(crate) fn read(value: &Value) -> Result<Self, UnsupportedCanvas> {
        read(value, 0, &mut Budget(COPIES_LIMIT))
    }

    /// Whether all of a chain can be sent, whose tasks are `rest`, the next one last.
    pub(crate) fn check_rest(rest: &[Value]) -> Result<(), UnsupportedCanvas> {
        match rest.split_last() {
            Some((next, rest)) => {
                check_chain(&Self::read(next)?, rest, 0, &mut Budget(COPIES_LIMIT)).map(drop)
            }
            None => Ok(()),
        }
    }

    fn is_group(&self) -> bool {
        match self {
            Self::Task(_) => false,
            Self::Group { .. } => true,
            Self::Chain { ends_in_group, .. } => *ends_in_group,
        }
    }
}

/// Bytes that may still be copied from a group or chain to its tasks.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, value: &Value, times: usize) -> Result<(), UnsupportedCanvas> {
        let left = self.0.checked_sub(value.to_string().len().saturating_mul(times));
        self.0 = left.ok_or_else(|| {
            UnsupportedCanvas::new("options of a group or chain are too large for so many tasks")
        })?;
        Ok(())
    }
}

fn read(value: &Value, depth: usize, budget: &mut Budget) -> Result<Signature, UnsupportedCanvas> {
    if depth > DEPTH_LIMIT {
        return Err(UnsupportedCanvas::new("signatures are nested too deeply"));
    }
    let Value::Object(fields) = value else {
        return Err(UnsupportedCanvas::new(format!("a signature is {}", repr(value, QUOTE_LIMIT))));
    };
    let call = Call {
        task: name(fields, "task")?.ok_or_else(|| UnsupportedCanvas::new("a signature has no task"))?,
        args: list(fields, "args")?,
        kwargs: object(fields, "kwargs")?,
        options: object(fields, "options")?,
        is_immutable: fields.get("immutable") == Some(&Value::Bool(true)),
    };
    check_options(&call.options)?;
    match call.task.as_str() {
        "celery.chord" => Err(UnsupportedCanvas::new("chords are not supported")),
        "celery.group" | "celery.chain" if !call.args.is_empty() => {
            Err(UnsupportedCanvas::new("arguments of a group or chain as a whole are not supported"))
        }
        "celery.group" => group(call, depth, budget),
        "celery.chain" => chain(call, depth, budget),
        _ => Ok(Signature::Task(Box::new(call))),
    }
}

fn group(call: Call, depth: usize, budget: &mut Budget) -> Result<Signature, UnsupportedCanvas> {
    if has_any(&call.options, &["link", "link_error", "chain", "chord"]) {
        return Err(UnsupportedCanvas::new(
            "what follows a group as a whole is a chord, which is not supported",
        ));
    }
    let mut members = list(&call.kwargs, "tasks")?;
    for (option, value) in call.options.iter().filter(|(option, _)| !OF_THE_GROUP.contains(&option.as_str()))
    {
        budget.spend(value, members.len())?;
        members.iter_mut().for_each(|member| give_option(member, option, value));
    }
    Ok(Signature::Group {
        id: name(&call.options, "task_id")?,
        members: members.iter().map(|member| read(member, depth + 1, budget)).collect::<Result<_, _>>()?,
        is_immutable: call.is_immutable,
    })
}

/// Of a chain's options some belong to its last task, errbacks to each, and the others to its first.
fn chain(call: Call, depth: usize, budget: &mut Budget) -> Result<Signature, UnsupportedCanvas> {
    let mut tasks = list(&call.kwargs, "tasks")?;
    for (option, value) in call.options.iter().filter(|(_, value)| !value.is_null()) {
        match option.as_str() {
            "link" => tasks.last_mut().map_or(Ok(()), |last| append(last, option, value))?,
            "link_error" => {
                budget.spend(value, tasks.len())?;
                tasks.iter_mut().try_for_each(|task| append(task, option, value))?;
            }
            last if OF_THE_LAST.contains(&last) => {
                tasks.iter_mut().next_back().into_iter().for_each(|last| give_option(last, option, value));
            }
            _ => tasks.iter_mut().next().into_iter().for_each(|first| give_option(first, option, value)),
        }
    }
    // The next task of what is passed on is its last element.
    tasks.reverse();
    let first = tasks.pop().ok_or_else(|| UnsupportedCanvas::new("a chain has no tasks"))?;
    let first = Box::new(read(&first, depth + 1, budget)?);
    let ends_in_group = check_chain(&first, &tasks, depth, budget)?;
    Ok(Signature::Chain { first, rest: tasks, ends_in_group, is_immutable: call.is_immutable })
}

/// Whether all of a chain can be sent, one task after the other; returns whether its last one is a group.
fn check_chain(
    first: &Signature,
    rest: &[Value],
    depth: usize,
    budget: &mut Budget,
) -> Result<bool, UnsupportedCanvas> {
    let mut before = first.is_group();
    for next in rest.iter().rev() {
        if before {
            return Err(UnsupportedCanvas::new("a group within a chain is a chord, which is not supported"));
        }
        before = read(next, depth + 1, budget)?.is_group();
    }
    Ok(before)
}

/// What cannot be honoured is refused, not forgotten.
fn check_options(options: &Map<String, Value>) -> Result<(), UnsupportedCanvas> {
    for option in ["task_id", "group_id", "shadow"] {
        name(options, option)?;
    }
    for option in ["queue", "reply_to"] {
        // To RabbitMQ's own queues only their owners may send: it would close the channel.
        if let Some(queue) = name(options, option)?.filter(|queue| queue.starts_with("amq.")) {
            return Err(UnsupportedCanvas::new(format!("{option} is {}", repr_str(&queue, QUOTE_LIMIT))));
        }
    }
    for option in ["link", "link_error", "chain"] {
        list(options, option)?;
    }
    for option in ["eta", "expires", "countdown"] {
        if let Some(value) = field::get(options, option)
            && time(value).is_none()
        {
            return Err(UnsupportedCanvas::new(format!("{option} is {}", repr(value, QUOTE_LIMIT))));
        }
    }
    if let Some(serializer) = field::get(options, "serializer")
        && serializer != "json"
    {
        return Err(UnsupportedCanvas::new(format!("serializer {}", repr(serializer, QUOTE_LIMIT))));
    }
    if field::get(options, "queue").is_none() && has_any(options, &["exchange", "routing_key"]) {
        return Err(UnsupportedCanvas::new("a signature must name a queue, not an exchange or routing key"));
    }
    Ok(())
}

/// An instant, or how long from when it is sent.
pub(crate) enum Time {
    At(chrono::DateTime<chrono::Utc>),
    In(chrono::TimeDelta),
}

/// As an option tells it: seconds, text, or kombu's JSON of a Python `datetime`.
pub(crate) fn time(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => parse_time(text).map(Time::At),
        Value::Object(fields) if fields.get("__type__")? == "datetime" => {
            parse_time(fields.get("__value__")?.as_str()?).map(Time::At)
        }
        value => chrono::TimeDelta::try_milliseconds((value.as_f64()? * 1000.0) as i64).map(Time::In),
    }
}

/// Sets an option of a signature that is not read yet.
pub(crate) fn set_option(signature: &mut Value, option: &str, value: &Value) {
    if let Value::Object(fields) = signature
        && let Value::Object(options) = fields.entry("options").or_insert_with(|| json!({}))
    {
        options.insert(option.to_owned(), value.clone());
    }
}

/// As [`set_option`], but what a task says of its own group and stamps stands.
fn give_option(signature: &mut Value, option: &str, value: &Value) {
    let is_own = matches!(option, "group_id" | "stamped_headers") && !signature["options"][option].is_null();
    if !is_own {
        set_option(signature, option, value);
    }
}

/// Adds to an option that is a list of signatures.
fn append(signature: &mut Value, option: &str, value: &Value) -> Result<(), UnsupportedCanvas> {
    let more = Map::from_iter([(option.to_owned(), value.clone())]);
    let own = signature.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut all = list(&own, option)?;
    all.extend(list(&more, option)?);
    set_option(signature, option, &Value::Array(all));
    Ok(())
}

fn has_any(options: &Map<String, Value>, names: &[&str]) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    names.iter().any(|name| field::get(options, name).is_some_and(|value| !is_empty(value)))
}

pub(crate) fn name(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, UnsupportedCanvas> {
    match field::get(fields, field) {
        None => Ok(None),
        Some(Value::String(text)) if field::is_name(text) => Ok(Some(text.clone())),
        Some(Value::String(text)) => {
            Err(UnsupportedCanvas::new(format!("{field} is {}", repr_str(text, QUOTE_LIMIT))))
        }
        Some(other) => Err(UnsupportedCanvas::new(format!("{field} is {}", repr(other, QUOTE_LIMIT)))),
    }
}

/// A list; a single signature counts as one, as for Celery.
pub(crate) fn list(fields: &Map<String, Value>, field: &str) -> Result<Vec<Value>, UnsupportedCanvas> {
    match field::get(fields, field) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(one @ Value::Object(_)) => Ok(vec![one.clone()]),
        Some(other) => Err(UnsupportedCanvas::new(format!("{field} is {}", repr(other, QUOTE_LIMIT)))),
    }
}

fn object(fields: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, UnsupportedCanvas> {
    match field::get(fields, field) {
        None => Ok(Map::new()),
        Some(Value::Object(entries)) => Ok(entries.clone()),
        Some(other) => Err(UnsupportedCanvas::new(format!("{field} is {}", repr(other, QUOTE_LIMIT)))),
    }
}
