use super::costs::{Costs, Work};
use super::demand::Demand;
use super::limit::Bounds;

/// Fewest workers: one may die.
const WORKERS_LEAST: f64 = 2.0;
/// Side by side, of which one publishes.
const BEATS: f64 = 2.0;
/// For commands that somebody runs.
const COMMAND_CONNECTIONS: f64 = 10.0;
/// Slots that a fleet has for each that is in use on average.
const SLOT_RESERVE: f64 = 1.5;
/// From this share of syncs on that look at a brokerage, the slowest twentieth of all jobs are such ones.
const P95: f64 = 0.05;
const GIB: f64 = (1_u64 << 30) as f64;

/// What a fleet needs, on paper: averages, no queueing. Rates are those of an even load; a tick that comes at once makes the
/// same work at a higher rate for a part of the interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Syncs a second.
    pub(crate) rate: f64,
    /// Looks at brokerages a second, over all of them.
    pub(crate) looks: f64,
    /// Seconds that a job holds a slot on average.
    pub(crate) job_seconds: f64,
    /// Slots that are in use on average.
    pub(crate) busy_slots: f64,
    /// What beats would tell as `syncfleet_wanted_slots`, by the p95 of a job's seconds.
    pub(crate) wanted_slots: f64,
    pub(crate) workers: f64,
    /// Of each worker.
    pub(crate) slots: f64,
    /// Kept busy by syncs, over all workers.
    pub(crate) worker_cores: f64,
    /// Of each worker, so that it is not busier than wanted.
    pub(crate) cores: f64,
    /// MiB of all workers.
    pub(crate) worker_mib: f64,
    /// Kept busy.
    pub(crate) postgres_cores: f64,
    /// Cores that its machine should have.
    pub(crate) postgres_machine: f64,
    /// At most; `max_connections` must be above.
    pub(crate) postgres_connections: f64,
    /// A second.
    pub(crate) commits: f64,
    /// Bytes a second of write-ahead log, of rows and indexes alone.
    pub(crate) wal_rows: f64,
    /// The same with images of pages, at most.
    pub(crate) wal_most: f64,
    /// GiB of accounts and orders.
    pub(crate) postgres_gib: f64,
    /// GiB a day of outcomes, which stay for `RETENTION_DAYS`.
    pub(crate) outcomes_gib_a_day: f64,
    /// GiB of outcomes, if they are deleted as fast as they come.
    pub(crate) outcomes_gib: f64,
    /// Publishes a second, of jobs, delays and notifications.
    pub(crate) rabbitmq_in: f64,
    /// Messages a second that go through the queue `periodic`: each is delivered to a worker and acked. Whoever listens to
    /// notifications gets one for each sync besides.
    pub(crate) periodic: f64,
    /// Kept busy, without delays.
    pub(crate) rabbitmq_cores: f64,
    pub(crate) rabbitmq_connections: f64,
    /// A second, of single Redis.
    pub(crate) redis_commands: f64,
    /// A second, of all nodes of a Cluster, which is spoken to key by key.
    pub(crate) redis_cluster_commands: f64,
    /// Kept busy; single Redis has one.
    pub(crate) redis_cores: f64,
    pub(crate) redis_gib: f64,
    /// Seconds until all jobs of a tick are published.
    pub(crate) publish_seconds: f64,
    /// Seconds until all are done.
    pub(crate) tick_seconds: f64,
}

