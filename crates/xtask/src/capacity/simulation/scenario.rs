use super::super::costs::Costs;
use super::super::demand::Demand;
use super::super::plan::Plan;

const SECOND: f64 = 1e6;

/// What is simulated. Times are microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) accounts: u32,
    pub(crate) ticks: u32,
    pub(crate) interval: u64,
    /// Accounts are due evenly over this long; at most the interval.
    pub(crate) spread: u64,
    /// Between two jobs that a beat publishes.
    pub(crate) publish: u64,
    pub(crate) workers: u32,
    /// Of each worker.
    pub(crate) slots: u32,
    /// Of each worker.
    pub(crate) cores: usize,
    pub(crate) postgres_cores: usize,
    pub(crate) unchanged: Service,
    pub(crate) one_new: Service,
    /// The share of jobs that find a new order.
    pub(crate) news: f64,
    /// The share of jobs that look at their brokerage.
    pub(crate) looks: f64,
    /// How long that takes on average: half to one and a half of it.
    pub(crate) look: u64,
    /// The share of attempts that fail at their end.
    pub(crate) failures: f64,
    pub(crate) retry: Retry,
    pub(crate) death: Option<Death>,
    pub(crate) seed: u64,
}

/// Processor time of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    pub(crate) worker: u64,
    pub(crate) postgres: u64,
}

/// When a failed job comes back: as the settings `RETRY_…`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    pub(crate) initial: f64,
    pub(crate) multiplier: f64,
    pub(crate) longest: f64,
    pub(crate) jitter: f64,
    pub(crate) most: u8,
}

/// A worker that dies; the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Death {
    pub(crate) at: u64,
    /// Until its jobs are in the queue again.
    pub(crate) return_after: u64,
    /// Until it is there again.
    pub(crate) restart_after: u64,
}

impl Scenario {
    /// Three ticks of what is planned, in the middle of whose second one a worker dies; one attempt in a thousand fails.
    pub(crate) fn of(demand: &Demand, plan: &Plan, costs: &Costs, seed: u64) -> Self {
        let interval = micros(demand.interval_seconds as f64);
        let service = |worker_ms: f64, postgres_ms: f64| Service {
            worker: micros(worker_ms / 1000.0),
            postgres: micros(postgres_ms / 1000.0),
        };
        Self {
            accounts: u32::try_from(demand.accounts).unwrap_or(u32::MAX),
            ticks: 3,
            interval,
            spread: micros(demand.spread_seconds as f64).min(interval),
            publish: micros(1.0 / costs.published_per_second.value),
            workers: plan.workers as u32,
            slots: plan.slots as u32,
            cores: plan.cores as usize,
            postgres_cores: plan.postgres_machine as usize,
            unchanged: service(costs.unchanged.worker_ms(), costs.unchanged.postgres_ms()),
            one_new: service(costs.one_new.worker_ms(), costs.one_new.postgres_ms()),
            news: demand.news,
            looks: demand.looks,
            look: micros(demand.look_seconds),
            failures: 0.001,
            retry: Retry::DEFAULT,
            death: Some(Death {
                at: interval + middle(demand, plan),
                return_after: micros(2.0),
                restart_after: micros(5.0),
            }),
            seed,
        }
    }

    pub(crate) fn jobs(&self) -> usize {
        self.accounts as usize * self.ticks as usize
    }
}

impl Retry {
    /// Those of a worker of which nothing else is said.
    pub(crate) const DEFAULT: Self =
        Self { initial: 5.0, multiplier: 2.0, longest: 300.0, jitter: 0.5, most: 5 };

    /// How long a job waits that has come back so many times; `draw` is from 0 to 1.
    pub(crate) fn delay(&self, retries: u8, draw: f64) -> u64 {
        let delay = (self.initial * self.multiplier.powi(i32::from(retries))).min(self.longest);
        micros(delay * (1.0 + self.jitter * (2.0 * draw - 1.0)))
    }
}

/// When half of a tick's work should be done.
fn middle(demand: &Demand, plan: &Plan) -> u64 {
    micros(plan.tick_seconds.min(demand.interval_seconds as f64) / 2.0)
}

fn micros(seconds: f64) -> u64 {
    (seconds * SECOND).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_job_waits_twice_as_long_each_time_up_to_the_longest_and_is_jittered_by_half() {
        let delays = |draw| [0, 1, 4, 9].map(|retries| Retry::DEFAULT.delay(retries, draw) / 1_000_000);
        assert_eq!(delays(0.5), [5, 10, 80, 300]);
        assert_eq!(delays(0.0), [2, 5, 40, 150]);
    }
}
