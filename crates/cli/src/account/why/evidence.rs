use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger::Account;
use queue::{QueueDepth, ask_workers, queue_depths};
use serde_json::{Value, json};
use storage::{AccountJobs, AccountOverview, Outcome, TickView};

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// How long the worker that runs the job may take to say at which step it is.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// A run may end between the look into PostgreSQL and the worker's answer: then both are asked again.
const READINGS_MAX: u32 = 3;

/// Ticks of unknown pace are taken for those of the default one.
const INTERVAL_SECONDS: f64 = 300.0;

/// What the servers say.
pub(super) struct Evidence {
    pub(super) account: Account,
    pub(super) overview: AccountOverview,
    pub(super) jobs: AccountJobs,
    /// The account's job in each of the latest ticks, the last one first.
    pub(super) ticks: Vec<TickJob>,
    /// `None`: RabbitMQ does not answer.
    pub(super) queues: Option<Vec<QueueDepth>>,
    pub(super) answer: WorkerAnswer,
}

/// The account's job in one tick.
pub(super) struct TickJob {
    pub(super) tick: TickView,
    pub(super) id: String,
    /// When it is due to run: the tick's instant and the account's place in the spread.
    pub(super) due_at: DateTime<Utc>,
    /// When it is no longer worth running; `None`: the beat that published it did not say.
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) outcome: Option<Outcome>,
}

/// What the worker that has the account says.
pub(super) enum WorkerAnswer {
    /// Nobody has it, or nobody was asked.
    NotAsked,
    /// It did not answer.
    Silent,
    /// It runs the job, at this step; empty: before the first.
    Runs(String),
    /// It answered, and does not run the job.
    DoesNotRun,
}

impl Evidence {
    /// Asks PostgreSQL, then RabbitMQ, then the worker. Only PostgreSQL must answer.
    pub(super) async fn gather(account: &Account, servers: &Servers) -> Result<Self, Failure> {
        let storage = servers.migrated_storage().await?;
        // The queues first: what has left them since is found where it is now.
        let mut looked_at = storage.now().await?;
        let mut queues = depths(servers).await?;
        let mut tries = READINGS_MAX;
        loop {
            let overview = storage.account_overview(account).await?;
            let jobs = storage.account_jobs(pipeline::SCHEDULE, account).await?;
            let mut ticks: Vec<TickJob> = jobs.ticks.iter().map(|tick| TickJob::of(tick, account)).collect();
            let ids: Vec<String> = ticks.iter().map(|tick| tick.id.clone()).collect();
            let outcomes = storage.outcomes(&ids).await?;
            for tick in &mut ticks {
                let ended = |outcome: &&Outcome| outcome.sync_id == tick.id && outcome.account == *account;
                tick.outcome = outcomes.iter().find(ended).cloned();
            }
            let answer = match (&queues, &jobs.run) {
                (Some(_), Some(run)) => ask(run, servers).await?,
                _ => WorkerAnswer::NotAsked,
            };
            tries -= 1;
            let is_outrun = queues.is_some() && has_enqueued_since(&jobs, looked_at);
            if tries == 0 || !(is_outrun || matches!(answer, WorkerAnswer::DoesNotRun)) {
                return Ok(Self { account: account.clone(), overview, jobs, ticks, queues, answer });
            }
            if is_outrun {
                looked_at = storage.now().await?;
                queues = depths(servers).await?;
            }
        }
    }

    /// The queue of that name.
    pub(super) fn queue(&self, name: &str) -> Option<&QueueDepth> {
        self.queues.iter().flatten().find(|queue| queue.name == name)
    }

    /// Messages in the delay steps, whosever they are.
    pub(super) fn delayed(&self) -> u64 {
        let steps = self.queues.iter().flatten().filter(|queue| queue.name.starts_with("syncfleet.delay."));
        steps.map(|queue| u64::from(queue.ready)).sum()
    }

    /// Seconds from one tick to the next, as the last one says.
    pub(super) fn interval_seconds(&self) -> f64 {
        self.ticks.first().and_then(|tick| tick.tick.interval_seconds).unwrap_or(INTERVAL_SECONDS)
    }

    /// Whether that happened within two intervals.
    pub(super) fn is_of_late(&self, at: DateTime<Utc>) -> bool {
        (self.jobs.now - at).as_seconds_f64() <= 2.0 * self.interval_seconds()
    }
}

impl TickJob {
    pub(super) fn of(tick: &TickView, account: &Account) -> Self {
        let seconds =
            |seconds: Option<f64>| seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let due_at = tick.at + pipeline::offset(account, seconds(tick.spread_seconds).unwrap_or_default());
        Self {
            id: pipeline::job_id(pipeline::SCHEDULE, &pipeline::firing(tick.at), account),
            due_at,
            // Jobs of a late tick are worth an interval from their publishing.
            expires_at: seconds(tick.interval_seconds).map(|interval| {
                tick.published_at.map_or(due_at, |published| published.max(due_at)) + interval
            }),
            outcome: None,
            tick: tick.clone(),
        }
    }
}

/// The depths of all queues; `None`, said aloud, where RabbitMQ does not answer.
async fn depths(servers: &Servers) -> Result<Option<Vec<QueueDepth>>, Failure> {
    Ok(match queue_depths(&servers.rabbit_urls()?, &servers.client).await {
        Ok(depths) => Some(depths),
        Err(error) => {
            output::complain(&format!(
                "RabbitMQ does not answer, so less is known: {}",
                pipeline::chain(&error)
            ));
            None
        }
    })
}

/// Whether jobs were put into queues since these were looked at: then their depths are of before.
pub(super) fn has_enqueued_since(jobs: &AccountJobs, looked_at: DateTime<Utc>) -> bool {
    let published = jobs.ticks.iter().filter_map(|tick| tick.published_at);
    published.chain(jobs.waits.iter().map(|noted| noted.noted_at)).any(|at| at > looked_at)
}

async fn ask(run: &storage::RunView, servers: &Servers) -> Result<WorkerAnswer, Failure> {
    let Some(worker) = &run.worker else { return Ok(WorkerAnswer::NotAsked) };
    let urls = servers.rabbit_urls()?;
    let named = [worker.clone()];
    let answers = ask_workers(&urls, &servers.client, "active", &json!({}), Some(&named), ANSWER_LIMIT).await;
    let Some(active) = answers.ok().and_then(|mut answers| answers.remove(worker)) else {
        return Ok(WorkerAnswer::Silent);
    };
    let running = active.as_array().into_iter().flatten().find(|job| job["id"] == run.job_id.as_str());
    Ok(match running {
        Some(job) => WorkerAnswer::Runs(job["step"].as_str().map(str::to_owned).unwrap_or_default()),
        None => WorkerAnswer::DoesNotRun,
    })
}

/// The errors of a report, as one line.
pub(super) fn errors_of(report: Option<&Value>) -> Option<String> {
    let errors = report?["errors"].as_array()?;
    let errors: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}
