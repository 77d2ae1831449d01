/// What a worker has by default; `service/src/settings.rs`.
pub(crate) const SLOTS_OF_A_CORE: u64 = 64;
/// At most.
pub(crate) const SLOTS_MOST: u64 = 512;

/// What a fleet is wanted for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Demand {
    pub(crate) accounts: u64,
    /// `SYNC_INTERVAL_SECONDS`, above 0.
    pub(crate) interval_seconds: u64,
    /// `BEAT_SPREAD_SECONDS`; 0: a tick comes at once.
    pub(crate) spread_seconds: u64,
    /// Orders that an account has.
    pub(crate) orders: u64,
    /// The share of syncs that find a new order, from 0 to 1.
    pub(crate) news: f64,
    /// The share of syncs that look at a brokerage, from 0 to 1.
    pub(crate) looks: f64,
    /// How long they wait for it.
    pub(crate) look_seconds: f64,
    /// Cores of a machine, which has one worker.
    pub(crate) cores: u64,
    /// Slots of a worker.
    pub(crate) slots: u64,
    /// `RETENTION_DAYS`.
    pub(crate) retention_days: u64,
}

impl Demand {
    /// Syncs a second.
    pub(crate) fn rate(&self) -> f64 {
        self.accounts as f64 / self.interval_seconds as f64
    }

    /// How often a job goes over a delay step on average until it is due: a step for each binary digit 1 of the whole
    /// seconds that it waits, and one for the rest of a second.
    pub(crate) fn delays(&self) -> f64 {
        let spread = self.spread_seconds;
        if spread == 0 {
            return 0.0;
        }
        let steps: u64 = (0..spread).map(|seconds| u64::from(steps_of(seconds))).sum();
        steps as f64 / spread as f64
    }

    /// Of a cost that a sync without news has, and one with news: that of the average one.
    pub(crate) fn mix(&self, unchanged: f64, one_new: f64) -> f64 {
        unchanged * (1.0 - self.news) + one_new * self.news
    }
}

/// The longest step is 512 s; `queue/src/delay.rs`.
fn steps_of(seconds: u64) -> u32 {
    let longest = u32::try_from(seconds / 512).unwrap_or(u32::MAX);
    longest.saturating_add((seconds % 512).count_ones()).saturating_add(1)
}

#[cfg(test)]
pub(crate) fn demand(accounts: u64, interval_seconds: u64) -> Demand {
    Demand {
        accounts,
        interval_seconds,
        spread_seconds: 0,
        orders: 200,
        news: 0.05,
        looks: 0.0,
        look_seconds: 1.5,
        cores: 4,
        slots: 4 * SLOTS_OF_A_CORE,
        retention_days: 30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_goes_over_a_step_for_each_binary_digit_and_one_for_the_rest() {
        // 300 s are 256 + 32 + 8 + 4.
        assert_eq!([0, 1, 300, 2000].map(steps_of), [1, 2, 5, 8]);
        assert_eq!(Demand { spread_seconds: 4, ..demand(1, 300) }.delays(), 2.0);
        assert_eq!(demand(1, 300).delays(), 0.0);
    }

    #[test]
    fn the_average_sync_lies_between_those_it_is_mixed_of() {
        let mix = |news| Demand { news, ..demand(1, 300) }.mix(2.0, 10.0);
        assert_eq!([0.0, 0.25, 1.0].map(mix), [2.0, 4.0, 10.0]);
    }
}
