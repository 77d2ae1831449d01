use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::connection::{Link, RabbitUrls, reconnect_pause};
use crate::control::{Clock, Control, Queues};
use crate::events::{Events, Outbox};
use crate::executor::{Executor, Session};
use crate::handler::Handler;
use crate::intake::{Deliveries, Intake, Item};
use crate::settle::Held;
use crate::telemetry::{self, Purpose};
use crate::{DEAD_QUEUE, Intaking, Publisher, Pulse, QueueError, RetryPolicy, WorkQueue, topology};

/// How often a session looks whether messages wait that it is not given.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// At every so many of these it counts the dead letters, for metrics.
const DEAD_LOOK: u32 = 12;
/// Most deliveries that are started before the session looks at anything else.
const AT_ONCE_MAX: usize = 64;

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
    /// Deaths of its worker that a job may cause; then it is a dead letter.
    pub crash_limit: u32,
    /// Whether those who wait for a job are told when it starts (Celery's `task_track_started`).
    pub tracks_started: bool,
    /// How long running jobs may go on after a shutdown began.
    pub grace: Duration,
    /// Without a session for so long the consumer gives up, so that a supervisor starts the process anew.
    pub give_up_after: Duration,
}

/// Consumes the work queues, session after session, until it is told to stop.
pub struct Consumer<H> {
    pub(crate) settings: ConsumerSettings,
    executor: Arc<Executor<H>>,
    intaking: watch::Sender<Intaking>,
    /// When it last got on, see [`Pulse::got_on_at`].
    pub(crate) got_on: watch::Sender<Instant>,
    /// The queues with their slots, which remote control may change.
    wanted: Arc<watch::Sender<Queues>>,
    /// What runs tell, until [`Consumer::control`] takes it.
    outbox: Option<Outbox>,
}

/// Why a session ends.
enum Over {
    /// It is told to.
    Stopped,
    /// Other queues or slots are wanted.
    Changed,
    /// The connection is of no use any more.
    Lost(String),
}

/// A session that begins.
struct Opened {
    link: Link,
    session: Arc<Session>,
    intakes: Vec<Intake>,
    deliveries: Deliveries,
}

impl<H: Handler> Consumer<H> {
    /// A consumer that gives jobs to `handler` and publishes retries and dead letters through `publisher`.
    pub fn new(settings: ConsumerSettings, handler: Arc<H>, publisher: Publisher) -> Self {
        let (events, outbox) = Events::new();
        let executor = Arc::new(Executor {
            handler,
            publisher,
            policy: settings.policy,
            time_limit: settings.time_limit,
            crash_limit: settings.crash_limit,
            worker: settings.worker.clone(),
            large: Semaphore::new(1),
            roster: Arc::default(),
            events: Arc::new(events),
            tracks_started: settings.tracks_started,
        });
        let wanted = Arc::new(watch::Sender::new(settings.queues.clone()));
        let intaking = watch::Sender::new(Intaking::Closed);
        let got_on = watch::Sender::new(Instant::now());
        Self { settings, executor, intaking, got_on, wanted, outbox: Some(outbox) }
    }

    /// The remote control of this consumer, with the tasks that it runs and what `celery inspect conf` is to show, no
    /// secret among it; `None` the second time.
    pub fn control(&mut self, tasks: Vec<String>, conf: Map<String, Value>) -> Option<Control> {
        Some(Control {
            urls: self.settings.urls.clone(),
            worker: self.settings.worker.clone(),
            tasks,
            conf,
            roster: Arc::clone(&self.executor.roster),
            events: Arc::clone(&self.executor.events),
            outbox: self.outbox.take()?,
            wanted: Arc::clone(&self.wanted),
            configured: self.settings.queues.clone(),
            clock: Clock::default(),
            since: Instant::now(),
        })
    }

    /// Whether jobs come in, now and later.
    pub fn intaking(&self) -> watch::Receiver<Intaking> {
        self.intaking.subscribe()
    }

