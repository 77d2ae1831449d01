//! What all servers have in common: a guarded folder, a script that runs the program, and waiting for an answer.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;
use crate::error::log_tail;
use crate::guard::Guard;
use crate::programs;

/// Between two looks whether a server answers.
const POLL: Duration = Duration::from_millis(20);

/// How often a start is tried again on other ports when somebody else took one meanwhile.
const PORT_TRIES: usize = 5;

/// How a kind of server is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endings {
    /// An orderly stop that keeps all data, and how long it may take before it is cut short.
    pub(crate) orderly: &'static str,
    pub(crate) patience: Duration,
    /// Tried before KILL when the data are about to be deleted anyway.
    pub(crate) last: &'static str,
}

/// One started program with its folder.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    endings: Endings,
    guard: Guard,
}

impl Server {
    /// Makes the folder and its guard; nothing runs yet.
    pub(crate) fn new(name: &'static str, endings: Endings) -> Result<Self, Error> {
        let guard = Guard::start(&name.to_lowercase().replace(' ', "-"), endings.last)?;
        Ok(Self { name, endings, guard })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// Writes a file into the folder and returns its path.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.folder().join(file);
        fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
        Ok(path)
    }

    /// As [`Server::write`], for its owner's eyes only: servers refuse keys that others may read.
    pub(crate) fn write_secret(&self, file: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.write(file, text)?;
        let owner_only = fs::Permissions::from_mode(0o400);
        fs::set_permissions(&path, owner_only).map_err(Error::io(format!("protect {}", path.display())))?;
        Ok(path)
    }

    /// The process id the running program wrote down, if it has come so far.
    pub(crate) fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.folder().join("pid")).ok()?.trim().parse().ok()
    }

    /// Starts the program and waits until `answers` says yes; it is asked with the log written since the start.
    pub(crate) fn start(
        &self,
        patience: Duration,
        mut answers: impl FnMut(&str) -> bool,
    ) -> Result<(), Error> {
        let log = self.folder().join("log");
        let written = fs::metadata(&log).map_or(0, |log| log.len());
        self.guard.tell("start")?;
        let begun = Instant::now();
        loop {
            let ended = self.folder().join("exited").exists();
            let text = fs::read(&log).unwrap_or_default();
            let text = text.get(usize::try_from(written).unwrap_or(0)..).unwrap_or_default();
            if ended {
                return Err(Error::Ended { server: self.name.into(), log: log_tail(&log) });
            }
            if answers(&String::from_utf8_lossy(text)) {
                return Ok(());
            }
            if begun.elapsed() > patience {
                return Err(Error::Silent {
                    server: self.name.into(),
                    waited: patience,
                    log: log_tail(&log),
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Orderly stop; what is still there when its time is over is killed. Does nothing to a stopped server.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        let tenths = self.endings.patience.as_millis() / 100;
        self.guard.tell(&format!("end {} {tenths}", self.endings.orderly))
    }

    /// SIGKILL to every process of the server. Does nothing to a stopped server.
    pub(crate) fn kill(&self) -> Result<(), Error> {
        self.guard.tell("end KILL 0")
    }

    /// SIGSTOP to every process: like a host that hangs; connections stay open.
    pub(crate) fn freeze(&self) -> Result<(), Error> {
        self.guard.tell("signal STOP")
    }

    /// SIGCONT after [`Server::freeze`].
    pub(crate) fn thaw(&self) -> Result<(), Error> {
        self.guard.tell("signal CONT")
    }
}

/// Tries a start anew, with ports of its own each time, as long as it fails only over a port.
pub(crate) fn on_free_ports<T>(mut start: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..PORT_TRIES {
        match start() {
            Err(error) if error.is_port_taken() => {}
            result => return result,
        }
    }
    start()
}

/// A shell command that runs a program with exactly these variables: none of the user's own `PG…`, `RABBITMQ_…`
/// or `ERL_…` reach a private server.
pub(crate) fn command_line<S: AsRef<OsStr>>(variables: &[(&str, String)], words: &[S]) -> String {
    let mut line = format!("env -i PATH={} LC_ALL=C.UTF-8", quote(&programs::search_path()));
    for (name, value) in variables {
        let _ = write!(line, " {name}={}", quote(value));
    }
    for word in words {
        line.push(' ');
        line.push_str(&quote(&word.as_ref().to_string_lossy()));
    }
    line
}

/// One word for sh.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_quotes_and_blanks_stays_one_word() {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quote("it's a $HOME"))])
            .output();
        assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), "it's a $HOME");
    }

    #[test]
    fn a_start_is_tried_on_other_ports_only_when_a_port_was_taken() {
        let taken = || Error::Ended { server: "x".into(), log: "Address already in use".into() };
        let mut tries = 0;
        let result = on_free_ports(|| {
            tries += 1;
            if tries < 3 { Err(taken()) } else { Ok(tries) }
        });
        assert_eq!(result.unwrap(), 3);

        let mut tries = 0;
        let result: Result<(), Error> = on_free_ports(|| {
            tries += 1;
            Err(Error::Unusable("no".into()))
        });
        assert!(result.is_err());
        assert_eq!(tries, 1);
    }
}
