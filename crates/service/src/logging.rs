use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

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
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|_| "expected a level (error, warn, info, debug, trace) or directives".to_owned())
}

/// Starts logging to standard error, at `default` unless the settings say otherwise; call it once.
pub fn init_logging(arguments: &LogArgs, default: &str) {
    // lapin logs each returned message and each lost connection; our own lines say the same with their consequence.
    let filter = EnvFilter::new(format!("lapin=off,{}", arguments.rust_log.as_deref().unwrap_or(default)));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match arguments.log_format {
        LogFormat::Pretty => subscriber
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false)
            .try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    // An error only says that logging was started before.
    drop(started);
}
