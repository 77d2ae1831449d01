use ledger::{ReportedHolding, ReportedPosition};
use storage::{Lease, StorageError};
use tracing::{debug, warn};

use crate::chain;
use crate::sync::Pipeline;

/// Takes in the prices of what the account holds, before positions and holdings are generated with them.
///
/// What did not come stays as it was: orders that were taken in are not given up for a price, and the next look at the
/// brokerage asks again.
///
/// # Errors
/// Only [`StorageError::LeaseLost`]: the account is another run's by now.
pub(crate) async fn take_in(
    pipeline: &Pipeline,
    lease: &Lease,
    positions: &[ReportedPosition],
    holdings: &[ReportedHolding],
) -> Result<(), StorageError> {
    let account = &lease.account;
    let quotes = brokerage::quotes(positions, holdings);
    if quotes.is_empty() {
        return Ok(());
    }
    match pipeline.storage.store_quotes(lease, &quotes).await {
        Ok(changed) => debug!(%account, told = quotes.len(), changed, "prices taken in"),
        Err(StorageError::LeaseLost) => return Err(StorageError::LeaseLost),
        Err(error) => warn!(%account, "prices not stored, they stay as they were: {}", chain(&error)),
    }
    Ok(())
}
