//! Process scaffolding: settings, logging and signals, the same for every program.
//!
//! Settings are read once, at the start, from flags and the environment alike. A bad one is refused by name before
//! anything is opened. Nothing here connects to anything.

pub mod exit;
mod logging;
mod metrics;
mod names;
mod notify;
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
mod values;

pub use logging::{LogArgs, LogFormat, init_logging};
pub use metrics::{Metrics, MetricsAddress, MetricsArgs, Told};
pub use names::{host_name, process_name};
pub use parse::{ParseFailure, parse};
pub use probe::{Probe, probe};
pub use run::{Fatal, run};
pub use secret::SecretUrl;
pub use settings::{
    BeatArgs, CatchUp, ClusterHosts, Connections, FanOutArgs, ManagementArgs, ManagementUrl, MaybeHours,
    PatienceArgs, QueueNames, RedisArgs, ResultArgs, ResultUrl, RetryArgs, SyncArgs, WorkerArgs,
    postgres_pool_size,
};
pub use signals::Shutdown;
pub use stack::block_on;
pub use startup::{NotReady, wait_for};
pub use supervised::{Vitals, supervise};
pub use tls::{BadSetting, TlsArgs};
pub use values::{CheckHours, RabbitUrlList};

/// Makes ring the process's TLS provider; call it once, before anything connects.
pub fn install_tls() {
    // An error only says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
