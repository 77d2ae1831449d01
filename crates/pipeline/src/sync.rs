use std::sync::Arc;
use std::time::Duration;

use brokerage::Http;
use cache::Cache;
use queue::{Attempt, Publisher};
use serde_json::Value;
use storage::{CachedRows, EndedJob, Lease, Storage, StorageError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::look::Look;
use crate::report::{DetectionReport, GenerationReport, Report, SnapshotReport, Status};
use crate::telemetry::{self, Step};
use crate::{
    Environment, FanOut, ResultBackend, SnapshotBudget, SyncJob, Turns, chain, comparison, detection,
    generation, look, notification, snapshot, step, turns,
};

/// How long a lease lasts without a renewal: what an account waits for when its worker's host dies.
pub(crate) const LEASE_HOLD: Duration = Duration::from_secs(30);
/// How often it is renewed: two renewals may be lost.
const LEASE_RENEWAL: Duration = Duration::from_secs(10);
/// How long one renewal may take: the host of PostgreSQL may be gone without a word.
const RENEWAL_LIMIT: Duration = Duration::from_secs(5);

/// What the pipeline may do and how.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// The worker's name.
    pub worker: String,
    /// Whether positions and holdings are generated.
    pub generation_enabled: bool,
    /// They are generated anew after this long even when nothing changed.
    pub generation_interval: Duration,
    /// Whether outcomes are published.
    pub notifications_enabled: bool,
    /// Longest run of one attempt.
    pub time_limit: Duration,
    /// Deaths of its worker that a job may cause.
    pub crash_limit: u32,
}

/// Everything a sync touches.
#[derive(Clone)]
pub struct Pipeline {
    /// What it may do.
    pub settings: PipelineSettings,
    /// PostgreSQL.
    pub storage: Storage,
    /// Redis.
    pub cache: Cache,
    /// Where Celery results go.
    pub results: ResultBackend,
    /// RabbitMQ.
    pub publisher: Publisher,
    /// The client of brokerages' APIs, one for the process; else why there is none (no root certificates).
    pub http: Result<Http, String>,
    /// The worker's environment, for secrets.
    pub environment: Environment,
    /// What a job for all accounts does.
    pub fan_out: FanOut,
    /// What snapshots may take of the memory while they are made.
    pub snapshots: Arc<SnapshotBudget>,
    /// How many syncs at a time make something new.
    pub turns: Arc<Turns>,
    /// For the one job at a time that is suspected of killing its workers.
    pub suspect: Arc<Semaphore>,
}

/// How a leased run ended.
pub(crate) enum RunEnd {
    /// Told and written down: its full results.
    Finished(Value),
    /// It can go no further now, and is to come back after so long.
    Waiting {
        /// How long.
        delay: Duration,
        /// A word for what it waits for.
        why: &'static str,
    },
    /// It must be tried again.
    Failed {
        /// Why.
        error: String,
        /// How long the brokerage asked to be left alone.
        retry_after: Option<Duration>,
        /// What it did.
        report: Box<Report>,
    },
}

/// Another run has the account by now: nothing that this one does counts any more, so it ends at once.
pub(crate) struct LeaseLost;

