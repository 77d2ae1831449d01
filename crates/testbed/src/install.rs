//! Installs missing server programs: Debian packages when we are root, else an error with the one command to run.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::Error;
use crate::error::tail;
use crate::programs::{Program, search_path};

/// Installs without starting servers on their standard ports; see the comments there.
const SCRIPT: &str = include_str!("install.sh");

/// Installs what brings all programs that are missing, not only the wanted one: one installation, one command.
pub(crate) fn missing_programs(wanted: Program) -> Result<(), Error> {
    let debian =
        Command::new("apt-get").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !rustix::process::geteuid().is_root() || debian.is_err() {
        return Err(not_there(wanted));
    }
    let packages = missing_packages(wanted);
    say(&format!("testbed: installing {} (nothing of it is started)", packages.join(", ")));
    let output = Command::new("setsid")
        .args(["--wait", "/bin/sh", "-c", SCRIPT, "syncfleet-install"])
        .args(&packages)
        .env("PATH", search_path())
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run setsid /bin/sh to install packages"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = [output.stdout, output.stderr].concat();
    Err(Error::Install { packages: packages.join(" "), log: tail(&String::from_utf8_lossy(&log)) })
}

/// The error that names the one command which brings everything that is missing.
pub(crate) fn not_there(wanted: Program) -> Error {
    let packages = missing_packages(wanted);
    let command = format!("sudo apt-get install -y --no-install-recommends {}", packages.join(" "));
    Error::Missing { program: wanted.name(), command }
}

/// That of the wanted program, and those of all that nearly everybody needs.
fn missing_packages(wanted: Program) -> Vec<&'static str> {
    let missing = Program::ALL.into_iter().filter(|program| program.find().is_none());
    let mut packages: Vec<_> = missing.map(Program::package).chain([wanted.package()]).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// An installation takes a while and may be the first thing a new user sees: it says what it does.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
