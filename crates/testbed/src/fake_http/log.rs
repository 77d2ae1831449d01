//! The requests a server has got.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Request;

/// Of the latest requests: some 50 MB, and more than an hour at the limits of both brokerages.
const KEPT_MAX: usize = 100_000;

/// The latest requests, in the order in which they came in.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: VecDeque<Request>,
}

impl Log {
    pub(super) fn push(&mut self, request: Request) {
        if self.requests.len() == KEPT_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn requests(&self) -> impl DoubleEndedIterator<Item = &Request> {
        self.requests.iter()
    }

    /// The largest number of these requests within any window of this length.
    pub(super) fn most_within(&self, window: Duration, of: impl Fn(&Request) -> bool) -> usize {
        most_within(self.requests().filter(|request| of(request)).map(|request| request.at).collect(), window)
    }
}

/// Two instants a whole window apart are not within one.
fn most_within(mut instants: Vec<Instant>, window: Duration) -> usize {
    // Two threads may have logged in another order than the requests came.
    instants.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (last, at) in instants.iter().enumerate() {
        while first < last && at.duration_since(instants[first]) >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(milliseconds: &[u64], window: u64) -> usize {
        let begun = Instant::now();
        let instants = milliseconds.iter().map(|ms| begun + Duration::from_millis(*ms)).collect();
        most_within(instants, Duration::from_millis(window))
    }

    #[test]
    fn the_fullest_window_is_found_wherever_it_begins() {
        assert_eq!(most(&[], 1000), 0);
        assert_eq!(most(&[5], 0), 1);
        assert_eq!(most(&[0, 900, 950, 1000, 1899, 1900], 1000), 4, "from 900 to 1899");
        assert_eq!(most(&[1899, 950, 0, 1000, 900, 1900], 1000), 4, "in whatever order they were logged");
        assert_eq!(most(&[0, 1000, 2000], 1000), 1, "a window is over when the next begins");
        assert_eq!(most(&[0, 0, 0], 1), 3);
    }
}
