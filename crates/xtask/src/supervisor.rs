//! The process that owns the servers of `cargo xtask services`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::Postgres;

use crate::servers::Servers;
use crate::services::{file, remove};

/// Between two looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);

/// The database that `DATABASE_URL` names.
const DATABASE: &str = "syncfleet";

/// Starts the servers, says where they are, and stays until it is told to end or `target` is deleted.
pub(crate) fn run(with_cluster: bool) -> Result<ExitCode> {
    let _lock = take_lock()?;
    remove("stop")?;
    remove("env")?;

    let (sender, started) = mpsc::channel();
    thread::spawn(move || {
        // Nobody receives any more only when this process is about to end.
        let _ = sender.send(start(with_cluster));
    });
    let servers = loop {
        if is_told_to_end() {
            // The guards of the servers that are up by now see our end and do the rest.
            return Ok(ExitCode::FAILURE);
        }
        match started.recv_timeout(POLL) {
            Ok(servers) => break servers?,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error).context("the start of the servers panicked"),
        }
    };
    while !is_told_to_end() {
        thread::sleep(POLL);
    }
    remove("env")?;
    // Before the lock is released: who sees it free may rely on the data being gone.
    drop(servers);
    Ok(ExitCode::SUCCESS)
}

/// Held as long as the file is open; our process id in it is for people.
fn take_lock() -> Result<File> {
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(file("lock"))
        .context("cannot open target/services/lock")?;
    lock.try_lock().context("another supervisor has just been started")?;
    lock.set_len(0)
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .context("cannot write target/services/lock")?;
    Ok(lock)
}

fn is_told_to_end() -> bool {
    file("stop").exists() || !file("lock").exists()
}

fn start(with_cluster: bool) -> Result<Servers> {
    // Syncing to disk as in production: what is measured against these servers shall mean something.
    let servers = Servers::start(Postgres::start_durable, with_cluster)?;
    let database = servers.postgres.create_database(DATABASE)?;
    let mut env = format!(
        "DATABASE_URL={database}\nRABBITMQ_URL={}\nRABBITMQ_MANAGEMENT_URL={}\nREDIS_URL={}\n",
        servers.rabbitmq.url(),
        servers.rabbitmq.management_url(),
        servers.redis.url(),
    );
    if let Some(cluster) = &servers.cluster {
        env.push_str(&format!("REDIS_CLUSTER_HOSTS={}\n", cluster.hosts()));
    }
    // Whole or not at all: `up` waits for the file to appear.
    fs::write(file("env.new"), env).context("cannot write target/services/env.new")?;
    fs::rename(file("env.new"), file("env")).context("cannot write target/services/env")?;
    Ok(servers)
}
