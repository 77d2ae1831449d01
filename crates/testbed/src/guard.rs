//! The watchdog that ends a server with its owner.
//!
//! An owner may be killed in a way that runs no destructor, so ending a server cannot be left to it. Each server
//! gets a `/bin/sh` (`guard.sh`) between it and its owner: in its own session, reading commands from a pipe that
//! the owner holds. The kernel closes the pipe when the owner dies; the shell then kills the server's whole
//! family and deletes its folder. The standard library opens pipes close-on-exec, so no other child of the owner
//! keeps the pipe open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Error;

const SCRIPT: &str = include_str!("guard.sh");

/// Where folders are made: short, for a Unix socket's path has 107 bytes at most, and enterable by the
/// unprivileged user that PostgreSQL runs as, which neither a checkout nor `TMPDIR` need be.
const PARENT: &str = "/tmp";

/// A private folder and the shell that guards it; dropping it ends and deletes everything, and waits for that.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    /// `None` only while dropping.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// Makes a folder named after `kind` and starts its guard; `last` is the signal tried before KILL at the end.
    pub(crate) fn start(kind: &str, last: &str) -> Result<Self, Error> {
        let folder = make_folder(kind)?;
        let mut child = start_shell(&folder, last).inspect_err(|_| {
            // Without a guard nobody else does it.
            let _ = fs::remove_dir_all(&folder);
        })?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Unusable("the guard has no pipes".into()));
        };
        let shell = Shell { child, commands: Some(commands), answers: BufReader::new(answers) };
        Ok(Self { folder, shell: Mutex::new(shell) })
    }

    /// The folder; it is gone when the guard is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sends one command and waits for its "ok".
    pub(crate) fn tell(&self, command: &str) -> Result<(), Error> {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        shell
            .ask(command)
            .map_err(Error::io(format!("tell the guard of {} {command:?}", self.folder.display())))
    }
}

impl Shell {
    fn ask(&mut self, command: &str) -> std::io::Result<()> {
        let Some(commands) = &mut self.commands else { return Ok(()) };
        commands.write_all(format!("{command}\n").as_bytes())?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer)? {
            0 => Err(std::io::Error::other("the guard is gone")),
            _ => Ok(()),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.commands = None;
        // Nothing can be done about a failure here, and the guard works on without us.
        let _ = self.child.wait();
    }
}

/// The script is a file rather than `-c`, so that `ps` stays readable.
fn start_shell(folder: &Path, last: &str) -> Result<Child, Error> {
    let script = folder.join("guard.sh");
    fs::write(&script, SCRIPT).map_err(Error::io(format!("write {}", script.display())))?;
    Command::new("setsid")
        .arg("/bin/sh")
        .arg(&script)
        .arg(folder)
        .arg(last)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("start setsid /bin/sh"))
}

fn make_folder(kind: &str) -> Result<PathBuf, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(PARENT).join(format!("syncfleet-{kind}-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o711).create(&folder) {
            Ok(()) => return Ok(folder),
            // Left by an earlier process with our number whose guard was killed too.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::Io { doing: format!("create {}", folder.display()), source }),
        }
    }
}
