use anyhow::Result;
use clap::ValueEnum;

use super::built::Tool;
use super::row::Row;
use super::size::Size;
use super::stage::Stage;
use super::syncs::{self, Sync};
use super::{discovery, kill, latency, memory, noop, publish};

/// What is measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    SyncForce,
    SyncOneNew,
    SyncUnchanged,
    SyncLong,
    Noop,
    Publish,
    Discovery,
    Latency,
    Memory,
    Kill,
}

impl Part {
    /// Those that were asked for, each once; all where none was.
    pub(crate) fn wanted(only: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|part| only.is_empty() || only.contains(part)).collect()
    }

    /// As on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SyncForce => "sync-force",
            Self::SyncOneNew => "sync-one-new",
            Self::SyncUnchanged => "sync-unchanged",
            Self::SyncLong => "sync-long",
            Self::Noop => "noop",
            Self::Publish => "publish",
            Self::Discovery => "discovery",
            Self::Latency => "latency",
            Self::Memory => "memory",
            Self::Kill => "kill",
        }
    }

    /// In a sentence.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::SyncForce => "whole syncs of accounts of 200 orders, rebuilt from the first order",
            Self::SyncOneNew => "the same with one new order in every account",
            Self::SyncUnchanged => "the same with nothing new",
            Self::SyncLong => "accounts of 5,000 orders with one new order each",
            Self::Noop => "jobs that do nothing",
            Self::Publish => "a tick of many accounts, found and published by a beat",
            Self::Discovery => "the same accounts found behind ten times the orders",
            Self::Latency => "from enqueueing to notification, at half of the load that a worker can bear",
            Self::Memory => "what a worker needs while it rebuilds accounts, and after many jobs",
            Self::Kill => "until the jobs of a worker that is killed are done by another one",
        }
    }

    /// What it starts beside our programs and the peer.
    pub(crate) fn tools(self) -> &'static [Tool] {
        match self {
            Self::Noop => &noop::TOOLS,
            Self::Publish => &[publish::BARE],
            Self::Discovery => &[discovery::DISCOVERY],
            Self::Latency => &[latency::PACE],
            _ => &[],
        }
    }

    /// Measures it: a row for each figure and whatever it is compared with.
    pub(crate) fn measure(self, stage: &Stage, size: &Size) -> Result<Vec<Row>> {
        match self {
            Self::SyncForce => syncs::measure(stage, size, self, Sync::Forced),
            Self::SyncOneNew => syncs::measure(stage, size, self, Sync::OneNew),
            Self::SyncUnchanged => syncs::measure(stage, size, self, Sync::Unchanged),
            Self::SyncLong => syncs::measure(stage, size, self, Sync::Long),
            Self::Noop => noop::measure(stage, size),
            Self::Publish => publish::measure(stage, size),
            Self::Discovery => discovery::measure(stage, size),
            Self::Latency => latency::measure(stage, size),
            Self::Memory => memory::measure(stage, size),
            Self::Kill => kill::measure(stage, size),
        }
    }
}

/// Where the rows of a part of that name are in the table; of one that is no more, at the end.
pub(crate) fn place(name: &str) -> usize {
    let all = Part::value_variants();
    all.iter().position(|part| part.name() == name).unwrap_or(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_called_the_same_everywhere() {
        for part in Part::value_variants() {
            assert_eq!(part.to_possible_value().expect("a name").get_name(), part.name());
        }
    }

    #[test]
    fn parts_are_measured_once_and_in_their_order() {
        let only = [Part::SyncLong, Part::SyncForce, Part::SyncLong];
        assert_eq!(Part::wanted(&only), [Part::SyncForce, Part::SyncLong]);
        assert_eq!(Part::wanted(&[]), Part::value_variants());
    }
}
