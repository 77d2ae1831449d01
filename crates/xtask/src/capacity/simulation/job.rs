use super::scenario::Scenario;

/// One sync of one account in one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) tick: u32,
    /// When it was published, or due if that was later.
    pub(super) enqueued: u64,
    /// When its account was due.
    pub(super) due: u64,
    /// When it got its slot.
    pub(super) taken: u64,
    pub(super) worker: u32,
    /// Counts runs: what comes of one that was cut short is of no use.
    pub(super) run: u32,
    pub(super) retries: u8,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Running,
    Ended,
}

/// The jobs of all ticks, in the order in which they are enqueued.
pub(super) struct Arrivals<'a> {
    scenario: &'a Scenario,
    number: usize,
    published: u64,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        Self { scenario, number: 0, published: 0 }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        let scenario = self.scenario;
        if self.number == scenario.jobs() {
            return None;
        }
        let accounts = u64::from(scenario.accounts);
        let (tick, account) = (self.number as u64 / accounts, self.number as u64 % accounts);
        self.number += 1;
        let begun = tick * scenario.interval;
        self.published = self.published.max(begun) + scenario.publish;
        let due = begun + account * scenario.spread / accounts;
        Some(Job {
            tick: tick as u32,
            enqueued: self.published.max(due),
            due,
            taken: 0,
            worker: 0,
            run: 0,
            retries: 0,
            state: State::Waiting,
        })
    }
}
