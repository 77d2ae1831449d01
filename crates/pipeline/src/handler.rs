use std::sync::Arc;
use std::time::Duration;

use celery::Waiting;
use chrono::Utc;
use queue::{Attempt, End, Ending, Handler, SUPERSEDED, Wait, WaitState};
use serde_json::{Value, json};
use storage::{EndedJob, JobWait, Lease, LeaseAnswer, LeaseRequest, Outcome, StorageError};
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, warn};

use crate::job::{ACCOUNT_SYNC, TASKS};
use crate::report::rfc3339;
use crate::sync::{LEASE_HOLD, LeaseLost, Pipeline, RunEnd};
use crate::{SyncJob, chain, notification, step, turns};

/// Deaths of its worker after which a job is suspected of them. One may be chance.
const SUSPECT: u32 = 2;
/// How long PostgreSQL may take to give the account to a run.
const LEASE_LIMIT: Duration = Duration::from_secs(10);
/// How long an interrupted run may take to give its lease back.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);
/// What a note keeps of an error.
const ERROR_CHARS_MAX: usize = 2000;
/// How long the note of a wait may take.
const NOTE_LIMIT: Duration = Duration::from_secs(1);

impl Handler for Pipeline {
    fn knows(&self, task: &str) -> bool {
        TASKS.contains(&task)
    }

    async fn run(&self, attempt: Arc<Attempt>, stop: CancellationToken) -> Ending {
        if attempt.task.task != ACCOUNT_SYNC {
            return match celery::bind(&attempt.task, &[]) {
                Ok(_) => Box::pin(self.run_fan_out(&attempt, &stop)).await,
                Err(error) => {
                    Ending::Refused { reason: "bad_arguments".to_owned(), error: error.to_string() }
                }
            };
        }
        let job = match SyncJob::from_task(&attempt.task) {
            Ok(job) => job,
            Err(error) => return Ending::Refused { reason: "bad_arguments".to_owned(), error },
        };
        Span::current().record("account", tracing::field::display(&job.account));
        attempt.note("syncfleet.organization", &job.account.organization_id);
        attempt.note("syncfleet.account", &job.account.pseudo_account);
        let request = LeaseRequest {
            account: &job.account,
            job_id: &job.id,
            redelivered: attempt.redelivered,
            worker: &self.settings.worker,
            enqueued_at: job.enqueued_at,
            replayed_at: job.replayed_at,
            force: job.force,
            check_external: job.check_external,
            crash_limit: self.settings.crash_limit,
            hold: LEASE_HOLD,
        };
        let leasing = tokio::time::timeout(LEASE_LIMIT, self.storage.lease_account(&request));
        let leased = step::run(step::span!("lease"), Box::pin(leasing), |leased| match leased {
            Ok(leased) => lease_told(leased),
            Err(_) => Err("no answer of PostgreSQL".to_owned()),
        })
        .await;
        let Ok(leased) = leased else {
            let error = format!("PostgreSQL gave no answer within {} s", LEASE_LIMIT.as_secs());
            return Ending::Failed { error, retry_after: None, report: None };
        };
        match leased {
            Ok(LeaseAnswer::Taken(lease)) if lease.crashes >= SUSPECT => {
                self.run_suspect(&job, &lease, &attempt, &stop).await
            }
            Ok(LeaseAnswer::Taken(lease)) => self.run_leased(&job, &lease, &attempt, &stop).await,
            Ok(LeaseAnswer::Crashed { crashes }) => {
                warn!(account = %job.account, crashes, "the worker that ran this job before is gone without a word");
                Ending::Crashed { crashes }
            }
            Ok(LeaseAnswer::Held { until }) => {
                debug!(account = %job.account, %until, "held by another run");
                Ending::Held
            }
            Ok(LeaseAnswer::Done) => self.done_before(&job).await,
            Ok(LeaseAnswer::Superseded { by }) => self.superseded(&job, &by).await,
            Err(error) => failed_by(&error),
        }
    }

