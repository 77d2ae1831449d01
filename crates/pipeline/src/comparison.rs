use ledger::{ReportedHolding, ReportedPosition};
use storage::{Lease, StorageError};
use tracing::warn;

use crate::chain;
use crate::detection::Counted;
use crate::report::{Detected, DetectionReport, GenerationReport};
use crate::sync::{LeaseLost, Pipeline};

/// Compares what was generated with the brokerage's own positions and holdings, and keeps all that the look found not to
/// agree. Nothing is adjusted; a comparison that cannot be made is no failure of the sync, and leaves what was found last.
pub(crate) async fn compare(
    pipeline: &Pipeline,
    lease: &Lease,
    detected: &mut DetectionReport,
    counted: Option<Counted>,
    generated: &GenerationReport,
) -> Result<(), LeaseLost> {
    let (DetectionReport::Completed(detected), Some(counted)) = (detected, counted) else { return Ok(()) };
    let is_generated = matches!(generated, GenerationReport::Done { .. } | GenerationReport::Current { .. });
    // An order that was left for later is in the brokerage's numbers and not in ours.
    let is_comparable = is_generated && detected.deferred == 0;
    let Some(positions) = counted.positions.as_deref().filter(|_| is_comparable) else { return Ok(()) };
    match find_and_store(pipeline, lease, detected, positions, counted.holdings.as_deref()).await {
        Ok(()) => Ok(()),
        Err(StorageError::LeaseLost) => Err(LeaseLost),
        Err(error) => {
            warn!(account = %lease.account, "not compared with the brokerage: {}", chain(&error));
            Ok(())
        }
    }
}

async fn find_and_store(
    pipeline: &Pipeline,
    lease: &Lease,
    detected: &mut Detected,
    positions: &[ReportedPosition],
    holdings: Option<&[ReportedHolding]>,
) -> Result<(), StorageError> {
    let ours = pipeline.storage.compared_rows(&lease.account).await?;
    let found = ledger::differences(&ours.positions, &ours.holdings, positions, holdings, lease.started_at);
    metrics::counter!("syncfleet_broker_differences_total").increment(found.len() as u64);
    detected.discrepancies.extend(found);
    pipeline.storage.store_differences(lease, &detected.discrepancies).await
}
