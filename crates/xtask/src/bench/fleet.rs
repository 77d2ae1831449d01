use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{Database, Process, Vhost};

use super::stage::{Keys, Stage, answer, sources};

const PATIENCE: Duration = Duration::from_secs(60);

/// Instruments are rows of their own here.
const INSTRUMENTS: &str = "
    INSERT INTO tradingdb.symbols (instrument_key, stock_code)
    SELECT 'NSE@' || code || '@equities', code
    FROM (SELECT 'SYM' || chr(65 + n / 26) || chr(65 + n % 26) AS code FROM generate_series(0, 199) AS n) AS codes
    ON CONFLICT DO NOTHING";

/// A database and a vhost of ours on the servers of the stage.
pub(crate) struct Fleet<'a> {
    stage: &'a Stage,
    pub(crate) database: Database,
    pub(crate) vhost: Vhost,
}

impl<'a> Fleet<'a> {
    /// Migrated, without any order.
    pub(crate) fn new(stage: &'a Stage) -> Result<Self> {
        let servers = &stage.servers;
        let database = Database::create_on(&servers.postgres.url())?;
        let vhost = Vhost::create_on(&servers.rabbitmq.url(), &servers.rabbitmq.management_url())?;
        let fleet = Self { stage, database, vhost };
        fleet.syncfleet(&["migrate"])?;
        // Accounts are called the same in every part: what is left of one would be newer than anything of the next.
        servers.redis.command("FLUSHDB")?;
        Ok(fleet)
    }

    /// Loads the orders `first` to `last` of so many accounts.
    pub(crate) fn fill(&self, accounts: usize, first: usize, last: usize) -> Result<()> {
        self.database.sql(&format!("{INSTRUMENTS}; {}", rows(accounts, first, last)?))?;
        Ok(())
    }

    /// As [`Fleet::fill`], of orders that no sync will look at: nobody notes them, which takes longer than they do.
    pub(crate) fn fill_unseen(&self, accounts: usize, orders: usize) -> Result<()> {
        for order in 1..=orders {
            let rows = rows(accounts, order, order)?;
            self.database.sql(&format!("SET session_replication_role = replica; {rows}"))?;
        }
        Ok(())
    }

    /// What a change of many rows leaves to do.
    pub(crate) fn settle(&self) -> Result<()> {
        self.database.sql("VACUUM ANALYZE")?;
        Ok(())
    }

    /// One of our programs with the servers' addresses and every other setting at its default.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.stage.program(program);
        command.env("DATABASE_URL", self.database.url()).env("RABBITMQ_URL", self.vhost.url());
        command.env("REDIS_URL", self.stage.redis_url(Keys::Ours));
        command
    }

    /// Runs a `syncfleet` command to its end and returns what it printed.
    pub(crate) fn syncfleet(&self, words: &[&str]) -> Result<String> {
        answer(self.command("syncfleet").args(words))
    }

    /// Starts a worker with these settings and waits until it consumes.
    pub(crate) fn worker(&self, settings: &[(&str, &str)]) -> Result<Process> {
        let mut command = self.command("syncfleet-worker");
        command.envs(settings.iter().copied());
        let worker = Process::spawn(command)?;
        worker.wait_for_line("consuming from", PATIENCE)?;
        Ok(worker)
    }

    /// Enqueues a sync of every account on `periodic`.
    pub(crate) fn enqueue(&self, force: bool) -> Result<()> {
        let how = if force { "force" } else { "due" };
        let (amqp, database) = (self.vhost.url(), self.database.url());
        answer(self.stage.script("enqueue.py").args([&amqp, &database, how]))?;
        Ok(())
    }

    /// Takes every message out of a queue.
    pub(crate) fn purge(&self, queue: &str) -> Result<()> {
        let path = format!("/api/queues/{}/{queue}/contents", self.vhost.name());
        self.vhost.api("DELETE", &path, None)?;
        Ok(())
    }

    /// Whether no job is there, neither waiting nor running, nor on its way back.
    pub(crate) fn is_idle(&self) -> bool {
        let depth = |queue: &String| self.vhost.queue_depth(queue).ok();
        let queues = self.vhost.queues().unwrap_or_default();
        !queues.is_empty() && queues.iter().all(|queue| depth(queue) == Some((0, 0)))
    }

    /// An error unless every job so far ended well.
    pub(crate) fn all_succeeded(&self) -> Result<()> {
        let others = self.database.sql(
            "SELECT status, left((report -> 'errors')::text, 300), count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success'
             GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5",
        )?;
        ensure!(others.is_empty(), "jobs that did not end well, which says nothing about speed: {others}");
        Ok(())
    }
}

/// The statement of `rows.sql`.
fn rows(accounts: usize, first: usize, last: usize) -> Result<String> {
    let mut rows = fs::read_to_string(sources().join("rows.sql")).context("cannot read rows.sql")?;
    for (name, value) in [(":accounts", accounts), (":first", first), (":last", last)] {
        rows = rows.replace(name, &value.to_string());
    }
    Ok(rows)
}
