//! A started program under test.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Error;
use crate::error::{log_tail, tail};
use crate::guard::Guard;

/// Between two looks at the output or at the end of the program.
const POLL: Duration = Duration::from_millis(10);

/// The variable with the folder of the built binaries; set by `cargo xtask test`.
pub const BIN_DIR: &str = "SYNCFLEET_BIN_DIR";

/// The path of one of the workspace's binaries, such as `syncfleet-worker`.
///
/// Without [`BIN_DIR`] it is looked for beside the test that asks; it must have been built before
/// (`cargo build --bins`).
pub fn binary(name: &str) -> Result<PathBuf, Error> {
    let folder = match env::var_os(BIN_DIR) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let program = env::current_exe().map_err(Error::io("find the running program"))?;
            // A test lies in `target/<profile>/deps`, an example in `…/examples`, a binary in `target/<profile>`.
            program
                .ancestors()
                .skip(1)
                .find(|folder| folder.join(name).is_file())
                .map_or_else(PathBuf::new, Into::into)
        }
    };
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Unusable(format!("{name} is not built: run `cargo build --bins`, or set {BIN_DIR}")))
}

/// A program with its output captured; killed on drop, and when the process that started it dies.
///
/// It has a process group of its own; [`Process::kill`] ends the group, the other signals go to the program
/// alone. Signals to a program that has ended are ignored.
#[derive(Debug)]
pub struct Process {
    name: String,
    guard: Guard,
    child: Mutex<Child>,
    pid: Pid,
}

impl Process {
    /// Starts a command: the caller sets its arguments and environment; standard input is empty, and standard
    /// output and error go to one file, see [`Process::output`].
    pub fn spawn(mut command: Command) -> Result<Self, Error> {
        let program = PathBuf::from(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let guard = Guard::start("process", "KILL")?;
        let output =
            File::create(guard.folder().join("output")).map_err(Error::io("create a file for output"))?;
        let errors = output.try_clone().map_err(Error::io("share the file for output"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {}", program.display())))?;
        let pid = Pid::from_child(&child);
        let process = Self { name, guard, child: Mutex::new(child), pid };
        process.guard.tell(&format!("watch {}", process.id()))?;
        Ok(process)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Everything it has written so far, standard output and error as they came.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.guard.folder().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a whole line that contains `pattern`, from the first line on, and returns it.
    ///
    /// An error when the program ends without it, or at the deadline.
    pub fn wait_for_line(&self, pattern: &str, deadline: Duration) -> Result<String, Error> {
        let begun = Instant::now();
        loop {
            // First whether it has ended, then its output: what it wrote last is seen.
            let ended = self.try_wait()?.is_some();
            let output = self.output();
            let whole = output.rfind('\n').map_or("", |end| &output[..end]);
            if let Some(line) = whole.lines().find(|line| line.contains(pattern)) {
                return Ok(line.to_owned());
            }
            let server = format!("{}, expected to write {pattern:?},", self.name);
            if ended {
                return Err(Error::Ended { server, log: tail(&output) });
            }
            if begun.elapsed() > deadline {
                return Err(Error::Silent { server, waited: deadline, log: tail(&output) });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits for its end; `code()` of the result is its exit code, `None` when a signal ended it.
    pub fn wait(&self, deadline: Duration) -> Result<ExitStatus, Error> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > deadline {
                let log = log_tail(&self.guard.folder().join("output"));
                return Err(Error::Silent {
                    server: format!("the end of {}", self.name),
                    waited: deadline,
                    log,
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Its exit status if it has ended.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.try_wait().map_err(Error::io(format!("wait for {}", self.name)))?;
        if status.is_some() {
            // From now on the number may be given to somebody else's process.
            self.guard.tell("forget")?;
        }
        Ok(status)
    }

    /// SIGKILL, also to what it has started in its group.
    pub fn kill(&self) -> Result<(), Error> {
        self.signal(|pid| kill_process_group(pid, Signal::KILL))
    }

    /// SIGTERM.
    pub fn terminate(&self) -> Result<(), Error> {
        self.signal(|pid| kill_process(pid, Signal::TERM))
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) -> Result<(), Error> {
        self.signal(|pid| kill_process(pid, Signal::INT))
    }

    /// SIGSTOP: it hangs, its connections stay open.
    pub fn stop(&self) -> Result<(), Error> {
        self.signal(|pid| kill_process(pid, Signal::STOP))
    }

    /// SIGCONT: goes on after [`Process::stop`].
    pub fn cont(&self) -> Result<(), Error> {
        self.signal(|pid| kill_process(pid, Signal::CONT))
    }

    fn signal(&self, send: impl FnOnce(Pid) -> rustix::io::Result<()>) -> Result<(), Error> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as the lock is held nobody waits for it, so the number stays its own.
        match child.try_wait() {
            Ok(None) => {
                send(self.pid).map_err(|error| Error::io(format!("signal {}", self.name))(error.into()))
            }
            Ok(Some(_)) => self.guard.tell("forget"),
            Err(source) => Err(Error::Io { doing: format!("wait for {}", self.name), source }),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failures cannot be reported here; the guard tries the same again.
        let _ = self.kill();
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.wait();
        let _ = self.guard.tell("forget");
    }
}