    fn outcome(&self, returned: &Value) -> &'static str {
        if returned["superseded_by"].is_string() {
            return SUPERSEDED;
        }
        match returned["status"].as_str() {
            Some("partial_success") => "partial_success",
            Some("failed") => "failed",
            _ => "success",
        }
    }

    async fn conclude(&self, attempt: &Attempt, end: End) -> Result<End, String> {
        let job = SyncJob::from_task(&attempt.task).ok().filter(|_| attempt.task.task == ACCOUNT_SYNC);
        let Some(job) = job else { return Ok(end) };
        Span::current().record("account", tracing::field::display(&job.account));
        let has_letter = matches!(end, End::Dead { .. });
        match self.storage.outcome(&job.id, &job.account).await {
            // A duplicate of a job that ended: what was told stands.
            Ok(Some(outcome)) if job.replayed_at.is_none_or(|replayed| outcome.finished_at > replayed) => {
                return Ok(end_of(outcome));
            }
            // Before anybody is told: it would be told again.
            Err(error) if !has_letter => return Err(not_stored(&error)),
            _ => {}
        }
        match self.write_end(&job, &end).await {
            Err(EndError::Stored(error)) if has_letter => {
                warn!(account = %job.account, "{}: the dead letter says it all", not_stored(&error));
            }
            Err(EndError::Stored(error)) => return Err(not_stored(&error)),
            Err(EndError::Told(error)) => return Err(format!("Notification failed: {error}")),
            Ok(()) => {}
        }
        Ok(end)
    }

    async fn note_wait(&self, attempt: &Attempt, wait: &Wait) {
        let job = SyncJob::from_task(&attempt.task).ok().filter(|_| attempt.task.task == ACCOUNT_SYNC);
        let Some(job) = job else { return };
        // Where the job of a tick is in its spread follows from the tick: it costs no statement for each account.
        if wait.reason == "early" && wait.state == WaitState::Parked && job.enqueued_at.is_some() {
            return;
        }
        let note = JobWait {
            job_id: job.id,
            account: job.account,
            queue: attempt.queue.name().to_owned(),
            state: wait.state.as_str().to_owned(),
            reason: Some(wait.reason.to_owned()),
            error: wait.error.as_deref().map(notable),
            retries: wait.retries,
            retries_max: Some(wait.retries_max),
            due_at: Some(wait.due),
            worker: self.settings.worker.clone(),
            is_on_its_way: wait.is_on_its_way,
        };
        match tokio::time::timeout(NOTE_LIMIT, self.storage.note_waits(&[note])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("a wait was not noted: {}", chain(&error)),
            Err(_) => debug!("a wait was not noted: PostgreSQL gave no answer within {NOTE_LIMIT:?}"),
        }
    }

    async fn tell_result(&self, waiting: &Waiting, result: Value) {
        self.results.tell(waiting, &result).await;
    }
}

impl Pipeline {
    /// Runs a job that may be what killed its workers: one such at a time, so that it cannot take others along often.
    async fn run_suspect(
        &self,
        job: &SyncJob,
        lease: &Lease,
        attempt: &Attempt,
        stop: &CancellationToken,
    ) -> Ending {
        let Ok(_alone) = self.suspect.try_acquire() else {
            debug!(account = %job.account, crashes = lease.crashes, "waits until no other suspect runs here");
            self.release(lease).await;
            return Ending::Waiting { delay: turns::pause(), why: "suspect" };
        };
        self.run_leased(job, lease, attempt, stop).await
    }

