use std::sync::Arc;
use std::time::Duration;

use queue::Event;
use storage::{EndedJob, Lease, LeaseAnswer, LeaseRequest, Outcome, Storage, StorageError};

use crate::world::{CRASH_LIMIT, Job, Message, World};

/// Longer than any test: what expires in a world does so by its events.
pub(crate) const HOLD: Duration = Duration::from_secs(3600);

/// What a run does next. Between any two of them anything may happen.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Asks for its account.
    Ask,
    /// Writes down that another run did its work.
    Supersede {
        by: String,
    },
    /// Writes something under its fence, so many times.
    Work {
        left: u32,
    },
    /// Makes sure that the account is still its own before it tells.
    Renew,
    /// Publishes its notification.
    Tell,
    /// Writes its outcome.
    Finish {
        partial: bool,
    },
    /// Gives its lease back, and this is what happened to it.
    Release(Event),
    /// Has it decided what becomes of the delivery, and publishes the copy.
    Dispose(Event),
    /// Looks whether a duplicate has ended meanwhile. `None`: it only expired.
    Conclude {
        status: &'static str,
        reason: String,
    },
    /// Publishes the notification of its failure.
    TellFailure {
        reason: String,
    },
    /// Writes down how it ended.
    RecordEnd {
        status: &'static str,
        reason: String,
    },
    Ack,
    GiveBack,
}

/// A delivery in the hands of a worker.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) worker: usize,
    pub(crate) session: u64,
    pub(crate) tag: u64,
    pub(crate) job: Arc<Job>,
    pub(crate) retries: u32,
    pub(crate) renewals: u32,
    pub(crate) redelivered: bool,
    pub(crate) step: Step,
    pub(crate) lease: Option<Lease>,
    pub(crate) suspect: bool,
}

/// One statement of a run.
#[derive(Debug)]
pub(crate) enum Call {
    Nothing,
    Ask { job: Arc<Job>, worker: String, redelivered: bool },
    Supersede { job: Arc<Job>, by: String, worker: String },
    Write(Lease),
    Renew(Lease),
    Finish { lease: Lease, job: Arc<Job>, retries: u32, partial: bool },
    Release(Lease),
    Look(Arc<Job>),
    RecordEnd { job: Arc<Job>, retries: u32, status: &'static str, reason: String },
}

/// What PostgreSQL said.
#[derive(Debug)]
pub(crate) enum Answer {
    Nothing,
    Asked(LeaseAnswer),
    /// Whether the account is still the run's.
    Kept(bool),
    Outcome(Option<Outcome>),
}

impl Run {
    /// What the executor does with a delivery before it runs it.
    pub(crate) fn arrived(world: &World, worker: usize, tag: u64, message: &Message) -> Self {
        let job = Arc::clone(&world.jobs[message.job]);
        let event = if message.returns >= 10 {
            Some(Event::Returned { renewals: message.renewals })
        } else if job.expires.is_some_and(|expires| expires <= world.now) {
            Some(Event::Expired)
        } else {
            let eta = chrono::DateTime::from_timestamp_millis(i64::try_from(message.eta).unwrap()).unwrap();
            (message.eta > world.now).then_some(Event::Early { eta })
        };
        Self {
            worker,
            session: world.workers[worker].session,
            tag,
            job,
            retries: message.retries,
            renewals: message.renewals,
            redelivered: message.returns > 0,
            step: event.map_or(Step::Ask, Step::Dispose),
            lease: None,
            suspect: false,
        }
    }

    /// Whether it runs its job's steps.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.step, Step::Work { .. } | Step::Renew | Step::Tell | Step::Finish { .. })
    }

    pub(crate) fn call(&self, worker: &str) -> Call {
        let (job, worker) = (Arc::clone(&self.job), worker.to_owned());
        let lease = self.lease.clone();
        match (&self.step, lease) {
            (Step::Ask, _) => Call::Ask { job, worker, redelivered: self.redelivered },
            (Step::Supersede { by }, _) => Call::Supersede { job, by: by.clone(), worker },
            (Step::Work { .. }, Some(lease)) => Call::Write(lease),
            (Step::Renew, Some(lease)) => Call::Renew(lease),
            (Step::Finish { partial }, Some(lease)) => {
                Call::Finish { lease, job, retries: self.retries, partial: *partial }
            }
            (Step::Release(_), Some(lease)) => Call::Release(lease),
            (Step::Conclude { .. }, _) => Call::Look(job),
            (Step::RecordEnd { status, reason }, _) => {
                Call::RecordEnd { job, retries: self.retries, status, reason: reason.clone() }
            }
            _ => Call::Nothing,
        }
    }
}

impl Call {
    pub(crate) async fn make(self, storage: Storage) -> Answer {
        match self {
            Self::Nothing => Answer::Nothing,
            Self::Ask { job, worker, redelivered } => {
                let request = LeaseRequest {
                    account: &job.account,
                    job_id: &job.id,
                    redelivered,
                    worker: &worker,
                    enqueued_at: job.enqueued_at,
                    replayed_at: None,
                    force: job.force,
                    check_external: job.check_external,
                    crash_limit: CRASH_LIMIT,
                    hold: HOLD,
                };
                Answer::Asked(storage.lease_account(&request).await.unwrap())
            }
            Self::Supersede { job, by, worker } => {
                storage.record_superseded(&job.id, &job.account, &by, &worker).await.unwrap();
                Answer::Nothing
            }
            Self::Write(lease) => kept(storage.mark_external_check(&lease).await),
            Self::Renew(lease) => kept(storage.renew_lease(&lease, HOLD).await),
            Self::Finish { lease, job, retries, partial } => {
                let status = if partial { "partial_success" } else { "success" };
                let ended = ended(&job, retries, status, None);
                kept(storage.finish_run(&lease, &ended, job.force, job.check_external, &[], None).await)
            }
            Self::Release(lease) => {
                storage.release_lease(&lease).await.unwrap();
                Answer::Nothing
            }
            Self::Look(job) => Answer::Outcome(storage.outcome(&job.id, &job.account).await.unwrap()),
            Self::RecordEnd { job, retries, status, reason } => {
                storage.record_end(&ended(&job, retries, status, Some(&reason))).await.unwrap();
                Answer::Nothing
            }
        }
    }
}

fn kept(answer: Result<(), StorageError>) -> Answer {
    match answer {
        Ok(()) => Answer::Kept(true),
        Err(StorageError::LeaseLost) => Answer::Kept(false),
        Err(other) => panic!("{other:?}"),
    }
}

fn ended<'a>(job: &'a Job, retries: u32, status: &'a str, reason: Option<&'a str>) -> EndedJob<'a> {
    let (sync_id, account) = (&job.id, &job.account);
    EndedJob { sync_id, account, status, reason, worker: "model", retries, report: None }
}
