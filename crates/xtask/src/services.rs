//! `cargo xtask services`: private servers that stay until they are told to go.
//!
//! `up` leaves a supervisor behind (this program again, in a session of its own), which owns the servers. They
//! speak through files in `target/services`: the supervisor holds a lock on `lock` as long as it lives and
//! writes `env` when all servers answer; `down` asks it to end by creating `stop`. The servers die with the
//! supervisor, so neither a crash nor a deleted `target` leaves any behind.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::{supervisor, workspace};

/// Between two looks at the files.
const POLL: Duration = Duration::from_millis(50);

/// For the installation of missing packages and the start of all servers on a slow machine.
const START: Duration = Duration::from_secs(600);

/// For the servers to end; their data are deleted, so none of them takes long.
const END: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum Services {
    /// Start RabbitMQ, PostgreSQL and Redis, always empty, and write target/services/env. Ends earlier ones first.
    Up {
        /// A Redis Cluster of six nodes as well (REDIS_CLUSTER_HOSTS).
        #[arg(long)]
        cluster: bool,
    },
    /// End them and delete their data.
    Down,
    /// Show whether they are up, and where; exit code 1 when they are not.
    Status,
    #[command(hide = true)]
    Supervise {
        #[arg(long)]
        cluster: bool,
    },
}

pub(crate) fn run(services: &Services) -> Result<ExitCode> {
    match services {
        Services::Up { cluster } => up(*cluster),
        Services::Down => down(),
        Services::Status => status(),
        Services::Supervise { cluster } => supervisor::run(*cluster),
    }
}

/// A file of the running servers, always below the workspace's own `target`, wherever cargo builds.
pub(crate) fn file(name: &str) -> PathBuf {
    workspace::root().join("target/services").join(name)
}

fn up(cluster: bool) -> Result<ExitCode> {
    if is_up()? {
        println!("services are up already: starting them anew, empty");
        end()?;
    }
    fs::create_dir_all(file("")).context("cannot create target/services")?;
    remove("env")?;
    let log = File::create(file("log")).context("cannot create target/services/log")?;
    let mut supervisor = Command::new("setsid")
        .arg(std::env::current_exe().context("cannot find the running program")?)
        .args(["services", "supervise"])
        .args(cluster.then_some("--cluster"))
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share target/services/log")?)
        .stderr(log)
        .spawn()
        .context("cannot start setsid")?;

    let begun = Instant::now();
    while !file("env").exists() {
        if let Some(status) = supervisor.try_wait().context("cannot watch the supervisor")? {
            let log = fs::read_to_string(file("log")).unwrap_or_default();
            bail!("the services have not come up ({status}):\n{}", log.trim_end());
        }
        if begun.elapsed() > START {
            end()?;
            bail!("the services have not come up within {START:?}; see {}", file("log").display());
        }
        sleep(POLL);
    }
    println!("services are up; {}:", file("env").display());
    print!("{}", fs::read_to_string(file("env")).context("cannot read target/services/env")?);
    Ok(ExitCode::SUCCESS)
}

fn down() -> Result<ExitCode> {
    if is_up()? {
        end()?;
        println!("services are down, their data deleted");
    } else {
        // A killed supervisor takes its servers along, but not this file.
        remove("env")?;
        println!("services are not up");
    }
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode> {
    if !is_up()? {
        println!("services are not up");
        return Ok(ExitCode::FAILURE);
    }
    match fs::read_to_string(file("env")) {
        Ok(env) => print!("services are up:\n{env}"),
        Err(_) => println!("services are starting or ending"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a supervisor lives: nobody else holds the lock, and the kernel releases it when it dies.
fn is_up() -> Result<bool> {
    let Ok(lock) = File::open(file("lock")) else { return Ok(false) };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).context("cannot look at target/services/lock"),
    }
}

fn end() -> Result<()> {
    File::create(file("stop")).context("cannot create target/services/stop")?;
    let begun = Instant::now();
    while is_up()? {
        if begun.elapsed() > END {
            let supervisor = fs::read_to_string(file("lock")).unwrap_or_default();
            bail!(
                "the services have not ended within {END:?}; their supervisor is process {}",
                supervisor.trim()
            );
        }
        sleep(POLL);
    }
    remove("env")
}

pub(crate) fn remove(name: &str) -> Result<()> {
    match fs::remove_file(file(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file(name).display()))
        }
        _ => Ok(()),
    }
}
