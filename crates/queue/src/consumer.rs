use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, select_all};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
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
use crate::idleness::{Idleness, Sight};
use crate::settle::{Held, Settler, Slot};
use crate::telemetry::{self, Purpose, SlotsInUse};
use crate::{DEAD_QUEUE, Publisher, Pulse, QueueError, RetryPolicy, WorkQueue, topology};

/// How often a session looks whether messages wait that it is not given.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a consumer that waits for its jobs shows that it does.
const BREATH: Duration = Duration::from_secs(1);
/// At every so many of these it counts the dead letters, for metrics.
const DEAD_LOOK: u32 = 12;

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

/// Whether jobs come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intaking {
    /// There is no session.
    Closed,
    /// As far as one can see.
    Well,
    /// Messages of this queue wait, slots are free and nothing comes. Sessions are built anew; until something comes, or
    /// nothing waits, this worker is of no use.
    Starved(WorkQueue),
}

impl Intaking {
    /// Whether jobs come in.
    ///
    /// # Errors
    /// Why not, for whoever asks whether a program is ready.
    pub fn ready(self) -> Result<(), String> {
        match self {
            Self::Well => Ok(()),
            Self::Closed => Err("RabbitMQ: nothing is consumed".to_owned()),
            Self::Starved(queue) => {
                Err(format!("RabbitMQ: messages wait in {}, slots are free and nothing comes", queue.name()))
            }
        }
    }
}

/// Consumes the work queues, session after session, until it is told to stop.
pub struct Consumer<H> {
    settings: ConsumerSettings,
    executor: Arc<Executor<H>>,
    intaking: watch::Sender<Intaking>,
    /// When it last got on, see [`Pulse::got_on_at`].
    got_on: watch::Sender<Instant>,
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

/// A work queue in one session.
struct Intake {
    queue: WorkQueue,
    slots: usize,
    channel: Channel,
    session: Arc<Session>,
    settler: Settler,
    running: Arc<AtomicUsize>,
    in_use: SlotsInUse,
    delivered: u64,
    idleness: Idleness,
}

type Deliveries = BoxStream<'static, (WorkQueue, Option<lapin::Result<Delivery>>)>;

impl Intake {
    /// Takes a delivery in, and a slot for it.
    fn hold(&mut self, delivery: Delivery) -> Box<Held> {
        self.delivered += 1;
        let slot = Slot::take(&self.running, self.in_use.take(), self.session.jobs.token());
        Held::new(delivery, self.queue, Arc::clone(&self.session), self.settler.clone(), slot)
    }
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
            intakes.push(Intake {
                queue,
                slots: *slots,
                settler: Settler::start(channel.clone(), &session),
                session: Arc::clone(&session),
                channel,
                running: Arc::default(),
                in_use: SlotsInUse::of(queue),
                delivered: 0,
                idleness: Idleness::default(),
            });
        }
        Ok(Opened { link, session, intakes, deliveries: select_all(streams).boxed() })
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
                item = deliveries.next(), if !intakes.is_empty() => match item {
                    Some((queue, Some(Ok(delivery)))) => {
                        if let Some(intake) = intakes.iter_mut().find(|intake| intake.queue == queue) {
                            self.turn(Intaking::Starved(queue), Intaking::Well);
                            self.start(intake.hold(delivery));
                        }
                    }
                    Some((queue, Some(Err(error)))) => break Over::Lost(format!("{}: {error}", queue.name())),
                    Some((queue, None)) => break Over::Lost(format!("the consumer of {} ended", queue.name())),
                    None => break Over::Lost("every consumer ended".to_owned()),
                },
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
            telemetry::waiting(DEAD_QUEUE, messages_in(link, &intake.channel, DEAD_QUEUE).await?);
        }
        for intake in intakes {
            let name = intake.queue.name();
            let found = messages_in(link, &intake.channel, name).await?;
            telemetry::waiting(name, found);
            let sight = Sight {
                waiting: found,
                running: intake.running.load(Ordering::Relaxed),
                slots: intake.slots,
                delivered: intake.delivered,
            };
            if intake.idleness.is_stuck(sight) {
                self.intaking.send_replace(Intaking::Starved(intake.queue));
                return Err(format!(
                    "{} messages wait in {name}, {} slots are free and nothing comes",
                    sight.waiting,
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

    /// Handles a delivery beside the others. Prefetch keeps their number, so there is nothing to wait for.
    fn start(&self, held: Box<Held>) {
        let executor = Arc::clone(&self.executor);
        tokio::spawn(async move { executor.handle(held).await });
    }

    /// Stops the intake, gives back what has not started, waits for running jobs, then cuts them short: after the grace
    /// when the consumer is to stop. Else it is to consume something else, and they may go on to their end.
    async fn drain(
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
            let tag = consumer_tag(&self.settings.worker);
            let cancelled = intake.channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default());
            let _ = link.timed("cancel a consumer", cancelled).await;
        }
        // What came in between ends with the stream, since the consumers are cancelled.
        while let Ok(Some((queue, item))) =
            tokio::time::timeout(Duration::from_millis(200), deliveries.next()).await
        {
            if let Some(Ok(delivery)) = item
                && let Some(intake) = intakes.iter_mut().find(|intake| intake.queue == queue)
            {
                intake.hold(delivery).give_back();
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
            let _ = tokio::time::timeout(Duration::from_secs(5), jobs.wait()).await;
        }
    }

    /// Waits for jobs, which have limits of their own, and shows that it gets on.
    async fn breathing<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return done,
                () = tokio::time::sleep(BREATH) => { self.got_on.send_replace(Instant::now()); }
            }
        }
    }
}

/// How many messages are ready.
async fn messages_in(link: &Link, channel: &Channel, queue: &str) -> Result<u32, String> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let asked = channel.queue_declare(queue.into(), passive, FieldTable::default());
    let found = link.timed("look at a queue", asked).await;
    Ok(found.map_err(|error| crate::connection_error_text(&error))?.message_count())
}

/// Consumer tags are short strings: 255 bytes at most.
fn consumer_tag(worker: &str) -> String {
    worker[..worker.floor_char_boundary(200)].to_owned()
}
