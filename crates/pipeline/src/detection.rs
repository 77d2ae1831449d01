use std::collections::BTreeSet;
use std::time::Duration;

use brokerage::kite::Kite;
use brokerage::{Brokerage, BrokerageError};
use chrono::NaiveDate;
use ledger::ReportedOrder;
use storage::{BrokerageAccount, Lease, StorageError};
use tokio::time::Instant;
use tracing::{debug, warn};
use url::Url;

use crate::report::DetectionReport;
use crate::sync::{LeaseLost, Pipeline};
use crate::{SyncJob, chain, prices, secret_ref};

/// How long the brokerage may take in all.
const LIMIT: Duration = Duration::from_secs(10);

/// Orders placed elsewhere: the brokerage's own book is read, compared with what is stored, and taken in; then, in
/// what is left of the time, its prices. Prices that do not come are no failure of the step.
pub(crate) async fn detect(
    pipeline: &Pipeline,
    job: &SyncJob,
    lease: &Lease,
) -> Result<DetectionReport, LeaseLost> {
    if !job.check_external {
        return Ok(DetectionReport::Skipped("not due".to_owned()));
    }
    match look(pipeline, job, lease).await {
        Ok(report) => Ok(report),
        Err(StorageError::LeaseLost) => Err(LeaseLost),
        Err(error) => Ok(DetectionReport::Failed(chain(&error))),
    }
}

async fn look(pipeline: &Pipeline, job: &SyncJob, lease: &Lease) -> Result<DetectionReport, StorageError> {
    let Some(entry) = pipeline.storage.brokerage_account(&job.account).await? else {
        return Ok(DetectionReport::NoBrokerage);
    };
    let brokerage = match client(pipeline, &entry).await {
        Ok(brokerage) => brokerage,
        Err(error) => return Ok(DetectionReport::Failed(error)),
    };
    let asked = Instant::now();
    let reported = match brokerage.orders().await {
        Ok(reported) => reported,
        Err(BrokerageError::Auth { message }) => {
            warn!(account = %job.account, "login needed at {}: {message}", brokerage.name());
            // Asking again at every tick helps nobody: the next look is due after the usual interval.
            pipeline.storage.mark_external_check(lease).await?;
            let reason = format!("login needed at {}: {message}", brokerage.name());
            return Ok(DetectionReport::Skipped(reason));
        }
        Err(error) => return Ok(DetectionReport::Failed(chain(&error))),
    };
    let left = LIMIT.saturating_sub(asked.elapsed());
    let report = take_in(pipeline, lease, &reported, brokerage.name()).await?;
    prices::take_in(pipeline, lease, &*brokerage, left).await?;
    Ok(report)
}

async fn client(pipeline: &Pipeline, entry: &BrokerageAccount) -> Result<Box<dyn Brokerage>, String> {
    let url = Url::parse(&entry.base_url).map_err(|error| format!("base URL of the brokerage: {error}"))?;
    let secret = async |reference: &str| {
        secret_ref::resolve(reference, &pipeline.environment).await.map_err(|error| chain(&error))
    };
    let (key, token) = (secret(&entry.api_key_ref).await?, secret(&entry.access_token_ref).await?);
    match entry.kind.as_str() {
        "kite" => {
            let kite = Kite::with_http(pipeline.http.clone()?, url, key, token);
            Ok(Box::new(kite.map_err(|error| chain(&error))?))
        }
        other => Err(format!("this worker has no client for the brokerage {other:?}")),
    }
}

async fn take_in(
    pipeline: &Pipeline,
    lease: &Lease,
    reported: &[ReportedOrder],
    kind: &str,
) -> Result<DetectionReport, StorageError> {
    let days: BTreeSet<NaiveDate> = (reported.iter())
        .flat_map(|order| [order.placed_at, order.exchange_at])
        .flatten()
        .map(ledger::ist::day_of)
        .collect();
    let days: Vec<NaiveDate> = days.into_iter().collect();
    let known = pipeline.storage.known_orders(&lease.account, &days).await?;
    let plan = ledger::plan(&known, reported);
    debug!(
        new = plan.new.len(),
        changed = plan.updates.len(),
        stale = plan.stale.len(),
        "order book compared"
    );
    let changes = pipeline.storage.apply_external_orders(lease, reported, &plan, kind).await?;
    Ok(DetectionReport::Completed {
        orders_updated: changes.updated,
        events_created: changes.events,
        broker_orders: reported.len(),
    })
}
