use anyhow::Result;

use super::figures::in_turn;
use super::ground::Ground;
use super::part::Part;
use super::pgbench::{self, Pgbench};
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

/// Accounts a second of a worker with all settings at their defaults, of the peer, and of PostgreSQL alone where
/// nothing is new.
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
    // Elsewhere the statements carry what a worker has computed from the account before.
    let alone = (sync == Sync::Unchanged).then(|| Pgbench::lay(stage, accounts, orders)).transpose()?;
    let ground = Ground::lay(stage, accounts, orders)?;
    let mut ours = |round: usize| ground.ours(sync == Sync::Forced, trades.then_some(round));
    let mut peers = |round: usize| ground.peers(trades.then_some(round));
    let mut alone = alone.as_ref().map(|alone| |round: usize| alone.rate(round));
    let mut contenders: Vec<&mut dyn FnMut(usize) -> Result<f64>> = vec![&mut ours, &mut peers];
    let mut names = vec![("Celery", Some(target))];
    if let Some(alone) = &mut alone {
        contenders.push(alone);
        names.push((pgbench::NAME, None));
    }
    let measured = in_turn(size.rounds, &mut contenders)?;
    let row = |((against, target), theirs): ((&str, Option<f64>), &Vec<f64>)| {
        let theirs = (against, theirs.as_slice());
        Row::versus(part.name(), "accounts/s", Better::More, &measured[0], theirs, target)
    };
    Ok(names.into_iter().zip(&measured[1..]).map(row).collect())
}
