use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Equal servers with one line before them: who comes first is served first. Times are microseconds.
///
/// Whoever asks must do so in the order of time; then the end of each service is known when it is asked for.
pub(crate) struct Bank {
    free_at: BinaryHeap<Reverse<u64>>,
    /// Of all services that were asked for, over all servers.
    pub(crate) busy: u64,
}

impl Bank {
    /// Of so many servers, at least one, that are free from `now` on.
    pub(crate) fn new(servers: usize, now: u64) -> Self {
        Self { free_at: (0..servers.max(1)).map(|_| Reverse(now)).collect(), busy: 0 }
    }

    /// When a service is done that is asked for at `now`.
    pub(crate) fn serve(&mut self, now: u64, duration: u64) -> u64 {
        let Some(mut first) = self.free_at.peek_mut() else { return now + duration };
        let end = first.0.max(now) + duration;
        *first = Reverse(end);
        self.busy += duration;
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_takes_the_server_that_is_free_first() {
        let mut bank = Bank::new(2, 0);
        let ends = [(0, 10), (0, 4), (1, 4), (1, 4), (100, 1)].map(|(now, takes)| bank.serve(now, takes));
        assert_eq!(ends, [10, 4, 8, 12, 101]);
        assert_eq!(bank.busy, 23);
    }
}
