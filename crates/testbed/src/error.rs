//! What can go wrong while servers are found, started and asked.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Why a server could not be started, stopped or asked; the text carries the end of the server's own log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not there and only the user can install it.
    #[error("{program} is not installed; run: {command}")]
    Missing { program: &'static str, command: String },
    /// The installation of Debian packages failed.
    #[error("installing {packages} failed; the end of its output:\n{log}")]
    Install { packages: String, log: String },
    /// A server or a started program ended before it answered.
    #[error("{server} ended before it answered; the end of its log:\n{log}")]
    Ended { server: String, log: String },
    /// A server or a started program lives but did not answer in time.
    #[error("{server} did not answer within {waited:?}; the end of its log:\n{log}")]
    Silent { server: String, waited: Duration, log: String },
    /// A client program (`psql`, `redis-cli`) refused.
    #[error("{tool} failed:\n{output}")]
    Tool { tool: &'static str, output: String },
    /// The management API of RabbitMQ answered with something else than success.
    #[error("{request} was answered with {status}: {body}")]
    Http { request: String, status: u16, body: String },
    /// Something was given or found that cannot be used, such as a malformed URL.
    #[error("{0}")]
    Unusable(String),
    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: says what was being done when the operating system refused.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// True when a server ended because somebody else had taken one of its ports meanwhile.
    pub(crate) fn is_port_taken(&self) -> bool {
        let Self::Ended { log, .. } = self else { return false };
        let log = log.to_lowercase();
        log.contains("address already in use") || log.contains("eaddrinuse")
    }
}

/// How much of a log an error shows: enough for a stack trace, little enough for a terminal.
const TAIL_LINES: usize = 30;

/// The last lines of a log file; an unreadable file is shown as such, for this only decorates another error.
pub(crate) fn log_tail(path: &Path) -> String {
    match std::fs::read(path) {
        Ok(bytes) => tail(&String::from_utf8_lossy(&bytes)),
        Err(error) => format!("({} cannot be read: {error})", path.display()),
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_early_end_over_an_address_in_use_is_worth_another_port() {
        let ended = |log: &str| Error::Ended { server: "Redis".into(), log: log.into() };
        assert!(
            ended("Could not create server TCP listening socket: bind: Address already in use")
                .is_port_taken()
        );
        assert!(ended("{listen_error, {eaddrinuse, 5672}}").is_port_taken());
        assert!(!ended("out of memory").is_port_taken());
        assert!(!Error::Unusable("address already in use".into()).is_port_taken());
    }

    #[test]
    fn a_long_log_is_cut_to_its_end() {
        let long = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let tail = tail(&long);
        assert!(tail.starts_with("70\n") && tail.ends_with("99"));
    }
}
