use crate::world::World;

/// How much of what may happen did: a model in which nothing happens finds nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) jobs: usize,
    pub(crate) runs: usize,
    pub(crate) finished: usize,
    pub(crate) superseded: usize,
    pub(crate) deaths: usize,
    pub(crate) lost_leases: usize,
    pub(crate) crash_loops: usize,
    pub(crate) exhausted: usize,
    pub(crate) expired: usize,
}

impl Tally {
    pub(crate) fn of(worlds: &[World]) -> Self {
        let mut tally = Self::default();
        for records in worlds.iter().map(|world| &world.records) {
            let letters = |why: &str| records.letters.iter().filter(|(_, reason)| reason == why).count();
            tally.runs += records.taken.len();
            tally.finished += records.taken.iter().filter(|taken| taken.finished.is_some()).count();
            tally.deaths += records.taken.iter().filter(|taken| taken.killed).count();
            tally.superseded += records.superseded.len();
            tally.lost_leases += records.lost_leases;
            tally.crash_loops += letters("crash_loop");
            tally.exhausted += letters("retries_exhausted");
            tally.expired += records.expired;
        }
        tally.jobs = worlds.iter().map(|world| world.jobs.len()).sum();
        tally
    }

    /// Whether each of them did.
    pub(crate) fn is_rich(&self) -> bool {
        let Self { jobs, runs, finished, superseded, deaths, lost_leases, crash_loops, exhausted, expired } =
            *self;
        let all = [jobs, runs, finished, superseded, deaths, lost_leases, crash_loops, exhausted, expired];
        all.iter().all(|count| *count > 0)
    }
}
