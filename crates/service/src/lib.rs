//! Process scaffolding: settings, logging, traces and signals, the same for every program.
//!
//! Settings are read once, at the start, from flags and the environment alike. A bad one is refused by name before
//! anything is opened. Nothing here connects to anything but the collector of traces.

mod collector;
pub mod exit;
mod log_format;
mod logging;
mod metrics;
mod names;
mod notify;
mod pairs;
mod parse;
mod probe;
mod run;
mod secret;
mod settings;
mod signals;
mod stack;
mod startup;
mod supervised;
mod tls;
mod traces;
mod values;

pub use logging::{LogArgs, LogFormat, init_logging};
pub use metrics::{Metrics, MetricsAddress, MetricsArgs, Told};
pub use names::{host_name, process_name};
pub use pairs::Pairs;
pub use parse::{ParseFailure, parse, parse_as};
pub use probe::{Probe, probe};
pub use run::{Fatal, run, run_command};
pub use secret::SecretUrl;
pub use settings::{
    BeatArgs, CatchUp, ClusterHosts, Connections, FanOutArgs, ManagementArgs, ManagementUrl, MaybeHours,
    PatienceArgs, QueueNames, RedisArgs, ResultArgs, ResultUrl, RetryArgs, SyncArgs, WorkerArgs, cores,
    default_slots, postgres_pool_size,
};
pub use signals::Shutdown;
pub use stack::{block_on, block_on_sparing_memory};
pub use startup::{NotReady, wait_for};
pub use supervised::{Vitals, supervise};
pub use tls::{BadSetting, TlsArgs};
pub use traces::{CollectorUrl, Protocol, SamplerKind, Share, Teller, TracesArgs};
pub use values::{CheckHours, RabbitUrlList};

/// Makes ring the process's TLS provider; call it once, before anything connects.
pub fn install_tls() {
    // An error only says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
