use super::Arguments;

/// How much is measured.
pub(crate) struct Size {
    /// Those that count; one more warms up.
    pub(crate) rounds: usize,
    pub(crate) accounts: usize,
    pub(crate) orders: usize,
    pub(crate) long_accounts: usize,
    pub(crate) long_orders: usize,
    /// Jobs that do nothing; of Celery fewer, which takes as long.
    pub(crate) noops: usize,
    pub(crate) celery_noops: usize,
    /// Accounts that a beat finds and publishes.
    pub(crate) many_accounts: usize,
    /// Jobs after which a worker has what it will ever have.
    pub(crate) many_jobs: usize,
    /// Of an even pace.
    pub(crate) pace_seconds: f64,
}

impl Size {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        match (arguments.tiny, arguments.quick) {
            (true, _) => Self {
                rounds: 1,
                accounts: 10,
                orders: 20,
                long_accounts: 2,
                long_orders: 2000,
                noops: 1000,
                celery_noops: 100,
                many_accounts: 1000,
                many_jobs: 100,
                pace_seconds: 1.0,
            },
            (false, false) => Self {
                rounds: 5,
                accounts: 1000,
                orders: 200,
                long_accounts: 300,
                long_orders: 5000,
                noops: 100_000,
                celery_noops: 10_000,
                many_accounts: 100_000,
                many_jobs: 100_000,
                pace_seconds: 10.0,
            },
            (false, true) => Self {
                rounds: 2,
                accounts: 300,
                orders: 200,
                long_accounts: 40,
                long_orders: 5000,
                noops: 20_000,
                celery_noops: 3000,
                many_accounts: 10_000,
                many_jobs: 3000,
                pace_seconds: 4.0,
            },
        }
    }
}
