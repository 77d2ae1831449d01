use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;

/// How failed jobs come back: exponential with jitter, so many times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Delay before the first retry.
    pub initial: Duration,
    /// What each further delay is multiplied by; at least 1.
    pub multiplier: f64,
    /// No delay is longer (before jitter).
    pub max: Duration,
    /// Each delay is drawn from `delay × (1 ± jitter)`; 0 to 1.
    pub jitter: f64,
    /// Retries after the first attempt; then the job is dead.
    pub retries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            multiplier: 2.0,
            max: Duration::from_secs(300),
            jitter: 0.5,
            retries: 5,
        }
    }
}

impl RetryPolicy {
    /// The delay before retry number `retry` (the first is 0), drawn anew at each call.
    ///
    /// The one place that names the `backoff` crate, which is no longer maintained: it can be replaced here.
    pub fn delay(&self, retry: u32) -> Duration {
        let mut intervals = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.initial.min(self.max))
            .with_multiplier(self.multiplier)
            .with_max_interval(self.max)
            .with_randomization_factor(self.jitter)
            .with_max_elapsed_time(None)
            .build();
        // Past 64 steps every sequence has long reached its maximum.
        let mut delay = self.initial;
        for _ in 0..=retry.min(64) {
            delay = intervals.next_backoff().unwrap_or(self.max);
        }
        delay
    }
}

/// A random number between 0.5 and 1, to draw apart what would come at once.
pub(crate) fn spread() -> f64 {
    let middle = Duration::from_millis(750);
    let policy = RetryPolicy { initial: middle, max: middle, jitter: 1.0 / 3.0, ..RetryPolicy::default() };
    policy.delay(0).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let delays: Vec<u64> = (0..8).map(|retry| policy.delay(retry).as_secs()).collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_spread_lies_between_a_half_and_one_and_really_varies() {
        let drawn: Vec<f64> = (0..200).map(|_| spread()).collect();
        assert!(drawn.iter().all(|spread| (0.499..=1.001).contains(spread)), "{drawn:?}");
        assert!(drawn.iter().any(|spread| *spread < 0.6) && drawn.iter().any(|spread| *spread > 0.9));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_really_varies() {
        let policy = RetryPolicy::default();
        let delays: Vec<f64> = (0..200).map(|_| policy.delay(1).as_secs_f64()).collect();
        assert!(delays.iter().all(|delay| (5.0..=15.0).contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay < 8.0) && delays.iter().any(|delay| *delay > 12.0));
    }
}
