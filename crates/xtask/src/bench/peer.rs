use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use testbed::{Database, Process, Vhost};

use super::stage::{Keys, Stage, answer};

/// Celery imports much.
const PATIENCE: Duration = Duration::from_secs(60);
/// Processes of its worker: one a core of the machine that the targets are for.
const PROCESSES: &str = "2";

/// The Celery implementation, with a database and a vhost of its own on the servers of the stage.
pub(crate) struct Peer<'a> {
    stage: &'a Stage,
    pub(crate) database: Database,
    pub(crate) vhost: Vhost,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Result<Self> {
        let servers = &stage.servers;
        let database = Database::create_on(&servers.postgres.url())?;
        let vhost = Vhost::create_on(&servers.rabbitmq.url(), &servers.rabbitmq.management_url())?;
        Ok(Self { stage, database, vhost })
    }

    /// Runs a command of `celery_peer.py` to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Result<()> {
        answer(self.with_servers(self.stage.script("celery_peer.py")).args(words))?;
        Ok(())
    }

    /// Starts a worker and waits until it consumes.
    pub(crate) fn worker(&self) -> Result<Process> {
        let mut command = self.with_servers(self.stage.python("celery"));
        command.args(["-A", "celery_peer", "worker", "-c", PROCESSES, "-Q", "peer", "-l", "warning"]);
        command.args(["--without-gossip", "--without-mingle"]);
        let worker = Process::spawn(command)?;
        worker.wait_for_line("the peer is ready", PATIENCE)?;
        Ok(worker)
    }

    fn with_servers(&self, mut command: Command) -> Command {
        command.env("PEER_AMQP", self.vhost.url()).env("PEER_PG", self.database.url());
        command.env("PEER_REDIS", self.stage.redis_url(Keys::Peers));
        command
    }
}
