//! What this worker runs, and what it was told about single tasks: shared by the executor and remote control.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use celery::TaskMessage;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Attempt;
use crate::rate::Rate;
use crate::revoked::Revoked;

/// Arguments beyond this are not repeated to whoever asks what runs.
const ARGUMENTS_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: HashMap<u64, Running>,
    begun: u64,
    totals: BTreeMap<String, u64>,
    revoked: Revoked,
    rates: HashMap<String, Rate>,
    time_limits: HashMap<String, Duration>,
}

#[derive(Debug)]
struct Running {
    attempt: Arc<Attempt>,
    since: DateTime<Utc>,
    terminated: CancellationToken,
}

/// A run that others may look at and end, for as long as this value lives.
pub(crate) struct Run<'a> {
    roster: &'a Roster,
    key: u64,
    /// Cancelled by whoever wants the run to end.
    pub(crate) terminated: CancellationToken,
    /// The longest run of such a task, where somebody has set one.
    pub(crate) time_limit: Option<Duration>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.roster.lock().running.remove(&self.key);
    }
}

impl Roster {
    /// Enters a run.
    pub(crate) fn begin(&self, attempt: &Arc<Attempt>, now: DateTime<Utc>) -> Run<'_> {
        let terminated = CancellationToken::new();
        let mut state = self.lock();
        state.begun += 1;
        let key = state.begun;
        match state.totals.get_mut(&attempt.task.task) {
            Some(total) => *total += 1,
            None => drop(state.totals.insert(attempt.task.task.clone(), 1)),
        }
        let time_limit = state.time_limits.get(&attempt.task.task).copied();
        let (attempt, ending) = (Arc::clone(attempt), terminated.clone());
        state.running.insert(key, Running { attempt, since: now, terminated: ending });
        Run { roster: self, key, terminated, time_limit }
    }

    /// Whether the task must not run.
    pub(crate) fn is_revoked(&self, id: &str) -> bool {
        self.lock().revoked.contains(id, Instant::now())
    }

    /// Remembers ids of tasks that must not run.
    pub(crate) fn revoke<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let (mut state, now) = (self.lock(), Instant::now());
        ids.into_iter().for_each(|id| state.revoked.add(id, now));
    }

    /// Ends the runs of these tasks; returns the ids of those that were running.
    pub(crate) fn terminate(&self, ids: &[String]) -> Vec<String> {
        let state = self.lock();
        let found = state.running.values().filter(|running| ids.contains(&running.attempt.task.id));
        found
            .map(|running| {
                running.terminated.cancel();
                running.attempt.task.id.clone()
            })
            .collect()
    }

    /// The ids of tasks that must not run.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.lock().revoked.list(Instant::now())
    }

    /// How many runs there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().running.len()
    }

    /// How many runs there are, and were begun.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.running.len(), state.begun)
    }

    /// How many runs of each task were begun.
    pub(crate) fn totals(&self) -> Value {
        json!(self.lock().totals)
    }

    /// What runs, as `celery inspect active` shows it.
    pub(crate) fn active(&self, worker: &str) -> Value {
        let state = self.lock();
        let mut running: Vec<(&u64, &Running)> = state.running.iter().collect();
        running.sort_by_key(|(key, _)| **key);
        running.iter().map(|(_, running)| running.to_json(worker)).collect()
    }

    /// Sets how often tasks of a name may begin here; `None`: as often as they come.
    pub(crate) fn limit_rate(&self, task: &str, rate: Option<Rate>) {
        let mut state = self.lock();
        match rate {
            Some(rate) => state.rates.insert(task.to_owned(), rate),
            None => state.rates.remove(task),
        };
    }

    /// Takes a place under the task's rate limit, or says how long until there is one.
    pub(crate) fn admit(&self, task: &TaskMessage) -> Option<Duration> {
        self.lock().rates.get_mut(&task.task)?.admit(Instant::now())
    }

    /// Sets the longest run of tasks of a name; `None`: the worker's own limit.
    pub(crate) fn limit_time(&self, task: &str, limit: Option<Duration>) {
        let mut state = self.lock();
        match limit {
            Some(limit) => state.time_limits.insert(task.to_owned(), limit),
            None => state.time_limits.remove(task),
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn to_json(&self, worker: &str) -> Value {
        let Attempt { task, queue, redelivered, progress, .. } = &*self.attempt;
        json!({"id": task.id, "name": task.task, "type": task.task, "args": bounded(task.args.clone().into()),
               "kwargs": bounded(task.kwargs.clone().into()), "hostname": worker,
               "time_start": celery::epoch_seconds(self.since), "acknowledged": false,
               "delivery_info": {"exchange": "", "routing_key": queue.name(), "priority": null,
                                 "redelivered": redelivered},
               "worker_pid": std::process::id(), "step": progress.step()})
    }
}

fn bounded(arguments: Value) -> Value {
    let text = arguments.to_string();
    if text.len() <= ARGUMENTS_MAX { arguments } else { json!(format!("… {} bytes", text.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Progress, WorkQueue};

    fn attempt(id: &str) -> Arc<Attempt> {
        let headers = json!({"task": "app.sync", "id": id});
        let task = celery::decode(&celery::Envelope {
            content_type: Some("application/json"),
            content_encoding: None,
            correlation_id: None,
            headers: headers.as_object().unwrap(),
            body: b"[[\"org\", \"Raghu\"], {}, {}]",
        });
        let (task, queue) = (task.unwrap(), WorkQueue::Periodic);
        Arc::new(Attempt {
            task,
            queue,
            redelivered: false,
            last_error: None,
            reply_to: None,
            progress: Progress::default(),
            span: tracing::Span::none(),
        })
    }

    #[test]
    fn a_run_is_shown_for_as_long_as_it_lives_and_counted_for_ever() {
        let roster = Roster::default();
        let run = roster.begin(&attempt("a"), DateTime::UNIX_EPOCH + chrono::Duration::milliseconds(1500));
        let shown = &roster.active("w@h")[0];
        assert_eq!(
            (&shown["id"], &shown["name"], &shown["hostname"]),
            (&json!("a"), &json!("app.sync"), &json!("w@h"))
        );
        assert_eq!((&shown["time_start"], &shown["args"]), (&json!(1.5), &json!(["org", "Raghu"])));
        assert_eq!(shown["delivery_info"]["routing_key"], "periodic");
        drop(run);
        assert_eq!(roster.active("w@h"), json!([]));
        assert_eq!((roster.counts(), roster.totals()), ((0, 1), json!({"app.sync": 1})));
    }

    #[test]
    fn only_runs_that_are_named_are_terminated() {
        let roster = Roster::default();
        let (one, other) = (roster.begin(&attempt("a"), Utc::now()), roster.begin(&attempt("b"), Utc::now()));
        assert_eq!(roster.terminate(&["a".to_owned(), "c".to_owned()]), ["a"]);
        assert!(one.terminated.is_cancelled() && !other.terminated.is_cancelled());
    }
}
