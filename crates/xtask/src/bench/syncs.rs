use anyhow::Result;

use super::figures::in_turn;
use super::ground::Ground;
use super::part::Part;
use super::row::{Better, Row};
use super::size::Size;
use super::stage::Stage;

/// What there is to do for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Forced,
    OneNew,
    Unchanged,
    /// One new order after many.
    Long,
}

/// Accounts a second of a worker with all settings at their defaults, and of the peer.
pub(crate) fn measure(stage: &Stage, size: &Size, part: Part, sync: Sync) -> Result<Vec<Row>> {
    let (accounts, orders) = match sync {
        Sync::Long => (size.long_accounts, size.long_orders),
        _ => (size.accounts, size.orders),
    };
    let target = match sync {
        Sync::Forced => 5.0,
        Sync::OneNew => 10.0,
        Sync::Unchanged => 20.0,
        Sync::Long => 100.0,
    };
    let trades = matches!(sync, Sync::OneNew | Sync::Long);
    let ground = Ground::lay(stage, accounts, orders)?;
    let mut ours = |round: usize| ground.ours(sync == Sync::Forced, trades.then_some(round));
    let mut peers = |round: usize| ground.peers(trades.then_some(round));
    let measured = in_turn(size.rounds, &mut [&mut ours, &mut peers])?;
    let peers = ("Celery", measured[1].as_slice());
    Ok(vec![Row::versus(part.name(), "accounts/s", Better::More, &measured[0], peers, Some(target))])
}
