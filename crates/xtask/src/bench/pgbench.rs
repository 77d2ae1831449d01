//! What PostgreSQL alone does of syncs with nothing new: their own statements, sent by `pgbench` instead of a worker.

use std::env;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{pgbench, wait_until};

use super::fleet::Fleet;
use super::script::{Statement, script};
use super::session::SETTINGS;
use super::stage::{Stage, answer, folder};

/// What it is called in the table.
pub(crate) const NAME: &str = "pgbench with the sync's own SQL";

/// Clients for each core: more make PostgreSQL no faster.
const CLIENTS: usize = 4;
/// How often each account comes in a round: the first statements of a connection cost more, and a worker's are long past them.
const TURNS: usize = 10;
/// For the syncs that come before.
const PATIENCE: Duration = Duration::from_secs(600);
/// The script, in the folder of the results.
const FILE: &str = "sync-unchanged.pgbench.sql";

// Everything that such a sync asks of PostgreSQL, in its order, and by itself: a worker's share these statements with those that
// ask at the same time. `:none` is NULL: `pgbench` sends that for a variable that nobody
// gave it, and can say it in no other way.
const TAKE: Statement<'_> = Statement {
    file: "take_free_accounts.sql",
    sql: include_str!("../../../storage/src/take_free_accounts.sql"),
    parameters: &[
        "ARRAY[:organization]",
        ACCOUNT,
        SYNC_ID,
        "ARRAY[:worker]",
        "ARRAY[:hold]",
        "ARRAY[:none]",
        "ARRAY[:forced]",
        "ARRAY[:checked]",
        ":default_organization",
        ":changes_max",
    ],
};
const FINISH: Statement<'_> = Statement {
    file: "finish_runs.sql",
    sql: include_str!("../../../storage/src/finish_runs.sql"),
    parameters: &[
        "ARRAY[:organization]",
        ACCOUNT,
        "ARRAY[:fence]",
        SYNC_ID,
        "ARRAY[:status]",
        "ARRAY[:none]",
        "ARRAY[:worker]",
        "ARRAY[:retries]",
        "ARRAY[:report]",
        "ARRAY[:forced]",
        "ARRAY[:checked]",
        "ARRAY[:rows_now]",
        "array_fill(1, ARRAY[cardinality(:changes::bigint[])])",
        ":changes",
    ],
};

/// As in `rows.sql`. `pgbench` counts in numbers only: PostgreSQL makes names of them, which takes it microseconds, and
/// its plans are those of a worker's statements.
const ACCOUNT: &str = "ARRAY['acct-' || lpad(:account::text, 6, '0')]";
/// As long and as scattered as the ids of jobs are.
const SYNC_ID: &str = "ARRAY[md5(:sync::text)::uuid::text]";

/// Accounts as a worker leaves them that has synced them twice.
pub(crate) struct Pgbench<'a> {
    stage: &'a Stage,
    /// Of its own: a worker's next sync of an account would miss in Redis what was written here.
    fleet: Fleet<'a>,
    clients: usize,
    /// Accounts of one client, which nobody else takes.
    accounts: usize,
    /// What a sync with nothing new says of itself.
    report: String,
}

impl<'a> Pgbench<'a> {
    /// Loads the accounts, lets a worker sync them, and writes the script. Empties Redis, so it comes before any worker that
    /// is measured.
    pub(crate) fn lay(stage: &'a Stage, accounts: usize, orders: usize) -> Result<Self> {
        let fleet = Fleet::new(stage)?;
        fleet.fill(accounts, 1, orders)?;
        fleet.settle()?;
        let worker = fleet.worker(&[])?;
        for times in 1..=2 {
            fleet.enqueue(false)?;
            let all = Some(accounts * times);
            wait_until("the end of all syncs", PATIENCE, || outcomes(&fleet).ok() == all);
        }
        drop(worker);
        fleet.all_succeeded()?;
        let report = fleet.database.sql(
            "SELECT report FROM tradingdb.sync_outcomes
             WHERE report -> 'position_generation' ->> 'regenerated' = 'false' LIMIT 1",
        )?;
        ensure!(!report.is_empty(), "every sync found something new, as after midnight in India: try again");
        fs::create_dir_all(folder()).context("cannot create target/bench")?;
        fs::write(folder().join(FILE), unchanged()?)
            .with_context(|| format!("cannot write target/bench/{FILE}"))?;
        // No more than there are accounts: two clients with the same one would wait for each other.
        let clients = (CLIENTS * cores()).min(accounts);
        Ok(Self { stage, fleet, clients, accounts: accounts / clients, report })
    }

