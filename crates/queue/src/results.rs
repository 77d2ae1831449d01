//! What Celery clients are told of a job.

use celery::result::{self, Revocation};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::handler::End;

/// The exception that a failed job is to Python, and the module of it.
pub(crate) const FAILURE: (&str, &str) = ("SyncFailed", "syncfleet");

/// The result that tells an end.
pub(crate) fn of(id: &str, end: &End, now: DateTime<Utc>) -> Value {
    match end {
        End::Finished(returned) => result::success(id, returned.clone(), &[], now),
        End::Expired => result::revoked(id, Revocation::Expired, now),
        End::Revoked { is_terminated: true } => result::revoked(id, Revocation::Terminated, now),
        End::Revoked { is_terminated: false } => result::revoked(id, Revocation::Revoked, now),
        End::FailedAndExpired { error } => result::failure(id, FAILURE.0, FAILURE.1, &[error], None, now),
        End::Dead { reason, error, .. } => {
            let (kind, module) = match reason.as_str() {
                "unknown_task" => ("NotRegistered", "celery.exceptions"),
                "bad_arguments" => ("TypeError", "builtins"),
                _ => FAILURE,
            };
            result::failure(id, kind, module, &[error], None, now)
        }
    }
}

/// The result of a job that failed and comes back.
pub(crate) fn of_retry(id: &str, error: &str) -> Value {
    result::retry(id, FAILURE.0, FAILURE.1, &[error], None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(end: &End) -> (String, Value) {
        let result = of("a", end, DateTime::UNIX_EPOCH);
        let what = [&result["result"]["exc_type"], &result["result"]["exc_message"][0]];
        (result["status"].as_str().unwrap().to_owned(), json!(what))
    }

    #[test]
    fn every_end_is_told_as_python_knows_it() {
        let dead = |reason: &str| End::Dead { reason: reason.into(), error: "boom".into(), report: None };
        for (end, status, what) in [
            (End::Expired, "REVOKED", json!(["TaskRevokedError", "expired"])),
            (End::Revoked { is_terminated: false }, "REVOKED", json!(["TaskRevokedError", "revoked"])),
            (End::Revoked { is_terminated: true }, "REVOKED", json!(["TaskRevokedError", "terminated"])),
            (End::FailedAndExpired { error: "boom".into() }, "FAILURE", json!(["SyncFailed", "boom"])),
            (dead("unknown_task"), "FAILURE", json!(["NotRegistered", "boom"])),
            (dead("bad_arguments"), "FAILURE", json!(["TypeError", "boom"])),
            (dead("retries_exhausted"), "FAILURE", json!(["SyncFailed", "boom"])),
        ] {
            assert_eq!(shown(&end), (status.to_owned(), what));
        }
        let result = of("a", &End::Finished(json!({"status": "success"})), DateTime::UNIX_EPOCH);
        assert_eq!((&result["status"], &result["result"]["status"]), (&json!("SUCCESS"), &json!("success")));
    }
}
