use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use testbed::{Postgres, psql, python_environment};

use super::built::{Built, Tool};
use crate::servers::Servers;
use crate::workspace::{root, run as run_command};

/// The servers, which all contenders share, and the programs.
pub(crate) struct Stage {
    pub(crate) servers: Servers,
    built: Built,
    /// Of Python, with the peer's packages.
    python: PathBuf,
}

impl Stage {
    /// Builds and installs whatever is measured, these tools among it, and starts the servers.
    pub(crate) fn set(tools: &[Tool]) -> Result<Self> {
        let built = Built::with(tools)?;
        let (python, servers) = thread::scope(|scope| {
            let python = scope.spawn(|| {
                let requirements = sources().join("requirements.txt");
                python_environment(&folder().join("python"), &[&requirements])
            });
            let servers = Servers::start(Postgres::start_durable, false);
            (python.join(), servers)
        });
        let servers = servers?;
        let python = python.map_err(|_| anyhow!("the installation of the peer panicked"))?;
        let python = python.context("the peer cannot be installed: it needs Python and its package index")?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value = psql(&servers.postgres.url(), &["-c", &format!("SHOW {setting}")])?;
            ensure!(value == "on", "PostgreSQL's {setting} is {value}: its figures would say nothing");
        }
        // What builds and installations have written goes to the disk now, and not while a commit waits for it.
        run_command(&mut Command::new("sync"))?;
        Ok(Self { servers, built, python })
    }

    /// One of our programs, with nothing of the user's settings.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.built.program(name)
    }

    /// A tool that was asked for.
    pub(crate) fn tool(&self, tool: Tool) -> Result<Command> {
        self.built.tool(tool)
    }

    /// A program of the Python environment, such as `python` or `celery`.
    pub(crate) fn python(&self, name: &str) -> Command {
        let mut command = clean(&self.python.join(name));
        command.env("PYTHONPATH", sources()).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder());
        command
    }

    /// A script of `tests/bench`.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = self.python("python");
        command.arg(sources().join(name));
        command
    }

    /// The URL of Redis for these keys.
    pub(crate) fn redis_url(&self, keys: Keys) -> String {
        format!("redis://{}/{}", self.servers.redis.address(), keys as u8)
    }

    /// Writes what is dirty, so that no contender pays for the one before.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        psql(&self.servers.postgres.url(), &["-c", "CHECKPOINT"])?;
        Ok(())
    }
}

/// Whose keys are in which database of Redis. Accounts are called the same everywhere: who writes into another's database makes
/// it write all of its own again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys {
    /// Those of our worker with all settings at their defaults.
    Ours = 0,
    /// Those of the peer.
    Peers = 1,
    /// Those of our worker with few slots.
    OfFewSlots = 2,
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn answer(command: &mut Command) -> Result<String> {
    let name = PathBuf::from(command.get_program());
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let line = format!("{} {}", name.file_name().unwrap_or_default().display(), words.join(" "));
    let output = command.output().with_context(|| format!("cannot run {line}"))?;
    ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Where results go, and whatever the peers need.
pub(crate) fn folder() -> PathBuf {
    root().join("target/bench")
}

/// Where the peers' sources are.
pub(crate) fn sources() -> PathBuf {
    root().join("tests/bench")
}

/// A program with nothing of the user's settings.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    command
}
