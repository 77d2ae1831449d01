use std::fmt;

use tracing::error;

use crate::notify::notify;
use crate::{BadSetting, LogArgs, Shutdown, exit, init_logging, install_tls};

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

/// Runs a program that stays: logging, TLS and signals around it. Returns the exit code.
///
/// `program` ends by itself some time after the first signal; the second one drops it.
pub async fn run(log: &LogArgs, program: impl AsyncFnOnce(&Shutdown) -> Result<(), Fatal>) -> i32 {
    init_logging(log, "info");
    install_tls();
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
