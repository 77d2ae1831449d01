use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use crate::{BrokerageError, Reading};

type Open = dyn Fn(Duration) -> Reading<'static, ()> + Send + Sync;

/// What every request to a brokerage passes right before it is sent: the place for rate limits and breakers.
#[derive(Clone)]
pub struct Gate(Arc<Open>);

impl Gate {
    /// A gate that asks `open`, telling it how long it may wait. Its refusal ends the reading: there is no second try.
    pub fn new(open: impl Fn(Duration) -> Reading<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// A gate that lets everything pass.
    pub fn open() -> Self {
        Self::new(|_| Box::pin(ready(Ok(()))))
    }

    /// Waits for leave to send one request, at most `within`.
    ///
    /// # Errors
    ///
    /// The gate's own refusal, or [`BrokerageError::RateLimited`] if it has not answered `within` that time.
    pub async fn pass(&self, within: Duration) -> Result<(), BrokerageError> {
        match tokio::time::timeout(within, (self.0)(within)).await {
            Ok(leave) => leave,
            Err(_) => Err(BrokerageError::RateLimited { retry_after: None }),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_never_answers_counts_as_too_many_requests() {
        let gate = Gate::new(|_| Box::pin(std::future::pending()));
        let begun = tokio::time::Instant::now();
        let refusal = gate.pass(Duration::from_secs(3)).await.unwrap_err();
        assert!(matches!(refusal, BrokerageError::RateLimited { retry_after: None }), "{refusal}");
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test]
    async fn a_gate_is_told_how_long_it_may_wait_and_its_refusal_is_passed_on() {
        let gate = Gate::new(|within| {
            Box::pin(ready(Err(BrokerageError::RateLimited { retry_after: Some(within) })))
        });
        let refusal = gate.clone().pass(Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(refusal.to_string(), "too many requests, wait 3 s");
        assert!(Gate::open().pass(Duration::ZERO).await.is_ok());
    }
}
