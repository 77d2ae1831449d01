/// What became of a simulated fleet. Times are seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// Jobs that ended well.
    pub(crate) done: u64,
    /// Jobs that never ran, because their interval was over.
    pub(crate) expired: u64,
    /// Jobs that failed and were not worth another try.
    pub(crate) given_up: u64,
    /// Attempts that a worker's death cut short.
    pub(crate) cut_short: u64,
    /// From a tick to the end of its last job, of the slowest tick.
    pub(crate) tick: f64,
    /// The oldest that a job became, from when it was due or published, whichever was later.
    pub(crate) oldest: f64,
    /// From enqueueing to the notification of a job that ended well: half of them were faster.
    pub(crate) p50: f64,
    /// All but one in a hundred were faster.
    pub(crate) p99: f64,
    /// The share of jobs that ended well within an interval from when they were due.
    pub(crate) fresh: f64,
    /// Shares of the time, up to the end of the last interval or job.
    pub(crate) slots_busy: f64,
    pub(crate) workers_busy: f64,
    pub(crate) postgres_busy: f64,
}

/// The time than which such a share of these is not longer; 0 of none.
pub(crate) fn quantile(times: &mut [u64], share: f64) -> f64 {
    if times.is_empty() {
        return 0.0;
    }
    let rank = (times.len() as f64 * share).ceil() as usize;
    let at = rank.clamp(1, times.len()) - 1;
    *times.select_nth_unstable(at).1 as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_times_whatever_their_order() {
        let mut times: Vec<u64> = (1..=100).rev().map(|second| second * 1_000_000).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&mut times, share)), [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(quantile(&mut [], 0.5), 0.0);
    }
}
