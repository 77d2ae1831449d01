use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

/// How a program logs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// For people or for machines
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", global = true, default_value = "pretty")]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,queue=debug` [default: info; syncfleet itself: warn]
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", global = true, value_parser = parse_filter)]
    pub rust_log: Option<String>,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Pretty,
    /// One JSON object a line.
    Json,
}

fn parse_filter(text: &str) -> Result<String, String> {
    text.parse::<Targets>()
        .map(|_| text.to_owned())
        .map_err(|_| "expected a level (error, warn, info, debug, trace) or directives".to_owned())
}

/// Starts logging to standard error, at `default` unless the settings say otherwise; call it once.
pub fn init_logging(arguments: &LogArgs, default: &str) {
    let filter = filter(arguments.rust_log.as_deref(), default);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match arguments.log_format {
        LogFormat::Pretty => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            layer.with_ansi(is_terminal).with_target(false).boxed()
        }
        LogFormat::Json => {
            std::panic::set_hook(Box::new(log_panic));
            layer.json().flatten_event(true).boxed()
        }
    };
    // An error only says that logging was started before.
    drop(registry().with(layer.with_filter(filter)).try_init());
}

/// Rust's own words about a panic are several lines of text between those of JSON.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let text = panic.payload_as_str().unwrap_or("no message");
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace =
        (backtrace.status() == std::backtrace::BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(place, backtrace, "panicked: {text}");
}

/// A setting that is there but empty says nothing, as in a compose file whose variable is not set.
fn filter(said: Option<&str>, default: &str) -> Targets {
    let said = said.filter(|said| !said.trim().is_empty()).unwrap_or(default);
    // lapin logs each returned message and each lost connection; our own lines say the same with their consequence.
    format!("lapin=off,{said}").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn an_empty_filter_is_the_default_and_lapin_stays_quiet() {
        for said in [None, Some(""), Some(" ")] {
            let filter = filter(said, "info");
            assert!(filter.would_enable("queue", &Level::INFO), "{said:?}");
            assert!(!filter.would_enable("queue", &Level::DEBUG), "{said:?}");
            assert!(!filter.would_enable("lapin", &Level::ERROR), "{said:?}");
        }
    }

    #[test]
    fn what_is_said_replaces_the_default() {
        let filter = filter(Some("warn,queue=debug"), "info");
        assert!(filter.would_enable("queue", &Level::DEBUG));
        assert!(filter.would_enable("worker", &Level::WARN));
        assert!(!filter.would_enable("worker", &Level::INFO));
    }
}
