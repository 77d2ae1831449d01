use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::notify::{notify, status};

const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// Why a server cannot be used yet.
#[derive(Debug)]
pub struct NotReady {
    /// What happened.
    pub text: String,
    /// Waiting does not help: somebody has to mend something first.
    pub is_lasting: bool,
}

/// Tries until `connect` succeeds, with growing pauses and one log line a try.
///
/// # Errors
/// The last error, when `limit` has passed or waiting does not help.
pub async fn wait_for<T>(
    server: &str,
    limit: Duration,
    mut connect: impl AsyncFnMut() -> Result<T, NotReady>,
) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    let mut pause = PAUSE_FIRST;
    loop {
        match connect().await {
            Ok(connected) => return Ok(connected),
            Err(NotReady { text, is_lasting }) if is_lasting || Instant::now() + pause >= deadline => {
                return Err(format!("{server}: {text}"));
            }
            Err(NotReady { text: error, .. }) => {
                notify(&[status(&format!("waiting for {server}: {error}"))]).await;
                warn!(
                    server,
                    error,
                    "{server} is not ready, trying again in {:.1} s: {error}",
                    pause.as_secs_f64()
                );
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}
