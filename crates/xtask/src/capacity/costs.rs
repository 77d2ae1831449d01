use super::figure::Figure;

/// Where syncs a second are from.
const BENCH: &str = "`cargo xtask bench`, 1 December 2026, two cores with all servers on them: RabbitMQ 3.10, PostgreSQL 15 \
                     (fsync on), Redis 7.0; a release build, one worker, accounts of 200 orders";
/// Where the shares are from.
const SHARES: &str = "the same servers, 1 December 2026: /proc/PID/stat of worker, PostgreSQL, RabbitMQ and Redis before and \
                      after syncs of 1,000 accounts";
/// Where the costs of a sync with nothing new are from: two cores' time by what one took, 1.36 ms. Those that run at once share statements and round trips, so each costs the
/// more the less there is to do; servers are planned to be busy in part.
const PACED: &str = "the same servers, 1 December 2026: /proc/PID/stat of all of them while one worker does 1,200 syncs a \
                     second, half of what it can, of jobs that come one by one; from a full queue it does 2,432";
/// Where bytes of the write-ahead log are from.
const WAL: &str = "in syncs of 300 accounts, 29 November 2026: pg_current_wal_lsn() before and after, with full_page_writes off";
/// Where sizes are from.
const SIZES: &str = "of those 300 accounts, 29 November 2026: pg_total_relation_size after VACUUM FULL, used_memory and DBSIZE";
/// Cores of the machine on which syncs were measured.
const BENCH_CORES: f64 = 2.0;

/// What one sync of a kind costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Syncs a second of two full cores, servers included.
    pub(crate) syncs_per_second: Figure,
    /// The worker's share of the processor time, from 0 to 1.
    pub(crate) worker_share: Figure,
    /// PostgreSQL's.
    pub(crate) postgres_share: Figure,
    /// RabbitMQ's.
    pub(crate) rabbitmq_share: Figure,
    /// Redis's.
    pub(crate) redis_share: Figure,
    /// Transactions of PostgreSQL that write, each of which waits for the disk.
    pub(crate) commits: Figure,
    /// Bytes of write-ahead log, without images of whole pages.
    pub(crate) wal_bytes: Figure,
}

impl Work {
    /// Processor milliseconds of a worker.
    pub(crate) fn worker_ms(&self) -> f64 {
        self.all_ms() * self.worker_share.value
    }

    /// Processor milliseconds of PostgreSQL.
    pub(crate) fn postgres_ms(&self) -> f64 {
        self.all_ms() * self.postgres_share.value
    }

    /// Processor milliseconds of RabbitMQ: a job and its notification, in and out.
    pub(crate) fn rabbitmq_ms(&self) -> f64 {
        self.all_ms() * self.rabbitmq_share.value
    }

    /// Processor milliseconds of Redis.
    pub(crate) fn redis_ms(&self) -> f64 {
        self.all_ms() * self.redis_share.value
    }

    fn all_ms(&self) -> f64 {
        1000.0 * BENCH_CORES / self.syncs_per_second.value
    }
}

/// What everything costs. The one place where such figures are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// A sync of an account of which nothing is new.
    pub(crate) unchanged: Work,
    /// A sync that finds one new order.
    pub(crate) one_new: Work,
    /// A sync that makes everything anew.
    pub(crate) forced: Work,
    /// Jobs a second that a beat finds and publishes.
    pub(crate) published_per_second: Figure,
    /// Bytes of write-ahead log for pages that a sync is the first to touch after a checkpoint.
    pub(crate) wal_page_bytes: Figure,
    /// Bytes of PostgreSQL an order takes, with its indexes.
    pub(crate) postgres_order_bytes: Figure,
    /// Bytes of PostgreSQL an account takes beside its orders.
    pub(crate) postgres_account_bytes: Figure,
    /// Bytes of PostgreSQL the outcome of a sync takes, with its indexes.
    pub(crate) outcome_bytes: Figure,
    /// Bytes of Redis an order takes.
    pub(crate) redis_order_bytes: Figure,
    /// Bytes of Redis an account takes beside its orders.
    pub(crate) redis_account_bytes: Figure,
    /// Keys an account has in Redis.
    pub(crate) redis_keys: Figure,
    /// MiB of a busy worker beside its slots.
    pub(crate) worker_mib: Figure,
    /// MiB each slot adds.
    pub(crate) slot_mib: Figure,
    /// Connections of a worker to RabbitMQ.
    pub(crate) worker_rabbitmq_connections: Figure,
    /// Connections of a beat to PostgreSQL, at most.
    pub(crate) beat_postgres_connections: Figure,
    /// Most connections of a worker to PostgreSQL for each of its cores, however many slots it has.
    pub(crate) core_pool_most: Figure,
    /// Most of a worker.
    pub(crate) worker_pool_most: Figure,
}

