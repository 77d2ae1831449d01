use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{BrokerageError, Timeouts};

/// Runs `attempt`, and once more after a short pause if the first failure is transient and time is left.
///
/// Each run is told how long it may take, so that both together stay within `timeouts.total`. Anything longer is for
/// the job's own retries: nobody holds an account's lease to wait for a brokerage.
pub(crate) async fn twice<T, F>(
    timeouts: &Timeouts,
    mut attempt: impl FnMut(Duration) -> F,
) -> Result<T, BrokerageError>
where
    F: Future<Output = Result<T, BrokerageError>>,
{
    let deadline = Instant::now() + timeouts.total;
    let first = match attempt(timeouts.request.min(timeouts.total)).await {
        Err(error @ BrokerageError::Transient { .. }) => error,
        outcome => return outcome,
    };
    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(timeouts.pause);
    if left.is_zero() {
        return Err(first);
    }
    tracing::debug!(error = %first, "Trying the brokerage once more");
    sleep(timeouts.pause).await;
    attempt(timeouts.request.min(left)).await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Runs attempts that take so long and end so, and tells what limit each was given.
    async fn run(outcomes: &[(u64, Result<u8, &str>)]) -> (Result<u8, String>, Vec<Duration>) {
        let limits = RefCell::new(Vec::new());
        let timeouts = Timeouts::default();
        let outcome = twice(&timeouts, |limit| {
            let (seconds, outcome) = outcomes[limits.borrow().len()];
            limits.borrow_mut().push(limit);
            async move {
                sleep(Duration::from_secs(seconds)).await;
                outcome.map_err(|message| match message {
                    "no" => BrokerageError::Rejected { message: message.to_owned() },
                    _ => BrokerageError::transient(message),
                })
            }
        });
        (outcome.await.map_err(|error| error.to_string()), limits.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_is_tried_once_more() {
        let (outcome, limits) = run(&[(0, Err("first")), (0, Ok(5))]).await;
        assert_eq!((outcome, limits.len()), (Ok(5), 2));
        let (outcome, limits) = run(&[(0, Err("first")), (0, Err("second"))]).await;
        assert_eq!((outcome, limits.len()), (Err("brokerage unavailable: second".to_owned()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_failure_is_final() {
        let (outcome, limits) = run(&[(0, Err("no"))]).await;
        assert_eq!((outcome, limits.len()), (Err("request refused: no".to_owned()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn two_slow_tries_stay_within_the_total() {
        let (_, limits) = run(&[(7, Err("slow")), (2, Err("slow"))]).await;
        assert_eq!(limits[0], Duration::from_secs(7));
        assert!(limits[1] < Duration::from_secs(3) && limits[1] > Duration::from_secs(2), "{limits:?}");
        let (outcome, limits) = run(&[(10, Err("slow"))]).await;
        assert_eq!((outcome, limits.len()), (Err("brokerage unavailable: slow".to_owned()), 1));
    }
}