impl Plan {
    pub(crate) fn of(demand: &Demand, costs: &Costs, bounds: &Bounds) -> Self {
        let (rate, load) = (demand.rate(), bounds.load.value);
        let accounts = demand.accounts as f64;
        let mix = |of: fn(&Work) -> f64| demand.mix(of(&costs.unchanged), of(&costs.one_new));
        let seconds = |of: fn(&Work) -> f64| mix(of) / 1000.0;
        let [worker, postgres] = [Work::worker_ms, Work::postgres_ms].map(seconds);
        let [rabbitmq, redis] = [Work::rabbitmq_ms, Work::redis_ms].map(seconds);
        // Servers as busy as that make each step wait.
        let work_seconds = (worker + postgres + rabbitmq + redis) / (1.0 - load);
        let job_seconds = work_seconds + demand.looks * demand.look_seconds;
        let p95 = if demand.looks >= P95 { work_seconds + demand.look_seconds } else { work_seconds };
        let (busy_slots, wanted_slots) = (rate * job_seconds, rate * p95);
        let all_slots = (SLOT_RESERVE * busy_slots).max(wanted_slots);
        let by_cores = rate * worker / load / demand.cores as f64;
        let workers = by_cores.max(all_slots / demand.slots as f64).ceil().max(WORKERS_LEAST);
        let slots = demand.slots as f64;
        let cores = (rate * worker / load / workers).ceil().max(1.0);
        // `adhoc` has a tenth more slots, at least one.
        let pool = (slots + (slots / 10.0).floor().max(1.0))
            .min(costs.core_pool_most.value * demand.cores as f64)
            .clamp(4.0, costs.worker_pool_most.value);
        let delays = demand.delays();
        let postgres_machine = (rate * postgres / load).ceil().max(1.0);
        let publish_seconds = accounts / costs.published_per_second.value;
        let work_of_a_tick = [
            publish_seconds,
            demand.spread_seconds as f64,
            accounts * worker / (workers * cores),
            accounts * postgres / postgres_machine,
            accounts * job_seconds / (workers * slots),
        ];
        let outcomes_gib_a_day = rate * 86_400.0 * costs.outcome_bytes.value / GIB;
        let bytes = |order: f64, account: f64| accounts * (order * demand.orders as f64 + account) / GIB;
        Self {
            rate,
            looks: rate * demand.looks,
            job_seconds,
            busy_slots,
            wanted_slots,
            workers,
            slots,
            worker_cores: rate * worker,
            cores,
            worker_mib: workers * (costs.worker_mib.value + slots * costs.slot_mib.value),
            postgres_cores: rate * postgres,
            postgres_machine,
            postgres_connections: workers * pool
                + BEATS * costs.beat_postgres_connections.value
                + COMMAND_CONNECTIONS,
            commits: rate * mix(|work| work.commits.value),
            wal_rows: rate * mix(|work| work.wal_bytes.value),
            wal_most: rate * (mix(|work| work.wal_bytes.value) + costs.wal_page_bytes.value),
            postgres_gib: bytes(costs.postgres_order_bytes.value, costs.postgres_account_bytes.value),
            outcomes_gib_a_day,
            outcomes_gib: outcomes_gib_a_day * demand.retention_days as f64,
            // A job, its copy to each delay step, its way back from there, its notification.
            rabbitmq_in: rate * (2.0 + 2.0 * delays),
            periodic: rate * (1.0 + delays),
            rabbitmq_cores: rate * rabbitmq,
            rabbitmq_connections: workers * costs.worker_rabbitmq_connections.value + BEATS,
            // Its record is read; all else is one script.
            redis_commands: 2.0 * rate,
            redis_cluster_commands: (2.0 + costs.redis_keys.value) * rate,
            redis_cores: rate * redis,
            redis_gib: bytes(costs.redis_order_bytes.value, costs.redis_account_bytes.value),
            publish_seconds,
            tick_seconds: work_of_a_tick.into_iter().fold(0.0, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::demand::demand;
    use super::*;

    fn plan(demand: &Demand) -> Plan {
        Plan::of(demand, &Costs::measured(), &Bounds::chosen())
    }

    #[test]
    fn two_cores_kept_busy_do_what_was_measured_on_two_cores() {
        let costs = Costs::measured();
        for (news, rate) in [(0.0, costs.unchanged), (1.0, costs.one_new)] {
            let plan = plan(&Demand { news, ..demand(rate.syncs_per_second.value as u64, 1) });
            let cores = plan.worker_cores + plan.postgres_cores + plan.rabbitmq_cores + plan.redis_cores;
            assert!((cores - 2.0).abs() < 0.01, "{cores} cores at {} syncs/s", plan.rate);
        }
    }

    #[test]
    fn what_a_second_costs_goes_with_accounts_and_against_the_interval() {
        let (once, ten, fifth) = (demand(10_000, 300), demand(100_000, 300), demand(10_000, 60));
        let [once, ten, fifth] = [once, ten, fifth].map(|demand| plan(&demand));
        let rates =
            |plan: &Plan| [plan.rate, plan.postgres_cores, plan.commits, plan.wal_most, plan.periodic];
        for (n, rate) in rates(&once).into_iter().enumerate() {
            assert!(
                (rates(&ten)[n] / rate - 10.0).abs() < 1e-9 && (rates(&fifth)[n] / rate - 5.0).abs() < 1e-9
            );
        }
        assert!((ten.redis_gib / once.redis_gib - 10.0).abs() < 1e-9);
        assert_eq!(fifth.redis_gib, once.redis_gib, "what is stored does not ask how often it is looked at");
    }

    #[test]
    fn a_fleet_has_the_slots_that_beats_will_ask_for_and_a_worker_to_spare() {
        let fleets =
            [1, 1000, 70_000, 1_000_000].map(|accounts| [0.0, 0.04, 0.2].map(|looks| (accounts, looks)));
        for (accounts, looks) in fleets.into_iter().flatten() {
            let demand = Demand { looks, ..demand(accounts, 60) };
            let plan = plan(&demand);
            assert!(plan.workers * plan.slots >= plan.wanted_slots, "{plan:?}");
            assert!(plan.workers * plan.slots >= SLOT_RESERVE * plan.busy_slots, "{plan:?}");
            assert!(plan.workers >= 2.0, "{plan:?}");
        }
    }

    #[test]
    fn spread_jobs_pass_rabbitmq_many_times() {
        let at_once = plan(&demand(1000, 300));
        let spread = plan(&Demand { spread_seconds: 240, ..demand(1000, 300) });
        assert_eq!(at_once.rabbitmq_in, 2.0 * at_once.rate);
        // Two steps on average: two copies to them and two ways back.
        let little = plan(&Demand { spread_seconds: 4, ..demand(300, 300) });
        assert_eq!((little.periodic, little.rabbitmq_in), (3.0, 6.0));
        assert!(spread.periodic > 4.0 * at_once.periodic, "{} {}", spread.periodic, at_once.periodic);
        assert_eq!(
            spread.postgres_cores, at_once.postgres_cores,
            "a job that is not due asks PostgreSQL nothing"
        );
    }
}
