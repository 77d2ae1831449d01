use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Consumer;
use crate::connection::Link;
use crate::executor::Session;
use crate::handler::Handler;
use crate::intake::{Deliveries, Intake};

/// How often a consumer that waits for its jobs shows that it does.
const BREATH: Duration = Duration::from_secs(1);
/// For what was on its way when the consumers were cancelled.
const LAST_DELIVERIES: Duration = Duration::from_millis(200);
/// For interrupted jobs to give themselves back.
const INTERRUPTED: Duration = Duration::from_secs(5);

impl<H: Handler> Consumer<H> {
    /// Stops the intake, gives back what has not started, waits for running jobs, then cuts them short: after the grace
    /// when the consumer is to stop. Else it is to consume something else, and they may go on to their end.
    pub(crate) async fn drain(
        &self,
        link: &Link,
        intakes: &mut [Intake],
        mut deliveries: Deliveries,
        session: &Session,
        stop: &CancellationToken,
    ) {
        let (grace, jobs) = (self.settings.grace, &session.jobs);
        info!("draining: {} jobs running, {} s of grace", jobs.len(), grace.as_secs());
        for intake in &*intakes {
            intake.cancel(link).await;
        }
        // What came in between ends with the stream, since the consumers are cancelled.
        while let Ok(Some(items)) = tokio::time::timeout(LAST_DELIVERIES, deliveries.next()).await {
            for (queue, item) in items {
                if let Some(Ok(delivery)) = item
                    && let Some(intake) = intakes.iter_mut().find(|intake| intake.queue == queue)
                {
                    intake.hold(delivery).give_back();
                }
            }
        }
        jobs.close();
        let grace_is_over = async {
            stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let is_over = self.breathing(async {
            tokio::select! {
                () = jobs.wait() => false,
                () = grace_is_over => true,
                // Else nobody would see its end.
                () = session.lost.cancelled() => false,
            }
        });
        let is_over = is_over.await;
        if is_over {
            warn!("grace is over: {} jobs go back to their queues", jobs.len());
            session.interrupt.cancel();
            let _ = tokio::time::timeout(INTERRUPTED, jobs.wait()).await;
        }
    }

    /// Waits for jobs, which have limits of their own, and shows that it gets on.
    pub(crate) async fn breathing<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return done,
                () = tokio::time::sleep(BREATH) => { self.got_on.send_replace(Instant::now()); }
            }
        }
    }
}
