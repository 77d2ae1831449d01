use std::collections::BTreeSet;

use brokerage::kite::Kite;
use brokerage::{Brokerage, BrokerageError};
use chrono::NaiveDate;
use ledger::ReportedOrder;
use storage::{BrokerageAccount, Lease};
use tracing::{debug, warn};
use url::Url;

use crate::report::DetectionReport;
use crate::sync::Pipeline;
use crate::{SyncJob, chain, secret_ref};

/// Orders placed elsewhere: the brokerage's own book is read, compared with what is stored, and taken in.
pub(crate) async fn detect(pipeline: &Pipeline, job: &SyncJob, lease: &Lease) -> DetectionReport {
    if !job.check_external {
        return DetectionReport::Skipped("not due".to_owned());
    }
    let entry = match pipeline.storage.brokerage_account(&job.account).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return DetectionReport::Skipped("the account has no brokerage".to_owned()),
        Err(error) => return DetectionReport::Failed(chain(&error)),
    };
    let brokerage = match client(pipeline, &entry).await {
        Ok(brokerage) => brokerage,
        Err(error) => return DetectionReport::Failed(error),
    };
    let reported = match brokerage.orders().await {
        Ok(reported) => reported,
        Err(BrokerageError::Auth { message }) => {
            warn!(account = %job.account, "login needed at {}: {message}", brokerage.name());
            return DetectionReport::Skipped(format!("login needed at {}: {message}", brokerage.name()));
        }
        Err(error) => return DetectionReport::Failed(chain(&error)),
    };
    take_in(pipeline, lease, &reported, brokerage.name())
        .await
        .unwrap_or_else(|error| DetectionReport::Failed(chain(&error)))
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
) -> Result<DetectionReport, storage::StorageError> {
    let days: BTreeSet<NaiveDate> = (reported.iter())
        .filter_map(|order| order.placed_at.or(order.exchange_at))
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
    let unannounced = pipeline.storage.unannounced_orders(&lease.account).await?;
    Ok(DetectionReport::Completed {
        external_orders: unannounced.len(),
        orders_updated: changes.updated,
        events_created: changes.events,
        broker_orders: reported.len(),
    })
}