impl Pipeline {
    /// The spine: the steps in their order, each failing for itself, then the telling, and the outcome last.
    pub(crate) async fn sync_account(
        &self,
        job: &SyncJob,
        lease: &Lease,
        attempt: &Attempt,
    ) -> Result<RunEnd, LeaseLost> {
        let progress = &attempt.progress;
        progress.at("external_detection");
        let prepared = Box::pin(look::prepare(self, job, lease.started_at));
        let look = match step::run(step::span!("look"), prepared, look_told).await {
            Ok(Look::Wait(delay)) => return Ok(RunEnd::Waiting { delay, why: "rate_limit" }),
            Ok(look) => look,
            Err(error) => Look::Failed(chain(&error)),
        };
        let begun = Instant::now();
        let detection = Box::pin(detection::detect(self, lease, look));
        let (mut detected, counted) = step::run(step::span!("detect"), detection, |ended| {
            step::told(ended, |(report, _)| detection_told(report))
        })
        .await?;
        if let DetectionReport::Completed(_) | DetectionReport::Failed { .. } = detected {
            let is_done = matches!(detected, DetectionReport::Completed(_));
            telemetry::count_step(Step::Detection, begun, is_done);
        }
        progress.at("position_generation");
        // A look at the brokerage may have written what the lease does not know of.
        let is_unlooked = matches!(detected, DetectionReport::NoBrokerage | DetectionReport::Skipped(_));
        let state = lease.state.as_deref().filter(|_| is_unlooked);
        let turn = match generation::is_wanted(self, job, state) {
            true => match step::run(step::span!("turn"), Box::pin(self.turn(attempt)), turn_told).await {
                Some(turn) => Some(turn),
                None => return Ok(RunEnd::Waiting { delay: turns::pause(), why: "busy" }),
            },
            false => None,
        };
        let begun = Instant::now();
        let generation = Box::pin(generation::generate(self, job, lease, state));
        let (generated, news) = step::run(step::span!("regenerate"), generation, |ended| {
            step::told(ended, |(report, _)| generation_told(report))
        })
        .await?;
        if !matches!(generated, GenerationReport::Skipped { .. }) {
            let is_done = !matches!(generated, GenerationReport::Failed(_));
            telemetry::count_step(Step::Generation, begun, is_done);
        }
        let comparison = Box::pin(comparison::compare(self, lease, &mut detected, counted, &generated));
        step::run(step::span!("compare"), comparison, |ended| step::told(ended, |()| Ok("done"))).await?;
        progress.at("redis_sync");
        let begun = Instant::now();
        let is_all_told = news.as_ref().is_some_and(|news| !news.has_unannounced);
        let storing = Box::pin(snapshot::store(self, lease, news, job.force));
        let (stored, cached) =
            step::run(step::span!("snapshot"), storing, |(report, _)| snapshot_told(report)).await;
        drop(turn);
        telemetry::count_step(Step::Snapshot, begun, matches!(stored, SnapshotReport::Stored(_)));
        let report = Report {
            account: job.account.clone(),
            sync_id: job.id.clone(),
            at: lease.started_at,
            sequence: lease.fence,
            redis_type: self.cache.redis_type(),
            detection: detected,
            generation: generated,
            snapshot: stored,
            external_orders: 0,
        };
        if report.status() == Status::Failed {
            let retry_after = match &report.detection {
                DetectionReport::Failed { retry_after, .. } => *retry_after,
                _ => None,
            };
            let error = report.errors().join("; ");
            return Ok(RunEnd::Failed { error, retry_after, report: Box::new(report) });
        }
        progress.at("notification");
        Box::pin(self.tell_and_finish(job, lease, report, is_all_told, cached.as_ref())).await
    }

