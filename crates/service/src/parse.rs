use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Parser};

use crate::{LogArgs, LogFormat, exit, init_logging};

/// Why a program does not start: what to print, and the exit code.
#[derive(Debug)]
pub enum ParseFailure {
    /// Help, version, or a usage error: clap's own text and code.
    Usage(clap::Error),
    /// A setting is wrong: one line that names it and says what was expected.
    Setting(String),
}

impl ParseFailure {
    /// As [`Self::report`], of a program whose words are all log lines: one that says what is wrong with a setting is an object
    /// where JSON is asked for.
    pub fn log(&self) -> i32 {
        match self {
            Self::Setting(text) if is_json_asked_for() => {
                init_logging(&LogArgs { log_format: LogFormat::Json, rust_log: None }, "error");
                tracing::error!("{text}");
                exit::CONFIG
            }
            other => other.report(),
        }
    }

    /// Prints the text where it belongs and returns the exit code.
    pub fn report(&self) -> i32 {
        match self {
            Self::Usage(error) => {
                let _ = error.print();
                error.exit_code()
            }
            Self::Setting(text) => {
                use std::io::Write as _;
                let _ = writeln!(std::io::stderr(), "error: {text}");
                exit::CONFIG
            }
        }
    }
}

/// Reads flags and environment.
///
/// # Errors
/// A bad value of anything that has a variable is a [`ParseFailure::Setting`]; the value is not repeated, because it
/// may hold a password. Everything else is a usage error.
pub fn parse<T: Parser>() -> Result<T, ParseFailure> {
    T::try_parse().map_err(|error| classify(error, &T::command()))
}

fn classify(error: clap::Error, command: &Command) -> ParseFailure {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return ParseFailure::Usage(error);
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return ParseFailure::Usage(error);
    };
    let flag = shown.split(' ').next().unwrap_or(shown);
    let Some(variable) = variable_of(command, flag.trim_start_matches("--")) else {
        return ParseFailure::Usage(error);
    };
    let expected = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            format!("expected {}", values.join(", "))
        }
        _ => std::error::Error::source(&error).map_or("not understood".to_owned(), ToString::to_string),
    };
    ParseFailure::Setting(format!("setting {variable} ({flag}): {expected}"))
}

/// Whether log lines are to be JSON, as far as settings can be asked that are not understood as a whole.
fn is_json_asked_for() -> bool {
    let words: Vec<String> = std::env::args().collect();
    let said = (words.iter().position(|word| word == "--log-format"))
        .and_then(|flag| words.get(flag + 1).cloned())
        .or_else(|| words.iter().find_map(|word| word.strip_prefix("--log-format=").map(str::to_owned)))
        .or_else(|| std::env::var("LOG_FORMAT").ok());
    said.as_deref() == Some("json")
}

/// The environment variable behind a flag, in the command or any of its subcommands.
fn variable_of(command: &Command, long: &str) -> Option<String> {
    command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(long))
        .and_then(|argument| argument.get_env())
        .map(|variable| variable.to_string_lossy().into_owned())
        .or_else(|| command.get_subcommands().find_map(|sub| variable_of(sub, long)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::{BeatArgs, Connections, FanOutArgs};

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        connections: Connections,
        #[command(flatten)]
        fan_out: FanOutArgs,
        #[command(flatten)]
        beat: BeatArgs,
        #[arg(long)]
        times: Option<u8>,
    }

    fn failure(arguments: &[&str]) -> ParseFailure {
        let arguments = std::iter::once("program").chain(arguments.iter().copied());
        classify(Program::try_parse_from(arguments).unwrap_err(), &Program::command())
    }

    #[test]
    fn a_bad_setting_is_named_with_what_was_expected() {
        let ParseFailure::Setting(text) = failure(&["--sync-interval-seconds", "soon"]) else { panic!() };
        let expected = "setting SYNC_INTERVAL_SECONDS (--sync-interval-seconds): expected whole seconds from 1 to 31622400";
        assert_eq!(text, expected);
        let ParseFailure::Setting(text) = failure(&["--beat-catch-up", "never"]) else { panic!() };
        assert_eq!(text, "setting BEAT_CATCH_UP (--beat-catch-up): expected skip, latest, all");
    }

    #[test]
    fn a_bad_url_is_not_repeated() {
        let ParseFailure::Setting(text) = failure(&["--database-url", "mysql://u:secret@h"]) else {
            panic!()
        };
        assert!(text.starts_with("setting DATABASE_URL") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_bad_argument_without_a_variable_is_a_usage_error() {
        assert!(matches!(failure(&["--times", "many"]), ParseFailure::Usage(_)));
        assert!(matches!(failure(&["--nonsense"]), ParseFailure::Usage(_)));
    }

    #[test]
    fn the_flags_fit_together() {
        Program::command().debug_assert();
    }
}
