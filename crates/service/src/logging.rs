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
    // lapin logs each returned message and each lost connection; our own lines say the same with their consequence.
    let filter = format!("lapin=off,{}", arguments.rust_log.as_deref().unwrap_or(default));
    let filter: Targets = filter.parse().unwrap_or_default();
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match arguments.log_format {
        LogFormat::Pretty => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            layer.with_ansi(is_terminal).with_target(false).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // An error only says that logging was started before.
    drop(registry().with(layer.with_filter(filter)).try_init());
}
