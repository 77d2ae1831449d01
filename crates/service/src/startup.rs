use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// Tries until `connect` succeeds, with growing pauses and one log line a try.
///
/// # Errors
/// The last error, when `limit` has passed.
pub async fn wait_for<T>(
    server: &str,
    limit: Duration,
    mut connect: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    let mut pause = PAUSE_FIRST;
    loop {
        match connect().await {
            Ok(connected) => return Ok(connected),
            Err(error) if Instant::now() + pause >= deadline => return Err(format!("{server}: {error}")),
            Err(error) => {
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
