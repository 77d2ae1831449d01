use super::costs::Costs;
use super::demand::Demand;
use super::figure::Figure;
use super::plan::Plan;

/// Nobody asks for more.
const ACCOUNTS_MOST: u64 = 1_000_000_000_000;

/// How much one of each server is taken to bear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The share of a server, or of an interval, that is planned for: the rest is for peaks, restarts and vacuum.
    pub(crate) load: Figure,
    /// Cores of one PostgreSQL.
    pub(crate) postgres_cores: Figure,
    /// `max_connections` of one PostgreSQL.
    pub(crate) postgres_connections: Figure,
    /// Messages a second of one quorum queue, which is one process.
    pub(crate) queue_per_second: Figure,
    /// GiB of one Redis.
    pub(crate) redis_gib: Figure,
}

impl Bounds {
    pub(crate) const fn chosen() -> Self {
        Self {
            load: Figure::chosen(0.6, "peaks are half as high again"),
            postgres_cores: Figure::chosen(32.0, "a large machine that is still easy to get"),
            postgres_connections: Figure::chosen(1_000.0, "each is a process, whether it works or not"),
            queue_per_second: Figure::chosen(
                10_000.0,
                "what the benchmark wants a beat to publish to one; replicas halve it or worse",
            ),
            redis_gib: Figure::chosen(25.0, "a copy for the disk may take twice that"),
        }
    }

    /// All of them with their names and units.
    pub(crate) fn all(&self) -> [(&'static str, &'static str, Figure); 5] {
        [
            ("planned load", "of each bound", self.load),
            ("one PostgreSQL", "cores", self.postgres_cores),
            ("one PostgreSQL", "connections", self.postgres_connections),
            ("one queue", "messages/s", self.queue_per_second),
            ("one Redis", "GiB", self.redis_gib),
        ]
    }
}

/// What ends first when a fleet of one of each server grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    PostgresCores,
    PostgresConnections,
    Queue,
    Publishing,
    RedisMemory,
    RedisCore,
}

impl Limit {
    pub(crate) const ALL: [Self; 6] = [
        Self::PostgresCores,
        Self::PostgresConnections,
        Self::Queue,
        Self::Publishing,
        Self::RedisMemory,
        Self::RedisCore,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PostgresCores => "PostgreSQL's processor",
            Self::PostgresConnections => "PostgreSQL's connections",
            Self::Queue => "the queue `periodic`",
            Self::Publishing => "one beat's publishing",
            Self::RedisMemory => "Redis's memory",
            Self::RedisCore => "Redis's one thread",
        }
    }

    /// What to do beyond it, today where there is a way.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::PostgresCores => {
                "several fleets, each with its organizations; before that a longer interval"
            }
            Self::PostgresConnections => {
                "fewer workers with more slots each (`--slots`), as most slots wait for brokerages: a worker opens eight a core, 32 at most"
            }
            Self::Queue => "no `BEAT_SPREAD_SECONDS`; several fleets, each with its organizations",
            Self::Publishing => "a longer interval; several fleets, each with its organizations",
            Self::RedisMemory => "Redis Cluster, of as many masters as it takes",
            Self::RedisCore => "Redis Cluster",
        }
    }

    /// How much of what it bears is asked for: above 1 is too much. What is planned for is less than all.
    pub(crate) fn use_of(self, demand: &Demand, plan: &Plan, costs: &Costs, bounds: &Bounds) -> f64 {
        let load = bounds.load.value;
        match self {
            Self::PostgresCores => plan.postgres_cores / load / bounds.postgres_cores.value,
            Self::PostgresConnections => plan.postgres_connections / bounds.postgres_connections.value,
            Self::Queue => plan.periodic / load / bounds.queue_per_second.value,
            Self::Publishing => {
                let most = costs.published_per_second.value * demand.interval_seconds as f64;
                demand.accounts as f64 / load / most
            }
            Self::RedisMemory => plan.redis_gib / bounds.redis_gib.value,
            Self::RedisCore => plan.redis_cores / load,
        }
    }
}

/// The most accounts that a limit bears, all else being as it is asked for.
pub(crate) fn ends_at(limit: Limit, demand: &Demand, costs: &Costs, bounds: &Bounds) -> u64 {
    let is_borne = |accounts| {
        let demand = Demand { accounts, ..*demand };
        limit.use_of(&demand, &Plan::of(&demand, costs, bounds), costs, bounds) <= 1.0
    };
    let (mut borne, mut too_many) = (0, ACCOUNTS_MOST);
    while too_many - borne > 1 {
        let middle = borne + (too_many - borne) / 2;
        if is_borne(middle) {
            borne = middle;
        } else {
            too_many = middle;
        }
    }
    borne
}

/// All limits that are asked for more than they bear, the worst first.
pub(crate) fn exceeded(demand: &Demand, plan: &Plan, costs: &Costs, bounds: &Bounds) -> Vec<(Limit, f64)> {
    let used = Limit::ALL.map(|limit| (limit, limit.use_of(demand, plan, costs, bounds)));
    let mut beyond: Vec<_> = used.into_iter().filter(|(_, used)| *used > 1.0).collect();
    beyond.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    beyond
}

#[cfg(test)]
mod tests {
    use super::super::demand::demand;
    use super::*;

    fn beyond(demand: &Demand) -> Vec<Limit> {
        let (costs, bounds) = (Costs::measured(), Bounds::chosen());
        let plan = Plan::of(demand, &costs, &bounds);
        exceeded(demand, &plan, &costs, &bounds).into_iter().map(|(limit, _)| limit).collect()
    }

    #[test]
    fn a_small_fleet_has_no_limit_and_a_huge_one_every() {
        assert_eq!(beyond(&demand(1000, 300)), []);
        let mut all = beyond(&Demand { looks: 0.2, ..demand(100_000_000, 60) });
        all.sort_by_key(|limit| *limit as u8);
        assert_eq!(all, Limit::ALL);
    }

    #[test]
    fn a_limit_ends_where_one_account_more_is_too_many() {
        let (costs, bounds) = (Costs::measured(), Bounds::chosen());
        for limit in Limit::ALL {
            let asked = Demand { looks: 0.2, ..demand(1, 60) };
            let end = ends_at(limit, &asked, &costs, &bounds);
            assert!(!beyond(&Demand { accounts: end, ..asked }).contains(&limit), "{limit:?} at {end}");
            assert!(beyond(&Demand { accounts: end + 1, ..asked }).contains(&limit), "{limit:?} at {end}");
        }
        // 60 % of 60 s.
        let costs =
            Costs { published_per_second: Figure::chosen(10_000.0, "to be counted by hand"), ..costs };
        assert_eq!(ends_at(Limit::Publishing, &demand(1, 60), &costs, &bounds), 360_000);
    }

    #[test]
    fn the_worst_limit_is_told_first() {
        let (costs, bounds) = (Costs::measured(), Bounds::chosen());
        let asked = demand(3_000_000, 60);
        let plan = Plan::of(&asked, &costs, &bounds);
        let told = exceeded(&asked, &plan, &costs, &bounds);
        assert!(told.len() > 2 && told.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{told:?}");
    }
}
