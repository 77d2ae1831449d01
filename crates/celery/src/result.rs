//! Task results in the JSON shape that Celery's clients read.
//!
//! Store it at [`key`] *and* publish it on the channel of the same name in one transaction: a waiting
//! `AsyncResult.get()` listens to the channel only. Statuses are upper case, `task_id` and `result` are required.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::format_time;

/// Why a task was revoked; `AsyncResult.get()` raises `TaskRevokedError` with this word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// Somebody revoked it before it ran.
    Revoked,
    /// Its `expires` had passed.
    Expired,
    /// Somebody revoked it while it ran.
    Terminated,
}

impl Revocation {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
        }
    }
}

/// The Redis key and channel of a task's result.
pub fn key(id: &str) -> String {
    format!("celery-task-meta-{id}")
}

/// The task returned `result`, and sent the tasks `children` when it had ended.
pub fn success(id: &str, result: Value, children: &[String], now: DateTime<Utc>) -> Value {
    let mut meta = meta(id, "SUCCESS", result, None, Some(now));
    // As Python writes an `AsyncResult`: its id and its parent's, then its members.
    meta["children"] = children.iter().map(|child| json!([[child, null], null])).collect();
    meta
}

/// The task failed for good. Python raises `exc_module.exc_type(*messages)`; of a module it does not know it makes
/// the class up, so any names will do.
pub fn failure(
    id: &str,
    exc_type: &str,
    exc_module: &str,
    messages: &[&str],
    traceback: Option<&str>,
    now: DateTime<Utc>,
) -> Value {
    meta(id, "FAILURE", exception(exc_type, exc_module, messages), traceback, Some(now))
}

/// The task was not run, or was stopped, on somebody's word.
pub fn revoked(id: &str, why: Revocation, now: DateTime<Utc>) -> Value {
    let result = exception("TaskRevokedError", "celery.exceptions", &[why.as_str()]);
    meta(id, "REVOKED", result, None, Some(now))
}

/// The task failed and will be tried again. It does not end a `get()` and has no `date_done`.
pub fn retry(
    id: &str,
    exc_type: &str,
    exc_module: &str,
    messages: &[&str],
    traceback: Option<&str>,
) -> Value {
    meta(id, "RETRY", exception(exc_type, exc_module, messages), traceback, None)
}

/// The task runs, on the worker named `hostname`. It does not end a `get()`.
pub fn started(id: &str, pid: u32, hostname: &str) -> Value {
    meta(id, "STARTED", json!({"pid": pid, "hostname": hostname}), None, None)
}

fn exception(exc_type: &str, exc_module: &str, messages: &[&str]) -> Value {
    json!({"exc_type": exc_type, "exc_message": messages, "exc_module": exc_module})
}

fn meta(
    id: &str,
    status: &str,
    result: Value,
    traceback: Option<&str>,
    date_done: Option<DateTime<Utc>>,
) -> Value {
    json!({
        "status": status,
        "result": result,
        "traceback": traceback,
        "children": [],
        "date_done": date_done.map(format_time),
        "task_id": id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        crate::parse_time("2026-11-22T13:16:42.572247Z").unwrap()
    }

    #[test]
    fn a_success_has_every_field_celery_writes() {
        assert_eq!(
            success("64c0", json!({"org": "org1"}), &[], now()),
            json!({"status": "SUCCESS", "result": {"org": "org1"}, "traceback": null, "children": [],
                   "date_done": "2026-11-22T13:16:42.572247+00:00", "task_id": "64c0"})
        );
    }

    #[test]
    fn a_success_names_what_it_was_followed_by() {
        let followed = success("64c0", json!(1), &["b".to_owned(), "c".to_owned()], now());
        assert_eq!(followed["children"], json!([[["b", null], null], [["c", null], null]]));
    }

    #[test]
    fn a_failure_carries_the_exception_as_a_list_of_arguments() {
        assert_eq!(
            failure("64c0", "KeyError", "builtins", &["missing"], Some("Traceback ..."), now()),
            json!({"status": "FAILURE",
                   "result": {"exc_type": "KeyError", "exc_message": ["missing"], "exc_module": "builtins"},
                   "traceback": "Traceback ...", "children": [],
                   "date_done": "2026-11-22T13:16:42.572247+00:00", "task_id": "64c0"})
        );
    }

    #[test]
    fn a_revoked_task_says_why() {
        let result = revoked("64c0", Revocation::Expired, now());
        assert_eq!(result["status"], "REVOKED");
        assert_eq!(
            result["result"],
            json!({"exc_type": "TaskRevokedError", "exc_message": ["expired"], "exc_module": "celery.exceptions"})
        );
    }

    #[test]
    fn a_retry_and_a_start_are_not_done() {
        let retry = retry("64c0", "ValueError", "builtins", &["boom 1"], None);
        assert_eq!((retry["status"].as_str(), retry["date_done"].is_null()), (Some("RETRY"), true));
        let started = started("64c0", 21733, "w2@host2");
        assert_eq!(started["result"], json!({"pid": 21733, "hostname": "w2@host2"}));
        assert_eq!((started["status"].as_str(), started["date_done"].is_null()), (Some("STARTED"), true));
    }

    #[test]
    fn the_key_is_celerys() {
        assert_eq!(key("64c0"), "celery-task-meta-64c0");
    }
}
