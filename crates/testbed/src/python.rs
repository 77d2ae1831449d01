//! Python packages in a virtual environment of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The programs of a virtual environment in `folder` with these requirements, which the first to ask makes.
///
/// An error where there is no Python, or no way to the package index. Whoever asks meanwhile waits.
pub fn python_environment(folder: &Path, requirements: &[&Path]) -> Result<PathBuf, Error> {
    let read = |file: &&Path| {
        fs::read_to_string(file).map_err(Error::io(format!("read the requirements {}", file.display())))
    };
    let wanted = requirements.iter().map(read).collect::<Result<String, Error>>()?;
    fs::create_dir_all(folder).map_err(Error::io(format!("create {}", folder.display())))?;
    let lock = File::create(folder.join("lock")).map_err(Error::io("create a lock"))?;
    lock.lock().map_err(Error::io("wait for a lock"))?;
    let (marker, environment) = (folder.join("installed"), folder.join("environment"));
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(environment.join("bin"));
    }
    run("venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut install = Command::new(environment.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for file in requirements {
        install.arg("-r").arg(file);
    }
    run("pip", &mut install)?;
    fs::write(&marker, wanted).map_err(Error::io("mark what is installed"))?;
    Ok(environment.join("bin"))
}

fn run(tool: &'static str, command: &mut Command) -> Result<(), Error> {
    let output = command.output().map_err(Error::io(format!("run {}", command.get_program().display())))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::Tool { tool, output: String::from_utf8_lossy(&output.stderr).into_owned() }),
    }
}
