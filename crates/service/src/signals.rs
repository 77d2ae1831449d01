use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// SIGTERM and SIGINT: the first asks for an orderly end, the second for an immediate one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Cancelled by the first signal.
    pub requested: CancellationToken,
    /// Cancelled by the second.
    pub forced: CancellationToken,
}

impl Shutdown {
    /// Listens from now on; needs a running tokio runtime.
    ///
    /// # Errors
    /// When the process may not install signal handlers.
    pub fn listen() -> io::Result<Self> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = Self { requested: CancellationToken::new(), forced: CancellationToken::new() };
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            for token in [tokens.requested, tokens.forced] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if token.is_cancelled() {
                    return;
                }
                info!(signal = name, "{name} received");
                token.cancel();
            }
            warn!("second signal: ending at once");
        });
        Ok(shutdown)
    }
}
