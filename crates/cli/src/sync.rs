use std::collections::BTreeMap;
use std::time::Duration;

use ledger::Account;
use pipeline::{SyncJob, encode_sync};
use queue::{Message, WorkQueue};
use serde_json::{Value, json};
use service::exit;
use storage::{AccountScan, JobWait, Outcome, Storage};
use tokio::time::Instant;
use uuid::Uuid;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::notes;
use crate::output;
use crate::progress::Progress;
use crate::servers::Servers;

/// How long `--wait` waits unless it says otherwise.
const WAIT_SECONDS: &str = "300";
/// A week: longer is a mistake.
const WAIT_SECONDS_MAX: u64 = 7 * 86_400;
/// How often outcomes are asked for.
const POLL: Duration = Duration::from_millis(200);
/// How long RabbitMQ may take to confirm all jobs.
const PUBLISH_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The accounts
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    accounts: Vec<String>,
    /// Every account that is not paused
    #[arg(long)]
    all: bool,
    /// Their organization [default: DEFAULT_ORGANIZATION_ID]; with --all: only this one's [default: every]
    #[arg(long)]
    org: Option<String>,
    /// Generate positions and holdings anew even if nothing changed
    #[arg(long)]
    force: bool,
    /// Look at the brokerages' books (the default)
    #[arg(long, conflicts_with = "no_external")]
    external: bool,
    /// Do not look at the brokerages' books
    #[arg(long)]
    no_external: bool,
    /// Wait for the outcomes, so many seconds at most
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = WAIT_SECONDS,
          value_parser = clap::value_parser!(u64).range(0..=WAIT_SECONDS_MAX))]
    wait: Option<u64>,
}

pub(crate) async fn run(arguments: Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let interrupt = Interrupt::listen();
    let named = named_accounts(&arguments, servers)?;
    let prepared = interrupt.or("nothing was enqueued", async {
        let storage = servers.migrated_storage().await?;
        let accounts =
            if arguments.all { all_accounts(&storage, arguments.org.as_deref()).await? } else { named };
        let enqueued_at = Some(storage.now().await?);
        Ok((storage, accounts, servers.publisher().await?, enqueued_at))
    });
    let (storage, accounts, publisher, enqueued_at) = prepared.await?;
    let jobs: Vec<SyncJob> = accounts
        .into_iter()
        .map(|account| SyncJob {
            id: Uuid::new_v4().to_string(),
            account,
            force: arguments.force,
            check_external: !arguments.no_external,
            enqueued_at,
            replayed_at: None,
            expires: None,
            retries: 0,
            wants_result: arguments.wait.is_some(),
        })
        .collect();
    let waits: Vec<JobWait> = jobs.iter().map(|job| enqueued(job, &servers.client)).collect();
    notes::note(&storage, &waits).await?;
    let messages = (jobs.iter())
        .map(|job| Message::job(WorkQueue::Adhoc, job.id.clone(), encode_sync(job, &servers.client, None)))
        .collect();
    let publishing = async {
        tokio::time::timeout(PUBLISH_LIMIT, publisher.publish_all(messages))
            .await
            .map_err(|_| Failure::unavailable("RabbitMQ did not confirm the jobs"))??;
        Ok(())
    };
    let published =
        interrupt.or("jobs may have been enqueued; the same again does no harm", publishing).await;
    if let Err(failure) = published {
        notes::take_back(&storage, &waits).await;
        return Err(failure);
    }
    match arguments.wait {
        None => {
            print_enqueued(&jobs, json);
            Ok(exit::DONE)
        }
        Some(seconds) => {
            let limit = Duration::from_secs(seconds);
            let outcomes = wait(&storage, &jobs, limit, &interrupt, json).await?;
            let open = jobs.len() - outcomes.len();
            let summary = summary(&jobs, outcomes);
            let good = summary["success"] == summary["requested"];
            print_summary(&summary, json);
            if open > 0 && interrupt.is_typed() {
                return Err(Failure::interrupted(&format!(
                    "{open} of {} jobs are open and go on; `syncfleet account list` shows how they end",
                    jobs.len()
                )));
            }
            Ok(if good { exit::DONE } else { exit::FAILED })
        }
    }
}

