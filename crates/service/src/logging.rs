use clap::{Args, ValueEnum};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::log_format::WithTrace;
use crate::traces::TARGET;

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
    init_with_traces(arguments, default, None);
}

/// As [`init_logging`], and tracing where there is a tracer.
pub(crate) fn init_with_traces(arguments: &LogArgs, default: &str, tracer: Option<SdkTracer>) {
    if arguments.log_format == LogFormat::Json {
        std::panic::set_hook(Box::new(log_panic));
    }
    // An error only says that logging was started before.
    drop(subscriber(arguments, default, tracer).try_init());
}

fn subscriber(arguments: &LogArgs, default: &str, tracer: Option<SdkTracer>) -> Dispatch {
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match arguments.log_format {
        LogFormat::Pretty => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            layer.with_ansi(is_terminal).with_target(false).boxed()
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true);
            match tracer {
                Some(_) => layer.map_event_format(WithTrace).boxed(),
                None => layer.boxed(),
            }
        }
    };
    let logging = registry().with(layer.with_filter(filter(arguments.rust_log.as_deref(), default)));
    match tracer {
        // Not a layer that is there and empty: that would want to see every span, and each would be made for nothing.
        None => logging.into(),
        // Where in the code a span was made is nothing that an operator looks for.
        Some(tracer) => logging
            .with(
                tracing_opentelemetry::layer()
                    .with_tracer(tracer)
                    .with_location(false)
                    .with_threads(false)
                    .with_target(false)
                    .with_tracked_inactivity(false)
                    .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE)),
            )
            .into(),
    }
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
    // Spans of traces are not for logs, whatever is logged.
    format!("lapin=off,{said},{TARGET}=off").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::{Level, info_span};

    use super::*;

    #[test]
    fn spans_of_traces_are_made_only_where_there_is_a_tracer_whatever_is_logged() {
        let provider = SdkTracerProvider::builder().build();
        for rust_log in ["warn", "info", "trace", "otel=trace"] {
            for log_format in [LogFormat::Pretty, LogFormat::Json] {
                let arguments = LogArgs { log_format, rust_log: Some(rust_log.to_owned()) };
                let is_made = |tracer| {
                    tracing::dispatcher::with_default(&subscriber(&arguments, "info", tracer), || {
                        !info_span!(target: TARGET, "tick").is_disabled()
                    })
                };
                assert!(!is_made(None), "{arguments:?}");
                assert!(is_made(Some(provider.tracer("test"))), "{arguments:?}");
            }
        }
    }

    #[test]
    fn an_empty_filter_is_the_default_and_lapin_stays_quiet() {
        for said in [None, Some(""), Some(" ")] {
            let filter = filter(said, "info");
            assert!(filter.would_enable("queue", &Level::INFO), "{said:?}");
            assert!(!filter.would_enable("queue", &Level::DEBUG), "{said:?}");
            assert!(!filter.would_enable("lapin", &Level::ERROR), "{said:?}");
            assert!(!filter.would_enable(TARGET, &Level::ERROR), "{said:?}");
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
