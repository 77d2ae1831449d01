//! A rate limit as a brokerage enforces it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// So many requests of each caller within any window of this length; the ones beyond do not count for the next.
#[derive(Debug)]
pub(crate) struct Limit {
    requests: usize,
    window: Duration,
    admitted: BTreeMap<String, VecDeque<Instant>>,
}

impl Limit {
    pub(crate) fn new(requests: usize, window: Duration) -> Self {
        Self { requests, window, admitted: BTreeMap::new() }
    }

    /// Whether this caller may ask at this instant; if so, the request counts.
    pub(crate) fn admits(&mut self, caller: &str, at: Instant) -> bool {
        let admitted = self.admitted.entry(caller.into()).or_default();
        while admitted.front().is_some_and(|first| at.duration_since(*first) >= self.window) {
            admitted.pop_front();
        }
        let admits = admitted.len() < self.requests;
        if admits {
            admitted.push_back(at);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_limit_are_refused_until_the_window_has_moved_on() {
        let begun = Instant::now();
        let mut limit = Limit::new(2, Duration::from_secs(1));
        let mut admits = |caller: &str, ms: u64| limit.admits(caller, begun + Duration::from_millis(ms));
        assert!(admits("a", 0) && admits("a", 600));
        assert!(!admits("a", 999), "a third within the second");
        assert!(admits("b", 999), "each caller for itself");
        assert!(admits("a", 1000), "the first is a second ago");
        assert!(!admits("a", 1500) && admits("a", 1600), "the refused one did not count");
    }
}