    /// What may be known of it from outside, now and later.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            intaking: self.intaking.subscribe(),
            got_on_at: self.got_on.subscribe(),
            wanted: self.wanted.subscribe(),
            roster: Arc::clone(&self.executor.roster),
        }
    }

    /// Consumes until `stop` is cancelled, then drains: no new job is taken, running ones may finish within the
    /// grace, the rest goes back to its queue.
    ///
    /// # Errors
    /// [`QueueError::GaveUp`] when there was no session for as long as [`ConsumerSettings::give_up_after`].
    pub async fn run(&self, stop: CancellationToken) -> Result<(), QueueError> {
        let mut attempt = 0;
        let mut healthy = Instant::now();
        while !stop.is_cancelled() {
            self.got_on.send_replace(Instant::now());
            match self.open(attempt).await {
                Ok(opened) => {
                    attempt = 0;
                    let link = &opened.link;
                    info!(server = link.server(), "consuming from {}", link.server());
                    self.turn(Intaking::Closed, Intaking::Well);
                    telemetry::connected(Purpose::Consume);
                    let (link, ended) = self.session(opened, &stop).await;
                    self.turn(Intaking::Well, Intaking::Closed);
                    telemetry::lost(Purpose::Consume, matches!(ended, Over::Lost(_)));
                    link.close().await;
                    healthy = Instant::now();
                    match ended {
                        Over::Stopped => {}
                        Over::Changed => continue,
                        Over::Lost(error) => {
                            warn!(error, "connection for consuming lost, building it anew: {error}");
                        }
                    }
                }
                Err(error) => {
                    let text = crate::connection_error_text(&error);
                    warn!(attempt, "cannot consume, trying again: {text}");
                }
            }
            if healthy.elapsed() > self.settings.give_up_after {
                return Err(QueueError::GaveUp(self.settings.give_up_after));
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
    async fn open(&self, attempt: usize) -> Result<Opened, QueueError> {
        let link = Link::connect(&self.settings.urls, attempt, &format!("{} consumer", self.settings.worker))
            .await?
            .telling(self.got_on.clone());
        topology::declare(&link).await?;
        let session = Arc::new(Session::default());
        let (mut intakes, mut streams) = (Vec::new(), Vec::new());
        let wanted = self.wanted.borrow().clone();
        for queue in WorkQueue::ALL {
            let slots = wanted.iter().find(|(wanted, _)| *wanted == queue).map_or(0, |(_, slots)| *slots);
            telemetry::slots(queue, slots);
        }
        for (queue, slots) in &wanted {
            let (intake, stream) =
                Intake::open(&link, &session, &self.settings.worker, *queue, *slots).await?;
            intakes.push(intake);
            streams.push(stream);
        }
        let at_once = wanted.iter().map(|(_, slots)| *slots).sum::<usize>().clamp(1, AT_ONCE_MAX);
        Ok(Opened { link, session, intakes, deliveries: select_all(streams).ready_chunks(at_once).boxed() })
    }

    /// Works on one session's deliveries until it is lost or drained.
    async fn session(&self, opened: Opened, stop: &CancellationToken) -> (Link, Over) {
        let Opened { link, session, mut intakes, mut deliveries } = opened;
        let consumed: Queues = intakes.iter().map(|intake| (intake.queue, intake.slots)).collect();
        let mut wanted = self.wanted.subscribe();
        let mut changed = std::pin::pin!(async { drop(wanted.wait_for(|wanted| *wanted != consumed).await) });
        let mut looks = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = 0;
        let ended = loop {
            self.got_on.send_replace(Instant::now());
            tokio::select! {
                biased;
                () = session.lost.cancelled() => break Over::Lost("an acknowledgement failed".to_owned()),
                () = stop.cancelled() => break Over::Stopped,
                () = &mut changed => break Over::Changed,
                // A worker that was told to consume nothing waits for another word.
                items = deliveries.next(), if !intakes.is_empty() => {
                    let Some(items) = items else { break Over::Lost("every consumer ended".to_owned()) };
                    if let Err(error) = self.start_all(items, &mut intakes) {
                        break Over::Lost(error);
                    }
                }
                _ = looks.tick() => {
                    let counts_dead = looked % DEAD_LOOK == 0;
                    looked += 1;
                    if let Err(error) = self.look(&link, &mut intakes, counts_dead).await {
                        break Over::Lost(error);
                    }
                }
            }
        };
        match ended {
            Over::Stopped | Over::Changed => {
                self.drain(&link, &mut intakes, deliveries, &session, stop).await;
            }
            Over::Lost(_) => {}
        }
        session.lost.cancel();
        session.jobs.close();
        self.breathing(session.jobs.wait()).await;
        (link, ended)
    }

    /// Ends the session if its connection is dead, or if messages wait, slots are free and nothing comes: whatever the
    /// reason, a new session mends it.
    async fn look(&self, link: &Link, intakes: &mut [Intake], counts_dead: bool) -> Result<(), String> {
        if !link.is_connected() {
            return Err("the connection is closed".to_owned());
        }
        if counts_dead && let Some(intake) = intakes.first() {
            telemetry::waiting(DEAD_QUEUE, intake.messages_in(link, DEAD_QUEUE).await?);
        }
        for intake in intakes {
            let sight = intake.look(link).await?;
            if intake.idleness.is_stuck(sight) {
                self.intaking.send_replace(Intaking::Starved(intake.queue));
                return Err(format!(
                    "{} messages wait in {}, {} slots are free and nothing comes",
                    sight.waiting,
                    intake.queue.name(),
                    sight.slots - sight.running
                ));
            }
            if intake.idleness.is_well() {
                self.turn(Intaking::Starved(intake.queue), Intaking::Well);
            }
        }
        Ok(())
    }

    /// Changes what is told of the intake, if it was `from`.
    fn turn(&self, from: Intaking, to: Intaking) {
        self.intaking.send_if_modified(|now| {
            *now == from && {
                *now = to;
                true
            }
        });
    }

    /// Starts what came in at once. The end of a consumer is an error, as it ends the session.
    fn start_all(&self, items: Vec<Item>, intakes: &mut [Intake]) -> Result<(), String> {
        for (queue, item) in items {
            let delivery = match item {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Err(format!("{}: {error}", queue.name())),
                None => return Err(format!("the consumer of {} ended", queue.name())),
            };
            if let Some(intake) = intakes.iter_mut().find(|intake| intake.queue == queue) {
                self.turn(Intaking::Starved(queue), Intaking::Well);
                self.start(intake.hold(delivery));
            }
        }
        Ok(())
    }

    /// Handles a delivery beside the others. Prefetch keeps their number, so there is nothing to wait for.
    fn start(&self, held: Box<Held>) {
        let executor = Arc::clone(&self.executor);
        tokio::spawn(async move { executor.handle(held).await });
    }
}