    /// Syncs a second.
    pub(crate) fn rate(&self, round: usize) -> Result<f64> {
        let turns = self.accounts * TURNS;
        let before = outcomes(&self.fleet)?;
        self.stage.checkpoint()?;
        let said = answer(&mut self.command(round, turns)?)?;
        let written = outcomes(&self.fleet)? - before;
        let sent = self.clients * turns;
        ensure!(
            written == sent,
            "pgbench sent {sent} syncs, and {written} were done: no figure of PostgreSQL's"
        );
        let wrong = self.fleet.database.sql(
            "SELECT count(*) FROM tradingdb.sync_outcomes WHERE status <> 'success' OR reason IS NOT NULL",
        )?;
        ensure!(wrong == "0", "{wrong} of pgbench's syncs are not like a worker's");
        per_second(&said).with_context(|| format!("pgbench names no tps: {said}"))
    }

    fn command(&self, round: usize, turns: usize) -> Result<Command> {
        let mut command = Command::new(pgbench()?);
        // A user's own would change what is measured, or where.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        let settings = SETTINGS.map(|(name, value)| format!("-c {name}={value}"));
        command.env("PGOPTIONS", settings.join(" ")).current_dir(folder());
        command.args(["--no-vacuum", "--protocol=prepared", "--file", FILE]);
        let numbers =
            [("--client", self.clients), ("--jobs", cores().min(self.clients)), ("--transactions", turns)];
        for (flag, number) in numbers {
            command.args([flag, &number.to_string()]);
        }
        let (clients, accounts, round) =
            (self.clients.to_string(), self.accounts.to_string(), round.to_string());
        let variables = [
            ("clients", clients.as_str()),
            ("accounts", &accounts),
            ("round", &round),
            ("turn", "0"),
            ("organization", "org1"),
            ("default_organization", "default"),
            // Called like no column: those of the statements become variables.
            ("changes_max", "5001"),
            ("worker", "syncfleet@pgbench"),
            ("hold", "30"),
            ("forced", "f"),
            ("checked", "f"),
            ("status", "success"),
            ("retries", "0"),
            ("report", &self.report),
        ];
        for (name, value) in variables {
            command.args(["--define", &format!("{name}={value}")]);
        }
        command.arg(self.fleet.database.url());
        Ok(command)
    }
}

/// The script of such a sync. Each client has accounts of its own, and takes one after the other.
fn unchanged() -> Result<String> {
    let variables = [
        ("turn", ":turn + 1"),
        ("account", "1 + :client_id + :clients * (:turn % :accounts)"),
        ("sync", "(:round * :clients + :client_id) * 1000000000 + :turn"),
    ];
    script(&variables, &[TAKE, FINISH])
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn outcomes(fleet: &Fleet<'_>) -> Result<usize> {
    let count = fleet.database.sql("SELECT count(*) FROM tradingdb.sync_outcomes")?;
    count.parse().with_context(|| format!("no count of outcomes: {count}"))
}

/// The figure in the words of `pgbench`: `tps = 1234.5 (without initial connection time)`.
fn per_second(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_the_statements_of_a_sync_as_they_are_now() {
        let script = unchanged().expect("a script");
        assert_eq!(script.matches("\\gset").count(), 2);
        assert!(!script.contains('$'), "{script}");
        for written in [
            "ARRAY[md5(:sync::text)::uuid::text]::text[]",
            "ARRAY[:fence]::bigint[]",
            "ARRAY[:rows_now]::text[]",
        ] {
            assert!(script.contains(written), "{written} is not in {script}");
        }
    }

    #[test]
    fn the_last_statement_reads_what_the_first_one_returns() {
        for column in ["\"number!\", s.fence,", "\"rows_now!\"", "\"changes!\""] {
            assert!(TAKE.sql.contains(column), "{} has no {column} any more", TAKE.file);
        }
    }

    #[test]
    fn the_rate_is_read_from_what_pgbench_says() {
        let said = "latency average = 5.1 ms\ntps = 1566.250000 (without initial connection time)\n";
        assert_eq!(per_second(said), Some(1566.25));
        assert_eq!(per_second("nothing"), None);
    }
}
