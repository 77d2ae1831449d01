use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{BrokerageError, Gate, Timeouts};

/// Runs `attempt` behind `gate`, and once more after a short pause if the first failure is transient and time is left.
///
/// Each run is told how long it may take, so that both, their pause and their waits at the gate stay within
/// `timeouts.total`. Anything longer is for the job's own retries: nobody holds an account's lease to wait for a
/// brokerage.
///
/// # Errors
///
/// That of the last run, or the refusal of the gate, which is never tried again.
pub(crate) async fn twice<T, F>(
    timeouts: &Timeouts,
    gate: &Gate,
    mut attempt: impl FnMut(Duration) -> F,
) -> Result<T, BrokerageError>
where
    F: Future<Output = Result<T, BrokerageError>>,
{
    if timeouts.total.is_zero() {
        return Err(BrokerageError::transient("no time is left to ask"));
    }
    let deadline = Instant::now() + timeouts.total;
    let left = || deadline.saturating_duration_since(Instant::now());
    gate.pass(left()).await?;
    let first = match attempt(timeouts.request.min(left())).await {
        Err(error @ BrokerageError::Transient { .. }) => error,
        outcome => return outcome,
    };
    if left() <= timeouts.pause {
        return Err(first);
    }
    tracing::debug!(error = %first, "Trying the brokerage once more");
    sleep(timeouts.pause).await;
    gate.pass(left()).await?;
    attempt(timeouts.request.min(left())).await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs attempts that take so long and end so, and tells what limit each was given.
    async fn run(outcomes: &[(u64, Result<u8, &str>)]) -> (Result<u8, String>, Vec<Duration>) {
        let limits = RefCell::new(Vec::new());
        let (timeouts, gate) = (Timeouts::default(), Gate::open());
        let outcome = twice(&timeouts, &gate, |limit| {
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

    #[tokio::test(start_paused = true)]
    async fn without_time_nothing_is_asked() {
        let timeouts = Timeouts { total: Duration::ZERO, ..Timeouts::default() };
        let outcome = twice(&timeouts, &Gate::open(), |_| async { Ok(()) }).await;
        assert_eq!(outcome.unwrap_err().to_string(), "brokerage unavailable: no time is left to ask");
    }

    /// A gate that takes four seconds and lets so many pass.
    fn slow_gate(leaves: usize) -> Gate {
        let passed = Arc::new(AtomicUsize::new(0));
        Gate::new(move |_| {
            let passed = Arc::clone(&passed);
            Box::pin(async move {
                sleep(Duration::from_secs(4)).await;
                if passed.fetch_add(1, Ordering::SeqCst) < leaves {
                    return Ok(());
                }
                Err(BrokerageError::transient("the gate is shut"))
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_gate_is_final_whatever_it_is() {
        for leaves in [0, 1] {
            let (timeouts, gate, runs) = (Timeouts::default(), slow_gate(leaves), RefCell::new(0));
            let outcome = twice(&timeouts, &gate, |_| {
                *runs.borrow_mut() += 1;
                async { Err::<(), _>(BrokerageError::transient("away")) }
            });
            assert_eq!(outcome.await.unwrap_err().to_string(), "brokerage unavailable: the gate is shut");
            assert_eq!(runs.into_inner(), leaves);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_at_the_gate_takes_from_the_time_of_the_request() {
        let (timeouts, gate, limits) = (Timeouts::default(), slow_gate(9), RefCell::new(Vec::new()));
        let outcome = twice(&timeouts, &gate, |limit| {
            limits.borrow_mut().push(limit);
            async { Err::<(), _>(BrokerageError::transient("away")) }
        });
        outcome.await.unwrap_err();
        assert_eq!(*limits.borrow(), [Duration::from_secs(6), Duration::from_millis(1_750)]);
    }
}
