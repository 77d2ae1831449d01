//! The storm: which faults, when, and for how long. A pure function of its seed and length.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// From the begin of one round to that of the next, unless the fleet needs longer to be well again.
const ROUND: Duration = Duration::from_secs(20);
/// Before the first round everything is well.
const CALM_BEFORE: Duration = Duration::from_secs(5);
/// Most faults of one round.
const TOGETHER: u64 = 3;

/// What can happen to a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    KillWorker,
    HangWorker,
    KillBeat,
    HangBeat,
    KillNode,
    RestartNode,
    HangNode,
    CutNode,
    VanishNode,
    SlowNode,
    BlockPublishers,
    RestartPostgres,
    KillPostgres,
    CutPostgres,
    VanishPostgres,
    SlowPostgres,
    KillRedis,
    HangRedis,
    PlantPoison,
}

/// Of each group one fault at a time: a cluster of three survives the loss of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Worker,
    Beat,
    RabbitMq,
    Postgres,
    Redis,
    Poison,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Which worker, beat or node, modulo their number; of poison how many messages.
    pub(crate) victim: usize,
    /// After the begin of the round.
    pub(crate) after: Duration,
    pub(crate) lasts: Duration,
}

/// Faults that overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    /// After the begin of the storm, at the earliest.
    pub(crate) at: Duration,
    pub(crate) faults: Vec<Fault>,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::KillWorker,
        Self::HangWorker,
        Self::KillBeat,
        Self::HangBeat,
        Self::KillNode,
        Self::RestartNode,
        Self::HangNode,
        Self::CutNode,
        Self::VanishNode,
        Self::SlowNode,
        Self::BlockPublishers,
        Self::RestartPostgres,
        Self::KillPostgres,
        Self::CutPostgres,
        Self::VanishPostgres,
        Self::SlowPostgres,
        Self::KillRedis,
        Self::HangRedis,
        Self::PlantPoison,
    ];

    fn group(self) -> Group {
        match self {
            Self::KillWorker | Self::HangWorker => Group::Worker,
            Self::KillBeat | Self::HangBeat => Group::Beat,
            Self::RestartPostgres
            | Self::KillPostgres
            | Self::CutPostgres
            | Self::VanishPostgres
            | Self::SlowPostgres => Group::Postgres,
            Self::KillRedis | Self::HangRedis => Group::Redis,
            Self::PlantPoison => Group::Poison,
            _ => Group::RabbitMq,
        }
    }

    /// Shortest and longest, in tenths of a second. A worker hangs for longer than RabbitMQ takes to give its jobs to others, which
    /// is two heartbeats of 5 s and some: when it goes on, it is too late with every run it holds. A Redis that is away for less than its cluster needs to notice comes back
    /// empty and is master still: derived keys are gone until the next sync, which is no fault of the fleet's.
    fn lasts(self) -> (u64, u64) {
        match self {
            Self::KillWorker | Self::KillBeat => (0, 50),
            Self::HangWorker => (200, 300),
            Self::HangBeat => (30, 200),
            Self::KillNode | Self::KillPostgres => (10, 60),
            Self::HangNode | Self::VanishNode | Self::HangRedis => (30, 100),
            Self::BlockPublishers | Self::VanishPostgres => (30, 80),
            Self::SlowNode | Self::SlowPostgres | Self::KillRedis => (50, 100),
            Self::RestartNode
            | Self::CutNode
            | Self::RestartPostgres
            | Self::CutPostgres
            | Self::PlantPoison => (0, 0),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillWorker => "a worker is killed",
            Self::HangWorker => "a worker hangs and goes on",
            Self::KillBeat => "a beat is killed",
            Self::HangBeat => "a beat hangs and goes on",
            Self::KillNode => "a RabbitMQ node is killed",
            Self::RestartNode => "a RabbitMQ node is restarted",
            Self::HangNode => "a RabbitMQ node hangs and goes on",
            Self::CutNode => "connections with RabbitMQ are cut",
            Self::VanishNode => "a RabbitMQ host vanishes",
            Self::SlowNode => "RabbitMQ is 50 ms further away",
            Self::BlockPublishers => "RabbitMQ blocks publishers",
            Self::RestartPostgres => "PostgreSQL is restarted",
            Self::KillPostgres => "PostgreSQL is killed",
            Self::CutPostgres => "connections with PostgreSQL are cut",
            Self::VanishPostgres => "PostgreSQL's host vanishes",
            Self::SlowPostgres => "PostgreSQL is 50 ms further away",
            Self::KillRedis => "a Redis node is killed",
            Self::HangRedis => "a Redis node hangs and goes on",
            Self::PlantPoison => "poison is planted",
        })
    }
}

/// The storm of a seed. Each kind comes once before any comes again.
pub(crate) fn plan(seed: u64, minutes: u64) -> Vec<Round> {
    let mut random = Random(seed);
    let mut deck: Vec<Kind> = Vec::new();
    let rounds = (minutes * 60).saturating_sub(CALM_BEFORE.as_secs()) / ROUND.as_secs();
    let round = |number: u64| {
        let at = CALM_BEFORE + ROUND * u32::try_from(number).unwrap_or(u32::MAX);
        let mut kinds: Vec<Kind> = Vec::new();
        let wanted = usize::try_from(1 + random.below(TOGETHER)).unwrap_or(1);
        while kinds.len() < wanted {
            if deck.is_empty() {
                deck = shuffled(&mut random);
            }
            let fits = |kind: &Kind| kinds.iter().all(|other| other.group() != kind.group());
            match deck.iter().rposition(fits) {
                Some(position) => kinds.push(deck.remove(position)),
                None => break,
            }
        }
        Round { at, faults: kinds.into_iter().map(|kind| fault(kind, &mut random)).collect() }
    };
    (0..rounds).map(round).collect()
}

fn fault(kind: Kind, random: &mut Random) -> Fault {
    let (shortest, longest) = kind.lasts();
    let tenths = shortest + random.below(longest - shortest + 1);
    Fault {
        kind,
        victim: usize::try_from(random.below(6)).unwrap_or(0),
        after: Duration::from_millis(100 * random.below(30)),
        lasts: Duration::from_millis(100 * tenths),
    }
}

fn shuffled(random: &mut Random) -> Vec<Kind> {
    let mut kinds = Kind::ALL.to_vec();
    for last in (1..kinds.len()).rev() {
        let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(0);
        kinds.swap(last, other);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_storm() {
        assert_eq!(plan(7, 10), plan(7, 10));
        assert_ne!(plan(7, 10), plan(8, 10));
        assert_eq!(plan(7, 10)[..2], plan(7, 1)[..2], "a longer storm begins as a short one does");
    }

    #[test]
    fn ten_minutes_bring_everything_and_never_two_faults_of_one_server_at_once() {
        for seed in 0..50 {
            let rounds = plan(seed, 10);
            assert_eq!(rounds.len(), 29);
            let kinds: BTreeSet<Kind> =
                rounds.iter().flat_map(|round| &round.faults).map(|f| f.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "seed {seed}");
            for round in rounds {
                let groups: Vec<_> = round.faults.iter().map(|fault| fault.kind.group()).collect();
                assert!(
                    groups.iter().enumerate().all(|(n, group)| !groups[..n].contains(group)),
                    "{groups:?}"
                );
            }
        }
    }
}