impl Costs {
    /// What is known, of 1 December 2026. Two cores are taken to have been busy, which is more than a sync needs. All was in
    /// memory on one machine: a PostgreSQL that reads from disk, or servers that are apart, do less than is said here. Whoever
    /// measures anew changes the figures here, and runs `cargo xtask capacity --write`.
    pub(crate) const fn measured() -> Self {
        Self {
            unchanged: Work {
                syncs_per_second: Figure::measured(1_470.0, PACED),
                worker_share: Figure::measured(0.26, PACED),
                postgres_share: Figure::measured(0.24, PACED),
                rabbitmq_share: Figure::measured(0.34, PACED),
                redis_share: Figure::measured(0.16, PACED),
                commits: Figure::computed(
                    2.0,
                    "the statements that take the lease and end the run; those of jobs that run at once are one",
                ),
                wal_bytes: Figure::measured(1_700.0, WAL),
            },
            one_new: Work {
                syncs_per_second: Figure::measured(250.0, BENCH),
                worker_share: Figure::measured(0.26, SHARES),
                postgres_share: Figure::measured(0.55, SHARES),
                rabbitmq_share: Figure::measured(0.10, SHARES),
                redis_share: Figure::measured(0.09, SHARES),
                commits: Figure::computed(
                    3.0,
                    "the lease, the transaction that stores what was generated, the end",
                ),
                wal_bytes: Figure::measured(26_000.0, WAL),
            },
            forced: Work {
                syncs_per_second: Figure::measured(125.0, BENCH),
                worker_share: Figure::measured(0.43, SHARES),
                postgres_share: Figure::measured(0.42, SHARES),
                rabbitmq_share: Figure::measured(0.07, SHARES),
                redis_share: Figure::measured(0.08, SHARES),
                commits: Figure::computed(3.0, "as with one new order"),
                wal_bytes: Figure::measured(9_500.0, WAL),
            },
            published_per_second: Figure::measured(14_900.0, BENCH),
            wal_page_bytes: Figure::computed(
                8_192.0,
                "ids of outcomes are random, so each goes to another page of that index; at \
                most, where checkpoints come once an interval",
            ),
            postgres_order_bytes: Figure::measured(267.0, SIZES),
            postgres_account_bytes: Figure::measured(131_000.0, SIZES),
            outcome_bytes: Figure::measured(1_146.0, SIZES),
            redis_order_bytes: Figure::measured(4_888.0, SIZES),
            redis_account_bytes: Figure::measured(28_749.0, SIZES),
            redis_keys: Figure::measured(57.0, SIZES),
            worker_mib: Figure::measured(
                47.0,
                "resident memory from /proc, a debug build, two cores busy with --force at 200 orders (deploy/README.md)",
            ),
            slot_mib: Figure::computed(
                0.02,
                "a waiting job's future, message and span; 512 slots took no more than 128",
            ),
            worker_rabbitmq_connections: Figure::measured(3.0, "as RabbitMQ counts them (deploy/README.md)"),
            beat_postgres_connections: Figure::coded(4.0, "the most that a beat opens"),
            core_pool_most: Figure::coded(8.0, "the most that a worker opens for each core that it may use"),
            worker_pool_most: Figure::coded(32.0, "the most that a worker opens"),
        }
    }

    /// All of them with their names and units.
    pub(crate) fn all(&self) -> Vec<(String, &'static str, Figure)> {
        let kinds =
            [("unchanged", &self.unchanged), ("one new order", &self.one_new), ("forced", &self.forced)];
        let mut all = Vec::new();
        for (kind, work) in kinds {
            let of = |name: &str| format!("{kind}: {name}");
            all.extend([
                (of("two cores"), "syncs/s", work.syncs_per_second),
                (of("worker"), "of the processor time", work.worker_share),
                (of("PostgreSQL"), "of the processor time", work.postgres_share),
                (of("RabbitMQ"), "of the processor time", work.rabbitmq_share),
                (of("Redis"), "of the processor time", work.redis_share),
                (of("commits"), "a sync", work.commits),
                (of("write-ahead log"), "bytes a sync", work.wal_bytes),
            ]);
        }
        let rest = [
            ("a beat publishes", "jobs/s", self.published_per_second),
            ("images of pages", "bytes a sync", self.wal_page_bytes),
            ("PostgreSQL, an order", "bytes", self.postgres_order_bytes),
            ("PostgreSQL, an account", "bytes beside its orders", self.postgres_account_bytes),
            ("PostgreSQL, an outcome", "bytes", self.outcome_bytes),
            ("Redis, an order", "bytes", self.redis_order_bytes),
            ("Redis, an account", "bytes beside its orders", self.redis_account_bytes),
            ("Redis, an account", "keys", self.redis_keys),
            ("worker, busy", "MiB", self.worker_mib),
            ("worker, a slot", "MiB", self.slot_mib),
            ("worker, RabbitMQ", "connections", self.worker_rabbitmq_connections),
            ("beat, PostgreSQL", "connections at most", self.beat_postgres_connections),
            ("worker, PostgreSQL", "connections a core at most", self.core_pool_most),
            ("worker, PostgreSQL", "connections at most", self.worker_pool_most),
        ];
        all.extend(rest.map(|(name, unit, figure)| (name.to_owned(), unit, figure)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Basis;
    use super::*;

    #[test]
    fn the_processor_time_of_a_sync_is_divided_among_four_and_nothing_is_left() {
        let costs = Costs::measured();
        for work in [costs.unchanged, costs.one_new, costs.forced] {
            let parts = [work.worker_ms(), work.postgres_ms(), work.rabbitmq_ms(), work.redis_ms()];
            let whole = 2000.0 / work.syncs_per_second.value;
            assert!((parts.iter().sum::<f64>() - whole).abs() < 1e-9, "{parts:?} of {whole}");
        }
    }

    #[test]
    fn each_figure_says_where_it_is_from_and_measured_ones_when_or_where_that_is_told() {
        for (name, _, figure) in Costs::measured().all() {
            assert!(figure.value > 0.0 && figure.how.len() > 10, "{name}: {figure:?}");
            if figure.basis == Basis::Measured {
                let is_told = ["2026", "README.md", "the same"].iter().any(|word| figure.how.contains(word));
                assert!(is_told, "{name}: {}", figure.how);
            }
        }
    }
}