/// The note by which `account why` knows where a job is that only RabbitMQ has.
fn enqueued(job: &SyncJob, client: &str) -> JobWait {
    JobWait {
        job_id: job.id.clone(),
        account: job.account.clone(),
        queue: WorkQueue::Adhoc.name().to_owned(),
        state: "queued".to_owned(),
        reason: Some("enqueued".to_owned()),
        error: None,
        retries: 0,
        retries_max: None,
        due_at: None,
        worker: client.to_owned(),
        is_on_its_way: false,
    }
}

/// The accounts of the command line, each once.
fn named_accounts(arguments: &Arguments, servers: &Servers) -> Result<Vec<Account>, Failure> {
    let mut accounts: Vec<Account> = Vec::new();
    for name in &arguments.accounts {
        let account = servers.account(arguments.org.as_deref(), name)?;
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    Ok(accounts)
}

async fn all_accounts(storage: &Storage, organization: Option<&str>) -> Result<Vec<Account>, Failure> {
    let mut accounts = Vec::new();
    let mut scan = AccountScan::new();
    loop {
        let page = scan.next_page(storage, 1000).await?;
        if page.is_empty() {
            return Ok(accounts);
        }
        accounts.extend(
            (page.into_iter().filter(|due| !due.paused).map(|due| due.account))
                .filter(|account| organization.is_none_or(|wanted| account.organization_id == wanted)),
        );
    }
}

/// Waits until every job has an outcome, the time is over or Ctrl-C is typed, drawing progress on a terminal.
async fn wait(
    storage: &Storage,
    jobs: &[SyncJob],
    limit: Duration,
    interrupt: &Interrupt,
    json: bool,
) -> Result<BTreeMap<String, Outcome>, Failure> {
    let deadline = Instant::now() + limit;
    let progress = Progress::new("synced", jobs.len());
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    while outcomes.len() < jobs.len() {
        let open: Vec<String> =
            jobs.iter().map(|job| job.id.clone()).filter(|id| !outcomes.contains_key(id)).collect();
        for outcome in storage.outcomes(&open).await? {
            progress.step();
            if !json {
                let line = [format!("{}: ", outcome.account).into(), output::status(&outcome.status)];
                progress.above(|| {
                    output::say_spans(&line);
                });
            }
            outcomes.insert(outcome.sync_id.clone(), outcome);
        }
        if Instant::now() >= deadline {
            break;
        }
        if outcomes.len() < jobs.len() {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = interrupt.typed() => break,
            }
        }
    }
    Ok(outcomes)
}

fn summary(jobs: &[SyncJob], mut outcomes: BTreeMap<String, Outcome>) -> Value {
    let (mut success, mut partial, mut failed, mut timed_out) = (0, 0, 0, 0);
    let mut results = Vec::new();
    for job in jobs {
        let Some(outcome) = outcomes.remove(&job.id) else {
            timed_out += 1;
            continue;
        };
        match outcome.status.as_str() {
            "success" => success += 1,
            "partial_success" => partial += 1,
            _ => failed += 1,
        }
        results.push(outcome.report.unwrap_or_else(|| {
            json!({"status": "failed", "account": job.account.pseudo_account,
                   "organization_id": job.account.organization_id, "sync_id": job.id,
                   "errors": [outcome.reason.unwrap_or(outcome.status)]})
        }));
    }
    json!({"requested": jobs.len(), "success": success, "partial_success": partial, "failed": failed,
           "timed_out": timed_out, "results": results})
}

fn print_enqueued(jobs: &[SyncJob], json: bool) {
    if json {
        let ids: Vec<Value> = (jobs.iter())
            .map(|job| {
                json!({"organization_id": job.account.organization_id, "account": job.account.pseudo_account,
                       "sync_id": job.id})
            })
            .collect();
        output::document(&json!({"requested": jobs.len(), "jobs": ids}));
    } else {
        for job in jobs {
            output::say(&format!("{} enqueued as {}", job.account, job.id));
        }
        output::say(&format!("{} jobs on {}", jobs.len(), WorkQueue::Adhoc.name()));
    }
}

fn print_summary(summary: &Value, json: bool) {
    if json {
        output::document(summary);
        return;
    }
    for result in summary["results"].as_array().into_iter().flatten() {
        for error in result["errors"].as_array().into_iter().flatten() {
            output::say(&format!("{}: {}", output::cell(&result["account"]), output::cell(error)));
        }
    }
    output::say(&format!(
        "{} requested: {} success, {} partial_success, {} failed, {} timed out",
        summary["requested"],
        summary["success"],
        summary["partial_success"],
        summary["failed"],
        summary["timed_out"]
    ));
}