    /// A turn of the job's queue. It waits for half of its time at most: the rest is for what it then does.
    async fn turn(&self, attempt: &Attempt) -> Option<SemaphorePermit<'_>> {
        let asked = [attempt.task.time_limit, attempt.task.soft_time_limit];
        let limit = asked.into_iter().flatten().fold(self.settings.time_limit, Duration::min);
        self.turns.take(attempt.queue, limit / 2).await
    }

    async fn tell_and_finish(
        &self,
        job: &SyncJob,
        lease: &Lease,
        mut report: Report,
        is_all_told: bool,
        cached: Option<&CachedRows>,
    ) -> Result<RunEnd, LeaseLost> {
        // What another run is about to replace must not be told. A lease that is young is nobody else's yet.
        if lease.taken.elapsed() >= LEASE_RENEWAL {
            match self.storage.renew_lease(lease, LEASE_HOLD).await {
                Ok(()) => {}
                Err(StorageError::LeaseLost) => return Err(LeaseLost),
                Err(error) => return Ok(failed("Outcome not stored", &error, report)),
            }
        }
        let external = if is_all_told {
            Vec::new()
        } else {
            match self.storage.unannounced_orders(&job.account).await {
                Ok(external) => external,
                Err(error) => return Ok(failed("Outcome not stored", &error, report)),
            }
        };
        report.external_orders = external.len();
        let begun = Instant::now();
        let full_results = report.to_json();
        let notifying = Box::pin(notification::notify(self, &report, &full_results, &external));
        let notified = step::run(step::span!("notify"), notifying, |ended| match ended {
            Ok(()) => Ok("done"),
            Err(error) => Err(chain(error)),
        });
        let told = notified.await;
        if self.settings.notifications_enabled {
            telemetry::count_step(Step::Notification, begun, told.is_ok());
        }
        if let Err(error) = told {
            return Ok(failed("Notification failed", &error, report));
        }
        let announced: Vec<i32> = external.iter().map(|order| order.id).collect();
        let ended = EndedJob {
            sync_id: &job.id,
            account: &job.account,
            status: report.status().as_str(),
            reason: None,
            worker: &self.settings.worker,
            retries: job.retries,
            report: Some(&full_results),
        };
        let checked = report.detection.is_all_there_is();
        let finishing = self.storage.finish_run(lease, &ended, job.force, checked, &announced, cached);
        let finished = step::run(step::span!("finish"), Box::pin(finishing), |ended| match ended {
            Ok(()) => Ok("done"),
            Err(error) => Err(chain(error)),
        });
        match finished.await {
            Ok(()) => {
                info!(account = %job.account, status = report.status().as_str(),
                      errors = report.errors().len(), "{} synced: {}{}", job.account,
                      report.status().as_str(), error_suffix(&report));
                Ok(RunEnd::Finished(full_results))
            }
            Err(StorageError::LeaseLost) => Err(LeaseLost),
            Err(error) => Ok(failed("Outcome not stored", &error, report)),
        }
    }

    /// Renews the lease until it is lost: to another run, or because PostgreSQL could not be asked for as long as it lasts,
    /// after which another run may have it. Anything shorter is no loss yet.
    pub(crate) async fn keep_lease(&self, lease: &Lease) {
        let mut renewed = Instant::now();
        loop {
            sleep(LEASE_RENEWAL).await;
            let error = match timeout(RENEWAL_LIMIT, self.storage.renew_lease(lease, LEASE_HOLD)).await {
                Ok(Ok(())) => {
                    renewed = Instant::now();
                    continue;
                }
                Ok(Err(StorageError::LeaseLost)) => return,
                Ok(Err(error)) => chain(&error),
                Err(_) => format!("no answer within {RENEWAL_LIMIT:?}"),
            };
            warn!(account = %lease.account, error, "lease not renewed: PostgreSQL: {error}");
            if renewed.elapsed() >= LEASE_HOLD {
                return;
            }
        }
    }
}

fn look_told(prepared: &Result<Look, StorageError>) -> step::Told {
    match prepared {
        Ok(Look::NotDue) => Ok("not_due"),
        Ok(Look::NoBrokerage) => Ok("no_brokerage"),
        Ok(Look::Skipped { outcome, .. }) => Ok(outcome),
        Ok(Look::Wait(_)) => Ok("wait"),
        Ok(Look::Ready(_)) => Ok("ready"),
        Ok(Look::Failed(error)) => Err(error.clone()),
        Err(error) => Err(chain(error)),
    }
}

fn turn_told(turn: &Option<SemaphorePermit<'_>>) -> step::Told {
    Ok(if turn.is_some() { "taken" } else { "busy" })
}

fn detection_told(report: &DetectionReport) -> step::Told {
    match report {
        DetectionReport::Completed(_) => Ok("completed"),
        DetectionReport::NoBrokerage => Ok("no_brokerage"),
        DetectionReport::Skipped(_) => Ok("skipped"),
        DetectionReport::Failed { error, .. } => Err(error.clone()),
    }
}

fn generation_told(report: &GenerationReport) -> step::Told {
    match report {
        GenerationReport::Done { .. } => Ok("done"),
        GenerationReport::Current { .. } => Ok("current"),
        GenerationReport::Skipped { .. } => Ok("skipped"),
        GenerationReport::Failed(error) => Err(error.clone()),
    }
}

fn snapshot_told(report: &SnapshotReport) -> step::Told {
    match report {
        SnapshotReport::Stored(_) => Ok("stored"),
        SnapshotReport::Failed(error) => Err(error.clone()),
    }
}

fn failed(what: &str, error: &dyn std::error::Error, report: Report) -> RunEnd {
    let error = format!("{what}: {}", chain(error));
    RunEnd::Failed { error, retry_after: None, report: Box::new(report) }
}

fn error_suffix(report: &Report) -> String {
    let errors = report.errors();
    if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) }
}
