use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use testbed::{FakeKite, Postgres, Process};

use crate::servers::Servers;
use crate::workspace::{cargo, metadata, run as run_command};

/// How long a program may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// Servers and programs; dropping it ends them all and deletes their data.
pub(crate) struct Fleet {
    // Fields are dropped in order: programs before the servers they use.
    watch: Option<Process>,
    programs: Vec<(&'static str, Process)>,
    pub(crate) kite: FakeKite,
    env: Vec<(String, String)>,
    bin_dir: PathBuf,
    _servers: Servers,
}

impl Fleet {
    /// Builds the programs while the servers start.
    pub(crate) fn start_servers() -> Result<Self> {
        let (servers, built) = thread::scope(|scope| {
            let servers = scope.spawn(|| Servers::start(Postgres::start, false));
            let built = run_command(&mut cargo(&["build", "--bins"]));
            (servers.join(), built)
        });
        let servers = servers.map_err(|_| anyhow!("the start of the servers panicked"))??;
        built?;
        let kite = FakeKite::start()?;
        let env = vec![
            ("DATABASE_URL".to_owned(), servers.postgres.create_database("syncfleet")?),
            ("RABBITMQ_URL".to_owned(), servers.rabbitmq.url()),
            ("RABBITMQ_MANAGEMENT_URL".to_owned(), servers.rabbitmq.management_url()),
            ("REDIS_URL".to_owned(), servers.redis.url()),
        ];
        let target = metadata()?["target_directory"].as_str().context("no target directory")?.to_owned();
        let bin_dir = Path::new(&target).join("debug");
        Ok(Self { watch: None, programs: Vec::new(), kite, env, bin_dir, _servers: servers })
    }

    /// Starts a watcher, two workers and a beat, each a process of its own.
    pub(crate) fn start_programs(&mut self) -> Result<()> {
        let watch = Process::spawn(self.command("syncfleet", &["watch"]))?;
        watch.wait_for_line("watching", READY)?;
        self.watch = Some(watch);
        for (name, program) in
            [("worker 1", "syncfleet-worker"), ("worker 2", "syncfleet-worker"), ("beat", "syncfleet-beat")]
        {
            self.programs.push((name, Process::spawn(self.command(program, &[]))?));
        }
        Ok(())
    }

    /// Runs a `syncfleet` command on our terminal.
    pub(crate) fn syncfleet(&self, arguments: &[&str]) -> Result<()> {
        run_command(&mut self.command("syncfleet", arguments))
    }

    /// Runs a `syncfleet` command and returns what it wrote.
    pub(crate) fn query(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command("syncfleet", arguments).output().context("cannot run syncfleet")?;
        if !output.status.success() {
            bail!("syncfleet {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `syncfleet watch` has printed.
    pub(crate) fn watched(&self) -> String {
        self.watch.as_ref().map_or_else(String::new, Process::output)
    }

    /// What the programs have logged.
    pub(crate) fn logs(&self) -> String {
        self.programs
            .iter()
            .map(|(name, process)| format!("--- {name}\n{}", process.output()))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The addresses, a line each, fit for `sh`.
    pub(crate) fn addresses(&self) -> String {
        self.env.iter().map(|(name, value)| format!("export {name}={value}\n")).collect()
    }

    /// The folder of the programs.
    pub(crate) fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        command.args(arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        // What the fake brokerage knows nothing of; named so that the real ones are never used here.
        command.env("DEMO_KITE_API_KEY", "demo").env("DEMO_KITE_ACCESS_TOKEN", "demo");
        command
    }
}
