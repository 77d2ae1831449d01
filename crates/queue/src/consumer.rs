use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, select_all};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::connection::{Link, RabbitUrls, reconnect_pause};
use crate::executor::{Executor, Session};
use crate::handler::Handler;
use crate::{Publisher, QueueError, RetryPolicy, WorkQueue, topology};

/// After so long without a session a supervisor should start the process anew.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// What a consumer needs to know.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The servers.
    pub urls: RabbitUrls,
    /// The worker's name: consumer tag, connection name, and on dead letters.
    pub worker: String,
    /// Queues with their slots: jobs that run at the same time, which is also the prefetch, so that nothing that has
    /// not started is ever held.
    pub queues: Vec<(WorkQueue, usize)>,
    /// How failed jobs come back.
    pub policy: RetryPolicy,
    /// Longest run of one attempt.
    pub time_limit: Duration,
    /// How long running jobs may go on after a shutdown began.
    pub grace: Duration,
}

/// Consumes the work queues, session after session, until it is told to stop.
pub struct Consumer<H> {
    settings: ConsumerSettings,
    executor: Arc<Executor<H>>,
}

type Deliveries = BoxStream<'static, (WorkQueue, Option<lapin::Result<Delivery>>)>;

impl<H: Handler> Consumer<H> {
    /// A consumer that gives jobs to `handler` and publishes retries and dead letters through `publisher`.
    pub fn new(settings: ConsumerSettings, handler: Arc<H>, publisher: Publisher) -> Self {
        let executor = Arc::new(Executor {
            handler,
            publisher,
            policy: settings.policy,
            time_limit: settings.time_limit,
            worker: settings.worker.clone(),
        });
        Self { settings, executor }
    }

    /// Consumes until `stop` is cancelled, then drains: no new job is taken, running ones may finish within the
    /// grace, the rest goes back to its queue.
    ///
    /// # Errors
    /// [`QueueError::GaveUp`] after five minutes without a session.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), QueueError> {
        let mut attempt = 0;
        let mut healthy = Instant::now();
        while !stop.is_cancelled() {
            match self.open(attempt).await {
                Ok((link, channels, deliveries)) => {
                    attempt = 0;
                    info!(server = link.server(), "consuming from {}", link.server());
                    let ended = self.session(&link, &channels, deliveries, &stop).await;
                    link.close().await;
                    healthy = Instant::now();
                    if let Err(error) = ended {
                        warn!(error, "connection for consuming lost, building it anew: {error}");
                    }
                }
                Err(error) => {
                    let text = crate::connection_error_text(&error);
                    warn!(attempt, "cannot consume, trying again: {text}");
                }
            }
            if healthy.elapsed() > GIVE_UP_AFTER {
                return Err(QueueError::GaveUp(GIVE_UP_AFTER));
            }
            if !stop.is_cancelled() {
                let pause = tokio::time::sleep(reconnect_pause(attempt));
                tokio::select! { () = pause => {}, () = stop.cancelled() => {} }
            }
            attempt += 1;
        }
        Ok(())
    }

    /// Connects, declares, and starts consuming with prefetch = slots.
    async fn open(&self, attempt: usize) -> Result<(Link, Vec<Channel>, Deliveries), QueueError> {
        let link = Link::connect(&self.settings.urls, attempt, &format!("{} consumer", self.settings.worker))
            .await?;
        topology::declare(&link).await?;
        let (mut channels, mut streams) = (Vec::new(), Vec::new());
        for (queue, slots) in &self.settings.queues {
            let channel = link.channel().await?;
            let prefetch = u16::try_from(*slots).unwrap_or(u16::MAX);
            // Per consumer (global = false): quorum queues close the connection otherwise.
            link.timed("set QoS", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
            let consuming = channel.basic_consume(
                queue.name().into(),
                consumer_tag(&self.settings.worker).as_str().into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            let consumer = link.timed("consume", consuming).await?;
            let queue = *queue;
            // The end of one stream must end the session, so it is made an item.
            let ends = futures_util::stream::once(async { None });
            streams.push(consumer.map(Some).chain(ends).map(move |item| (queue, item)).boxed());
            channels.push(channel);
        }
        Ok((link, channels, select_all(streams).boxed()))
    }

    /// Works on one session's deliveries until it is lost or drained.
    async fn session(
        &self,
        link: &Link,
        channels: &[Channel],
        mut deliveries: Deliveries,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let session = Session { lost: CancellationToken::new(), interrupt: CancellationToken::new() };
        let jobs = TaskTracker::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = session.lost.cancelled() => break Err("an acknowledgement failed".to_owned()),
                () = stop.cancelled() => break Ok(()),
                item = deliveries.next() => match item {
                    Some((queue, Some(Ok(delivery)))) => self.start(delivery, queue, &session, &jobs),
                    Some((queue, Some(Err(error)))) => break Err(format!("{}: {error}", queue.name())),
                    Some((queue, None)) => break Err(format!("the consumer of {} ended", queue.name())),
                    None => break Err("every consumer ended".to_owned()),
                },
            }
        };
        if ended.is_ok() {
            self.drain(link, channels, deliveries, &session, &jobs).await;
        }
        session.lost.cancel();
        jobs.close();
        jobs.wait().await;
        ended
    }

    /// Handles a delivery beside the others. Prefetch keeps their number, so there is nothing to wait for.
    fn start(&self, delivery: Delivery, queue: WorkQueue, session: &Session, jobs: &TaskTracker) {
        let (executor, of_run) = (Arc::clone(&self.executor), session.clone());
        let handled = tokio::spawn(async move { executor.handle(delivery, queue, &of_run).await });
        let lost = session.lost.clone();
        jobs.spawn(async move {
            // The handler's own panics are caught; one here would keep the delivery, and its slot, for ever.
            if handled.await.is_err() {
                lost.cancel();
            }
        });
    }

    /// Stops the intake, gives back what has not started, waits for running jobs, then cuts them short.
    async fn drain(
        &self,
        link: &Link,
        channels: &[Channel],
        mut deliveries: Deliveries,
        session: &Session,
        jobs: &TaskTracker,
    ) {
        info!("draining: {} jobs running, {} s of grace", jobs.len(), self.settings.grace.as_secs());
        for channel in channels {
            let tag = consumer_tag(&self.settings.worker);
            let cancelled = channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default());
            let _ = link.timed("cancel a consumer", cancelled).await;
        }
        // What came in between ends with the stream, since the consumers are cancelled.
        while let Ok(Some((_, item))) =
            tokio::time::timeout(Duration::from_millis(200), deliveries.next()).await
        {
            if let Some(Ok(delivery)) = item {
                self.executor.give_back(&delivery, session).await;
            }
        }
        jobs.close();
        if tokio::time::timeout(self.settings.grace, jobs.wait()).await.is_err() {
            warn!("grace is over: {} jobs go back to their queues", jobs.len());
            session.interrupt.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(5), jobs.wait()).await;
        }
    }
}

/// Consumer tags are short strings: 255 bytes at most.
fn consumer_tag(worker: &str) -> String {
    worker[..worker.floor_char_boundary(200)].to_owned()
}
