use std::future::Future;
use std::time::Duration;

use crate::StorageError;

/// Waits for an answer of PostgreSQL, but not for as long as TCP believes in a host that is gone (a quarter of an hour).
/// What was asked for may have happened nevertheless.
///
/// # Errors
/// [`StorageError::Unanswered`] after `limit`, else the answer's own.
pub async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    tokio::time::timeout(limit, answer).await.unwrap_or(Err(StorageError::Unanswered(limit)))
}
