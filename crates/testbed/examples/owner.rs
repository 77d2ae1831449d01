//! An owner of servers for `tests/owner.rs`, which kills it and looks at what is left: starts one server of each kind
//! and a process, says so, and waits.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "run by a test, which sees the failed step")]

use std::process::Command;
use std::time::Duration;

use testbed::{Postgres, Process, RabbitMq, Redis};

/// Longer than the test lets it live, and an end for whoever starts it by hand.
const LIFE: Duration = Duration::from_secs(120);

fn main() {
    let servers = (RabbitMq::start().unwrap(), Postgres::start().unwrap(), Redis::start().unwrap());
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let process = Process::spawn(sleep).unwrap();
    println!("owner is ready");
    std::thread::sleep(LIFE);
    drop((servers, process));
}
