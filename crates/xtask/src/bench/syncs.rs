use anyhow::Result;

use super::figures::in_turn;
use super::ground::Ground;
use super::part::Part;
use super::pgbench::{self, Pgbench};
use super::row::{Better, Row, named};
use super::size::Size;
use super::stage::{Keys, Stage};

/// What there is to do for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Forced,
    OneNew,
    Unchanged,
    /// One new order after many.
    Long,
}

/// Slots of a worker whose syncs share little of what those share that wait together.
const FEW: &str = "8";

/// Accounts a second of a worker with all settings at their defaults, of the peer, and where nothing is new of a worker with
/// few slots and of PostgreSQL alone.
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
    let redis = stage.redis_url(Keys::OfFewSlots);
    let settings = [("WORKER_CONCURRENCY", FEW), ("REDIS_URL", redis.as_str())];
    let few = (sync == Sync::Unchanged)
        .then(|| Ground::without_peer(stage, accounts, orders, &settings))
        .transpose()?;
    let ground = Ground::lay(stage, accounts, orders)?;
    let mut ours = |round: usize| ground.ours(sync == Sync::Forced, trades.then_some(round));
    let mut peers = |round: usize| ground.peers(trades.then_some(round));
    let mut alone = alone.as_ref().map(|alone| |round: usize| alone.rate(round));
    let mut few = few.as_ref().map(|few| |_: usize| few.ours(false, None));
    let mut contenders: Vec<&mut dyn FnMut(usize) -> Result<f64>> = vec![&mut ours, &mut peers];
    if let (Some(alone), Some(few)) = (&mut alone, &mut few) {
        contenders.extend([alone as &mut dyn FnMut(usize) -> Result<f64>, few]);
    }
    let measured = in_turn(size.rounds, &mut contenders)?;
    let row = |name: &str, ours: usize, (against, theirs): (&str, usize), target| {
        let theirs = (against, measured[theirs].as_slice());
        Row::versus(name, "accounts/s", Better::More, &measured[ours], theirs, target)
    };
    let mut rows = vec![row(part.name(), 0, ("Celery", 1), Some(target))];
    if sync == Sync::Unchanged {
        rows.push(row(part.name(), 0, (pgbench::NAME, 2), None));
        rows.push(row(&named(part, &format!("at {FEW}")), 3, ("Celery", 1), None));
    }
    Ok(rows)
}
