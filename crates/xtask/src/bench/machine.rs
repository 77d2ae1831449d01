//! What was measured on, and with what.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{Vhost, psql};

use super::stage::{Stage, answer};
use crate::workspace::root;

/// Packages of Python that are named in results.
const PACKAGES: &str = "celery kombu psycopg redis";

/// Pairs of what and which, in the order in which they are shown.
pub(crate) fn facts(stage: &Stage) -> Result<Vec<(&'static str, String)>> {
    let servers = &stage.servers;
    let rabbitmq = &servers.rabbitmq;
    let vhost = Vhost::open("%2f", &rabbitmq.url(), &rabbitmq.management_url())?;
    let overview = vhost.api("GET", "/api/overview", None)?;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let redis = servers.redis.command("INFO server")?;
    let python = format!(
        "import sys, importlib.metadata as m; print('Python', sys.version.split()[0], *(f', {{n}} {{m.version(n)}}' for n in '{PACKAGES}'.split()))"
    );
    Ok(vec![
        ("machine", machine()),
        ("system", first_line("/proc/version").split(" (").next().unwrap_or_default().to_owned()),
        ("syncfleet", commit()),
        ("rustc", answer(Command::new("rustc").arg("--version"))?),
        (
            "RabbitMQ",
            format!(
                "{} on Erlang {}",
                text(&overview["rabbitmq_version"]),
                text(&overview["erlang_version"])
            ),
        ),
        ("PostgreSQL", psql(&servers.postgres.url(), &["-c", "SHOW server_version"])?),
        ("Redis", field(&redis, "redis_version")),
        ("peer", answer(stage.python("python").args(["-c", &python]))?.replace(" ,", ",")),
    ])
}

/// Cores, model and memory.
fn machine() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 =
        field(&memory, "MemTotal").split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    format!("{cores} cores of {}, {} GiB of memory", field(&cpu, "model name"), (kib + (1 << 19)) >> 20)
}

/// Which sources, and whether they were changed since.
fn commit() -> String {
    let git = |words: &[&str]| answer(Command::new("git").args(words).current_dir(root()));
    let changed = git(&["status", "--porcelain"]).is_ok_and(|changed| !changed.is_empty());
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|_| "?".to_owned());
    format!("commit {commit}{}", if changed { ", with changes" } else { "" })
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> String {
    let of = |line: &str| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(of).unwrap_or_else(|| "?".to_owned())
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}")).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "# Server\r\nredis_version:7.0.15\r\nmodel : x\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(field(text, "redis_version"), "7.0.15");
        assert_eq!(field(text, "model name"), "Some CPU @ 2 GHz");
        assert_eq!(field(text, "MemTotal"), "?");
    }
}
