use std::fmt;

use tracing::error;

use crate::logging::init_with_traces;
use crate::notify::notify;
use crate::traces::Traces;
use crate::{BadSetting, LogArgs, Shutdown, Teller, TracesArgs, exit, install_tls};

/// Why a program ends by itself, with the exit code that says so.
#[derive(Debug)]
pub struct Fatal {
    code: i32,
    text: String,
}

impl Fatal {
    /// A setting that only its user could judge is wrong: exit code 78.
    pub fn setting(variable: &str, error: impl fmt::Display) -> Self {
        Self { code: exit::CONFIG, text: format!("setting {variable}: {error}") }
    }

    /// A server cannot be reached, or was lost for too long: exit code 69.
    pub fn unavailable(error: impl fmt::Display) -> Self {
        Self { code: exit::UNAVAILABLE, text: error.to_string() }
    }
}

impl From<BadSetting> for Fatal {
    fn from(BadSetting { variable, text }: BadSetting) -> Self {
        Self::setting(variable, text)
    }
}

/// Runs a program that stays: logging, traces, TLS and signals around it. Returns the exit code.
///
/// `program` ends by itself some time after the first signal; the second one drops it.
pub async fn run(
    log: &LogArgs,
    traces: &TracesArgs,
    teller: Teller<'_>,
    program: impl AsyncFnOnce(&Shutdown) -> Result<(), Fatal>,
) -> i32 {
    let with_traces = begin(log, "info", traces, teller);
    let program = async |shutdown: &Shutdown| match with_traces {
        Ok(traces) => {
            let ended = program(shutdown).await;
            traces.end().await;
            ended
        }
        Err(bad) => Err(bad.into()),
    };
    let shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            error!("cannot listen for signals: {error}");
            return exit::FAILED;
        }
    };
    let code = tokio::select! {
        ended = program(&shutdown) => match ended {
            Ok(()) => exit::DONE,
            Err(Fatal { code, text }) => {
                error!("{text}");
                code
            }
        },
        () = shutdown.forced.cancelled() => exit::INTERRUPTED,
    };
    // Also of one that ends by itself, or sooner than its supervision could say so.
    notify(&["STOPPING=1".to_owned()]).await;
    code
}

/// Runs a command, which has the standard error for its own words: it logs from `warn` on. Returns what it returned.
///
/// # Errors
/// A setting of the traces that is wrong; the command was not run.
pub async fn run_command<T>(
    log: &LogArgs,
    traces: &TracesArgs,
    teller: Teller<'_>,
    command: impl AsyncFnOnce() -> T,
) -> Result<T, BadSetting> {
    let traces = begin(log, "warn", traces, teller)?;
    let ended = command().await;
    traces.end().await;
    Ok(ended)
}

/// Logging begins in any case, so that it can be said what is wrong.
fn begin(log: &LogArgs, level: &str, traces: &TracesArgs, teller: Teller<'_>) -> Result<Traces, BadSetting> {
    install_tls();
    let traces = Traces::begin(traces, teller);
    init_with_traces(log, level, traces.as_ref().ok().and_then(Traces::tracer));
    traces
}