    /// Runs the steps while the lease is renewed beside them; whichever ends first ends the run.
    async fn run_leased(
        &self,
        job: &SyncJob,
        lease: &Lease,
        attempt: &Attempt,
        stop: &CancellationToken,
    ) -> Ending {
        let ended = tokio::select! {
            ended = self.sync_account(job, lease, attempt) => ended,
            () = self.keep_lease(lease) => Err(LeaseLost),
            () = stop.cancelled() => {
                self.release(lease).await;
                return Ending::Interrupted;
            }
        };
        match ended {
            Ok(RunEnd::Finished(report)) => Ending::Finished(report),
            Ok(RunEnd::Waiting { delay, why }) => {
                debug!(account = %job.account, ?delay, why, "comes back later");
                self.release(lease).await;
                Ending::Waiting { delay, why }
            }
            Ok(RunEnd::Failed { error, retry_after, report }) => {
                self.release(lease).await;
                let notification = with_failure(report.notification(), &error);
                let report = json!({"sequence": report.sequence, "notification": notification});
                Ending::Failed { error, retry_after, report: Some(report) }
            }
            Err(LeaseLost) => {
                warn!(account = %job.account, "the lease is lost, another run may have the account: this one does not count");
                // Whoever took this run for dead is told that it is not.
                self.release(lease).await;
                Ending::Held
            }
        }
    }

    /// A job for all accounts: enqueues theirs, as a tick does.
    async fn run_fan_out(&self, attempt: &Attempt, stop: &CancellationToken) -> Ending {
        let published = tokio::select! {
            published = self.fan_out.publish_for_job(&attempt.task.id) => published,
            () = stop.cancelled() => return Ending::Interrupted,
        };
        match published {
            Ok(accounts) => Ending::Finished(json!({
                "status": "success", "accounts_queued": accounts,
                "external_order_check_interval": self.fan_out.check_minutes(),
            })),
            Err(error) => Ending::Failed { error: chain(&error), retry_after: None, report: None },
        }
    }

    /// The job has an outcome: a worker died between writing it and the ack, or it is a duplicate. What is told of its end
    /// may be missing.
    async fn done_before(&self, job: &SyncJob) -> Ending {
        match self.storage.outcome(&job.id, &job.account).await {
            Ok(Some(outcome)) => {
                debug!(account = %job.account, "done before");
                Ending::EndedBefore(end_of(outcome))
            }
            Ok(None) => {
                Ending::Failed { error: "its outcome is gone".to_owned(), retry_after: None, report: None }
            }
            Err(error) => failed_by(&error),
        }
    }

    async fn superseded(&self, job: &SyncJob, by: &str) -> Ending {
        match self.storage.record_superseded(&job.id, &job.account, by, &self.settings.worker).await {
            Ok(report) => {
                debug!(account = %job.account, by, "superseded");
                let mut report = report.unwrap_or_else(|| json!({}));
                report["superseded_by"] = json!(by);
                Ending::Finished(report)
            }
            Err(error) => failed_by(&error),
        }
    }

    async fn release(&self, lease: &Lease) {
        let released = tokio::time::timeout(RELEASE_LIMIT, self.storage.release_lease(lease)).await;
        if !matches!(released, Ok(Ok(()))) {
            warn!(account = %lease.account, "lease not given back: it ends by itself in {LEASE_HOLD:?}");
        }
    }

    /// Tells that a job failed, where it did, and writes down how it ended.
    async fn write_end(&self, job: &SyncJob, end: &End) -> Result<(), EndError> {
        let (status, reason) = match end {
            End::Finished(_) => return Ok(()),
            End::Expired => ("expired", "expired"),
            End::Revoked { is_terminated: true } => ("revoked", "terminated"),
            End::Revoked { is_terminated: false } => ("revoked", "revoked"),
            End::FailedAndExpired { .. } => ("failed", "expired"),
            End::Dead { reason, .. } => ("failed", reason.as_str()),
        };
        let (sequence, notification) = match end {
            End::Dead { report: Some(report), .. } => {
                (report["sequence"].as_i64(), report["notification"].clone())
            }
            End::Dead { error, .. } | End::FailedAndExpired { error } => {
                (None, failed_notification(job, error))
            }
            End::Finished(_) | End::Expired | End::Revoked { .. } => (None, Value::Null),
        };
        if !notification.is_null() {
            let told = notification::notify_failure(self, job, sequence, &notification).await;
            told.map_err(|error| EndError::Told(chain(&error)))?;
        }
        let ended = EndedJob {
            sync_id: &job.id,
            account: &job.account,
            status,
            reason: Some(reason),
            worker: &self.settings.worker,
            retries: job.retries,
            report: notification.get("full_results"),
        };
        self.storage.record_end(&ended).await.map_err(EndError::Stored)
    }
}

