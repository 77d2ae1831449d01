use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Whether Ctrl-C was typed: for commands that say what they have done when they are ended early.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(CancellationToken);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let token = CancellationToken::new();
        let typed = token.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                typed.cancel();
            }
        });
        Self(token)
    }

    pub(crate) fn is_typed(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when it is typed.
    pub(crate) async fn typed(&self) {
        self.0.cancelled().await;
    }

    /// What comes of `work`; given up when Ctrl-C is typed, with a failure that tells what is `left` then.
    pub(crate) async fn or<T>(
        &self,
        left: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            ended = work => ended,
            () = self.typed() => Err(Failure::interrupted(left)),
        }
    }
}
