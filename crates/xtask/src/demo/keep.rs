//! `--keep`: the demo runs in a session of its own, and ends only when it is told to.
//!
//! It speaks through files in `target/demo`: what it prints goes to `log`, `env` appears when all is shown, `stop`
//! asks it to end, and it holds a lock on `lock` as long as it lives.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::demo::fleet::Fleet;
use crate::workspace;

const POLL: Duration = Duration::from_millis(100);
/// For servers and programs to end.
const END: Duration = Duration::from_secs(60);

fn file(name: &str) -> PathBuf {
    workspace::root().join("target/demo").join(name)
}

/// Starts the demo in the background, shows what it prints, and returns when it has shown everything.
pub(crate) fn start(orders: Option<&Path>) -> Result<ExitCode> {
    if is_up()? {
        println!("a demo is up already: ending it first");
        ask_to_end()?;
    }
    fs::create_dir_all(file("")).context("cannot create target/demo")?;
    for name in ["env", "stop"] {
        remove(name)?;
    }
    let log = File::create(file("log")).context("cannot create target/demo/log")?;
    let mut demo = Command::new("setsid");
    demo.arg(std::env::current_exe().context("cannot find the running program")?).args(["demo", "--hold"]);
    if let Some(orders) = orders {
        demo.arg("--orders").arg(orders);
    }
    let mut demo = demo
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share target/demo/log")?)
        .stderr(log)
        .spawn()
        .context("cannot start setsid")?;
    let mut shown = 0;
    loop {
        let ended = demo.try_wait().context("cannot watch the demo")?;
        let done = file("env").exists();
        shown = print_from(shown)?;
        if let Some(status) = ended {
            bail!("the demo ended early ({status})");
        }
        if done {
            println!("\nEverything stays up. The addresses, also in {}:", file("env").display());
            print!("{}", fs::read_to_string(file("env")).context("cannot read target/demo/env")?);
            println!("\nTo look around:  . {}", file("env").display());
            println!("To end it all:   cargo xtask demo --end");
            return Ok(ExitCode::SUCCESS);
        }
        sleep(POLL);
    }
}

/// The background part: plays the demo and holds what it started.
pub(crate) fn hold(play: impl FnOnce() -> Result<Fleet>) -> Result<ExitCode> {
    let lock = File::create(file("lock")).context("cannot create target/demo/lock")?;
    lock.try_lock().context("another demo has just been started")?;
    let fleet = play()?;
    let env = format!("{}export PATH={}:$PATH\n", fleet.addresses(), fleet.bin_dir().display());
    // Whole or not at all: the foreground waits for the file to appear.
    fs::write(file("env.new"), env).context("cannot write target/demo/env.new")?;
    fs::rename(file("env.new"), file("env")).context("cannot write target/demo/env")?;
    while file("lock").exists() && !file("stop").exists() {
        sleep(POLL);
    }
    drop(fleet);
    remove("env")?;
    Ok(ExitCode::SUCCESS)
}

/// Ends a demo that was kept.
pub(crate) fn end() -> Result<ExitCode> {
    if is_up()? {
        ask_to_end()?;
        println!("the demo has ended, its data deleted");
    } else {
        println!("no demo is up");
    }
    Ok(ExitCode::SUCCESS)
}

fn is_up() -> Result<bool> {
    let Ok(lock) = File::open(file("lock")) else { return Ok(false) };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(error).context("cannot look at target/demo/lock"),
    }
}

fn ask_to_end() -> Result<()> {
    File::create(file("stop")).context("cannot create target/demo/stop")?;
    let begun = Instant::now();
    while is_up()? {
        if begun.elapsed() > END {
            bail!("the demo has not ended within {END:?}");
        }
        sleep(POLL);
    }
    Ok(())
}

fn remove(name: &str) -> Result<()> {
    match fs::remove_file(file(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file(name).display()))
        }
        _ => Ok(()),
    }
}

fn print_from(position: u64) -> Result<u64> {
    let mut log = File::open(file("log")).context("cannot open target/demo/log")?;
    log.seek(SeekFrom::Start(position)).context("cannot read target/demo/log")?;
    let mut text = Vec::new();
    log.read_to_end(&mut text).context("cannot read target/demo/log")?;
    std::io::stdout().write_all(&text).context("cannot write")?;
    Ok(position + text.len() as u64)
}
