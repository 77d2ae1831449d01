//! Room for deep recursion.
//!
//! AMQP header tables may hold tables, thousands deep inside one frame, and lapin reads them by recursion, in a thread
//! with Rust's usual 2 MiB of stack: a message of 2 KiB ended a worker, and then the next one (an overflow aborts, no
//! panic). How much stack such a thread has can only be said from outside, so a program starts itself anew, once, with
//! [`VARIABLE`] set. Stacks are virtual memory: what is not used costs nothing.
//!
//! What else can only be said from outside is said there too: of a program that is to spare memory, that glibc keeps what was
//! freed in as many places as there are cores ([`ARENAS`]).

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tokio::runtime::{Builder, Runtime};

/// Rust's own variable for the stack of threads whose size nobody says.
const VARIABLE: &str = "RUST_MIN_STACK";
/// glibc's variable for the arenas that threads allocate from. By default there are eight for each core, and each keeps what
/// was freed in it: a worker of 64 slots takes 81 MB with them and 72 MB with one for each core, at the same speed. A beat, whose
/// threads hand messages to one another all the time, publishes a tenth less with so few.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// The deepest table that fits into a frame of 128 KiB has 22,000 levels; a debug build takes 8 KiB for one.
const STACK_BYTES: usize = 256 << 20;
/// Threads for blocking work: ledgers that are being calculated, and look-ups of host names.
const BLOCKING_THREADS: usize = 16;

/// Starts the program anew with these variables, where they are not set, and with room for every thread. Returns unless it does.
fn ensure_deep_stacks(variables: &[(&str, String)]) {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(VARIABLE, STACK_BYTES.to_string());
    again.envs(variables.iter().filter(|(name, _)| env::var_os(name).is_none()).cloned());
    // Comes back only when it could not be done; then the program runs without the guard.
    let _ = again.exec();
}

/// The program's runtime, its threads with as much room.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

/// Runs a program to its exit code: all that a `main` does. The program is started anew once, see above.
pub fn block_on(program: impl Future<Output = i32>) -> i32 {
    ensure_deep_stacks(&[]);
    run_to_end(program)
}

/// As [`block_on`], of a program that takes and frees much memory in each of its jobs and is to keep little of it.
pub fn block_on_sparing_memory(program: impl Future<Output = i32>) -> i32 {
    ensure_deep_stacks(&[(ARENAS, crate::cores().to_string())]);
    run_to_end(program)
}

fn run_to_end(program: impl Future<Output = i32>) -> i32 {
    match runtime() {
        Ok(runtime) => {
            let code = runtime.block_on(program);
            // What still runs in the background must not keep a program that has ended, and its threads end with the process.
            // They are not let go one by one: `pthread_detach` of glibc 2.36 looks into a thread that may have ended meanwhile,
            // and stacks of this size are unmapped at once. A command that had printed its answer ended by SIGSEGV there.
            std::mem::forget(runtime);
            code
        }
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: no threads to run on: {error}");
            crate::exit::FAILED
        }
    }
}
