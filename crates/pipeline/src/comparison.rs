use storage::{Lease, StorageError};
use tracing::warn;

use crate::chain;
use crate::detection::Counted;
use crate::report::{Detected, DetectionReport, GenerationReport};
use crate::sync::{LeaseLost, Pipeline};

/// Compares what was generated with the brokerage's own positions and holdings, and keeps all that the look found not to
/// agree. Nothing is adjusted; a comparison that cannot be made is no failure of the sync.
pub(crate) async fn compare(
    pipeline: &Pipeline,
    lease: &Lease,
    detected: &mut DetectionReport,
    counted: Option<Counted>,
    generated: &GenerationReport,
) -> Result<(), LeaseLost> {
    let (DetectionReport::Completed(detected), Some(counted)) = (detected, counted) else { return Ok(()) };
    let is_generated = matches!(generated, GenerationReport::Done { .. } | GenerationReport::Current { .. });
    let compared = match counted.positions.as_deref().filter(|_| is_generated) {
        Some(positions) => add_differences(pipeline, lease, detected, positions, &counted).await,
        None => Ok(()),
    };
    let stored = match compared {
        Ok(()) => pipeline.storage.store_differences(lease, &detected.discrepancies).await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(()) => Ok(()),
        Err(StorageError::LeaseLost) => Err(LeaseLost),
        Err(error) => {
            warn!(account = %lease.account, "not compared with the brokerage: {}", chain(&error));
            Ok(())
        }
    }
}

async fn add_differences(
    pipeline: &Pipeline,
    lease: &Lease,
    detected: &mut Detected,
    positions: &[ledger::ReportedPosition],
    counted: &Counted,
) -> Result<(), StorageError> {
    let ours = pipeline.storage.compared_rows(&lease.account).await?;
    let holdings = counted.holdings.as_deref();
    let found = ledger::differences(&ours.positions, &ours.holdings, positions, holdings, lease.started_at);
    metrics::counter!("syncfleet_broker_differences_total").increment(found.len() as u64);
    detected.discrepancies.extend(found);
    Ok(())
}
