//! Programs that are measured. All of them are built before the first figure is taken: a compiler needs both cores, and what
//! it wrote keeps the disk busy when it has ended.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::{clean, folder, sources};
use crate::workspace::{cargo, metadata, run as run_command};

/// A program that a part starts beside the product's own and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    /// One of `tests/bench/peers`, by its name.
    Peer(&'static str),
    /// A benchmark of one of our crates: the package, and its name there.
    Bench(&'static str, &'static str),
}

/// Where the programs are.
pub(crate) struct Built {
    ours: PathBuf,
    tools: BTreeMap<Tool, PathBuf>,
}

impl Built {
    /// Builds ours, unless somebody else has, and these tools.
    pub(crate) fn with(tools: &[Tool]) -> Result<Self> {
        let ours = ours()?;
        let mut built = peers(tools)?;
        for tool in tools {
            if let Tool::Bench(package, name) = *tool {
                built.insert(*tool, bench(package, name)?);
            }
        }
        Ok(Self { ours, tools: built })
    }

    /// One of our programs, with nothing of the user's settings.
    pub(crate) fn program(&self, name: &str) -> Command {
        clean(&self.ours.join(name))
    }

    /// A tool that was built.
    pub(crate) fn tool(&self, tool: Tool) -> Result<Command> {
        let program = self.tools.get(&tool);
        Ok(clean(program.with_context(|| format!("{tool:?} is missing among the tools of its part"))?))
    }
}

/// Where our programs are: those that somebody else has built, or optimised ones.
fn ours() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(testbed::BIN_DIR) {
        println!("the programs in {} are measured, whatever they are", folder.display());
        return Ok(folder.into());
    }
    println!("building the programs, optimised");
    run_command(&mut cargo(&["build", "--release", "-p", "worker", "-p", "beat", "-p", "cli"]))?;
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(Path::new(target).join("release"))
}

/// The programs of `tests/bench/peers`; they have a lock file and a target folder of their own.
fn peers(tools: &[Tool]) -> Result<BTreeMap<Tool, PathBuf>> {
    let names = tools.iter().filter_map(|tool| if let Tool::Peer(name) = *tool { Some(name) } else { None });
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    println!("building the peers, optimised: {}", names.join(", "));
    let target = folder().join("peers");
    let mut build = cargo(&["build", "--quiet", "--release", "--locked"]);
    build.args(names.iter().flat_map(|name| ["--bin", *name]));
    build.arg("--manifest-path").arg(sources().join("peers/Cargo.toml"));
    run_command(build.env("CARGO_TARGET_DIR", &target))?;
    Ok(names.into_iter().map(|name| (Tool::Peer(name), target.join("release").join(name))).collect())
}

fn bench(package: &str, name: &str) -> Result<PathBuf> {
    println!("building the benchmark {name} of {package}, optimised");
    let mut build = cargo(&[
        "bench",
        "-p",
        package,
        "--bench",
        name,
        "--no-run",
        "--quiet",
        "--message-format=json-render-diagnostics",
    ]);
    let output = build.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the benchmark {name} of {package} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == name && message["target"]["kind"][0] == "bench";
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    });
    executable.with_context(|| format!("cargo has built no benchmark {name}"))
}
