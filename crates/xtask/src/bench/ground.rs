use anyhow::{Context, Result};
use testbed::Process;

use super::fleet::Fleet;
use super::peer::Peer;
use super::stage::Stage;
use super::stopwatch;

/// The first number of an order that is of now, see `rows.sql`.
const NOW: usize = 100_001;

/// The same accounts for ours and for the peer, and an idle worker of each.
pub(crate) struct Ground<'a> {
    stage: &'a Stage,
    fleet: Fleet<'a>,
    worker: Process,
    peer: Option<(Peer<'a>, Process)>,
    accounts: usize,
}

impl<'a> Ground<'a> {
    /// Loads the accounts and starts the workers.
    pub(crate) fn lay(stage: &'a Stage, accounts: usize, orders: usize) -> Result<Self> {
        let mut ground = Self::without_peer(stage, accounts, orders, &[])?;
        let peer = Peer::new(stage)?;
        peer.run(&["seed", &accounts.to_string(), &orders.to_string()])?;
        let worker = peer.worker()?;
        ground.peer = Some((peer, worker));
        Ok(ground)
    }

    /// Only ours, with these settings of the worker.
    pub(crate) fn without_peer(
        stage: &'a Stage,
        accounts: usize,
        orders: usize,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let fleet = Fleet::new(stage)?;
        fleet.fill(accounts, 1, orders)?;
        fleet.settle()?;
        let worker = fleet.worker(settings)?;
        Ok(Self { stage, fleet, worker, peer: None, accounts })
    }

    /// Where our jobs are.
    pub(crate) fn amqp_url(&self) -> String {
        self.fleet.vhost.url()
    }

    /// What a sync that wrote everything leaves to do: else PostgreSQL does it by itself while something is measured.
    pub(crate) fn settle(&self) -> Result<()> {
        self.fleet.settle()
    }

    /// Syncs every account with ours; returns how many a second.
    pub(crate) fn ours(&self, force: bool, trades: Option<usize>) -> Result<f64> {
        if let Some(round) = trades {
            self.fleet.fill(self.accounts, NOW + round, NOW + round)?;
        }
        // Before anything stops: RabbitMQ gives up a worker that is frozen for as long as a checkpoint may take.
        self.stage.checkpoint()?;
        self.worker.stop()?;
        self.fleet.enqueue(force)?;
        let seconds = stopwatch::seconds(self.stage, &self.fleet.vhost.url(), self.accounts, &self.worker)?;
        self.fleet.all_succeeded()?;
        Ok(self.accounts as f64 / seconds)
    }

    /// The same with the peer, which has no way to do less than everything.
    pub(crate) fn peers(&self, trades: Option<usize>) -> Result<f64> {
        let (peer, worker) = self.peer.as_ref().context("no peer here")?;
        if let Some(round) = trades {
            peer.run(&["trade", &self.accounts.to_string(), &(NOW + round).to_string()])?;
        }
        self.stage.checkpoint()?;
        worker.stop()?;
        peer.run(&["sync"])?;
        let seconds = stopwatch::seconds(self.stage, &peer.vhost.url(), self.accounts, worker)?;
        Ok(self.accounts as f64 / seconds)
    }
}