/// What a note keeps of an error: no NUL, which PostgreSQL takes in no text.
fn notable(error: &str) -> String {
    error.chars().filter(|character| *character != '\0').take(ERROR_CHARS_MAX).collect()
}

/// What became of the question for the account, for the trace.
fn lease_told(leased: &Result<LeaseAnswer, StorageError>) -> step::Told {
    match leased {
        Ok(LeaseAnswer::Taken(_)) => Ok("taken"),
        Ok(LeaseAnswer::Crashed { .. }) => Ok("crashed"),
        Ok(LeaseAnswer::Held { .. }) => Ok("held"),
        Ok(LeaseAnswer::Done) => Ok("done"),
        Ok(LeaseAnswer::Superseded { .. }) => Ok("superseded"),
        Err(error) => Err(chain(error)),
    }
}

/// Why an end is not written down.
enum EndError {
    /// It could not be told.
    Told(String),
    /// PostgreSQL did not take it.
    Stored(StorageError),
}

fn not_stored(error: &StorageError) -> String {
    format!("outcome not stored: {}", chain(error))
}

/// How a job had ended, by what is written down of it.
fn end_of(outcome: Outcome) -> End {
    match (outcome.status.as_str(), outcome.report) {
        ("success" | "partial_success", report) => End::Finished(report.unwrap_or_else(|| json!({}))),
        ("revoked", _) => End::Revoked { is_terminated: outcome.reason.as_deref() == Some("terminated") },
        ("expired", _) => End::Expired,
        (_, report) => {
            let errors = report.as_ref().and_then(|report| report["errors"].as_array());
            let errors =
                errors.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
            End::Dead {
                reason: outcome.reason.unwrap_or_else(|| "failed".to_owned()),
                error: errors,
                report: None,
            }
        }
    }
}

fn failed_by(error: &StorageError) -> Ending {
    Ending::Failed { error: chain(error), retry_after: None, report: None }
}

/// The notification of a job that never got as far as a report.
fn failed_notification(job: &SyncJob, error: &str) -> Value {
    let now = rfc3339(Utc::now());
    let account = &job.account;
    json!({
        "type": "sync_completed", "account": account.pseudo_account, "timestamp": now,
        "summary": {"status": "failed",
            "position_generation": {"regenerated": false, "positions_updated": 0, "holdings_updated": 0},
            "external_orders": 0, "redis_status": "skipped", "errors": 1},
        "full_results": {"status": "failed", "timestamp": now, "account": account.pseudo_account,
            "organization_id": account.organization_id, "sync_id": job.id,
            "position_generation": {"regenerated": false, "reason": "not reached", "last_generation": null},
            "external_detection": {"status": "skipped", "reason": "not reached"},
            "redis_sync": {"status": "skipped", "reason": "not reached"},
            "errors": [error]},
    })
}

/// A run whose steps succeeded may still fail at its telling: then the message says `failed` too, and why.
fn with_failure(mut notification: Value, error: &str) -> Value {
    notification["summary"]["status"] = json!("failed");
    let full = &mut notification["full_results"];
    full["status"] = json!("failed");
    if let Some(errors) = full["errors"].as_array_mut() {
        // A failed step is named already; a failed telling is not.
        if !errors.iter().any(|known| known.as_str().is_some_and(|known| error.contains(known))) {
            errors.push(json!(error));
        }
        notification["summary"]["errors"] = json!(errors.len());
    }
    notification
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_noted_without_what_postgresql_takes_in_no_text() {
        assert_eq!(notable("answer: \0\0oops\n"), "answer: oops\n");
        assert_eq!(notable(&"\0é".repeat(5000)).chars().count(), ERROR_CHARS_MAX);
    }
}
