use std::time::Duration;

use brokerage::Brokerage;
use storage::{Lease, StorageError};
use tracing::{debug, warn};

use crate::chain;
use crate::sync::Pipeline;

/// Takes in the prices of what the account holds, before positions and holdings are generated with them.
///
/// What did not come is a warning and stays as it was: orders that were taken in are not given up for a price, and the
/// next look at the brokerage asks again.
///
/// # Errors
/// Only [`StorageError::LeaseLost`]: the account is another run's by now.
pub(crate) async fn take_in(
    pipeline: &Pipeline,
    lease: &Lease,
    brokerage: &dyn Brokerage,
    within: Duration,
) -> Result<(), StorageError> {
    let account = &lease.account;
    let quotes = brokerage.quotes(within).await;
    for error in &quotes.missing {
        warn!(%account, "prices at {} not read, they stay as they were: {}", brokerage.name(), chain(error));
    }
    if quotes.told.is_empty() {
        return Ok(());
    }
    match pipeline.storage.store_quotes(lease, &quotes.told).await {
        Ok(changed) => debug!(%account, told = quotes.told.len(), changed, "prices taken in"),
        Err(StorageError::LeaseLost) => return Err(StorageError::LeaseLost),
        Err(error) => warn!(%account, "prices not stored, they stay as they were: {}", chain(&error)),
    }
    Ok(())
}
