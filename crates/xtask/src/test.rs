//! `cargo xtask test`: all tests against private servers that are started once.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow};
use testbed::{Postgres, variable};

use crate::servers::Servers;
use crate::workspace::{cargo, metadata, run as run_command};

/// Builds the binaries that end-to-end tests start, runs the tests, and ends with their exit code.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (servers, built) = thread::scope(|scope| {
        let servers = scope.spawn(|| Servers::start(Postgres::start, false));
        let built = run_command(&mut cargo(&["build", "--workspace", "--bins"]));
        (servers.join(), built)
    });
    let servers = servers.map_err(|_| anyhow!("the start of the servers panicked"))??;
    built?;

    let mut tests = match has_nextest() {
        true => cargo(&["nextest", "run", "--workspace"]),
        false => {
            println!("cargo-nextest is not installed: running cargo test");
            cargo(&["test", "--workspace"])
        }
    };
    let status = tests
        .args(arguments)
        .env(variable::DATABASE_URL, servers.postgres.url())
        .env(variable::RABBITMQ_URL, servers.rabbitmq.url())
        .env(variable::RABBITMQ_MANAGEMENT_URL, servers.rabbitmq.management_url())
        .env(variable::REDIS_URL, servers.redis.url())
        .env(testbed::BIN_DIR, bin_dir()?)
        .status()
        .context("cannot run cargo")?;
    drop(servers);
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn bin_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(target).join("debug"))
}

fn has_nextest() -> bool {
    let mut version = Command::new("cargo-nextest");
    version.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
