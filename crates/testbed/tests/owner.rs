//! What a killed owner leaves behind: nothing.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::wait_until;

#[test]
fn servers_and_processes_die_with_an_owner_that_is_killed() {
    let mut owner = Command::new(example("owner")).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line.contains("owner is ready")),
        "the owner has not come up"
    );
    let family = descendants(owner.id());
    let commands: String = family.iter().map(|pid| read(*pid, "cmdline")).collect();
    for program in ["beam", "epmd", "erl_child_setup", "postgres", "redis-server", "sleep"] {
        assert!(commands.contains(program), "{program} is not among {commands}");
    }
    assert!(!folders(owner.id()).is_empty());

    owner.kill().unwrap();
    owner.wait().unwrap();

    wait_until("all processes of the owner have ended", Duration::from_secs(20), || {
        family.iter().all(|pid| !lives(*pid))
    });
    wait_until("all folders are deleted", Duration::from_secs(20), || folders(owner.id()).is_empty());
}

/// The built example of that name: examples lie beside the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

/// The last fields of `/proc/<pid>/stat`: state, parent, …
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = read(pid, "stat");
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A zombie is dead: that nobody has reaped it yet is up to init.
fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn descendants(of: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = processes.filter_map(|pid| Some((pid, stat(pid)?.1))).collect();
    let mut family = vec![of];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family.split_off(1)
}

fn folders(owner: u32) -> Vec<String> {
    let names =
        fs::read_dir("/tmp").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("syncfleet-") && name.contains(&format!("-{owner}-"))).collect()
}

fn read(pid: u32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
