//! Tells RabbitMQ what became of deliveries, many with one word (`gathering.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::DeliveryTag;
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Span, warn};

use crate::WorkQueue;
use crate::acks::{Ack, Acks};
use crate::executor::Session;
use crate::gathering::Gathering;
use crate::telemetry::SlotInUse;
use crate::trace;

/// How long lapin may take to send what it is given.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// A delivery that this worker holds, with its slot. It is settled, or its session is over: to drop it ends the session,
/// so that RabbitMQ gives the delivery to somebody again. Else nobody would ever hear of it.
pub(crate) struct Held {
    pub(crate) delivery: Delivery,
    pub(crate) queue: WorkQueue,
    pub(crate) session: Arc<Session>,
    settler: Settler,
    /// `None` once it is settled.
    slot: Option<Slot>,
}

/// A slot that is in use until its delivery is settled. A session waits for the tokens of all before it ends.
pub(crate) struct Slot {
    running: Arc<AtomicUsize>,
    _in_use: SlotInUse,
    _token: TaskTrackerToken,
}

/// The way to the task that settles the deliveries of one channel.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::UnboundedSender<Settled>);

struct Settled {
    tag: DeliveryTag,
    /// Else it goes back to its queue.
    is_done: bool,
    _slot: Slot,
    _span: Span,
}

impl Held {
    /// Holds a delivery that `settler`'s channel has brought. Boxed, since it is large and handed on from one to the next.
    pub(crate) fn new(
        delivery: Delivery,
        queue: WorkQueue,
        session: Arc<Session>,
        settler: Settler,
        slot: Slot,
    ) -> Box<Self> {
        Box::new(Self { delivery, queue, session, settler, slot: Some(slot) })
    }

    /// Tells RabbitMQ that it is done with.
    pub(crate) fn ack(self: Box<Self>) {
        let span = trace::acking(self.queue);
        self.settle(true, span);
    }

    /// Gives it back to its queue, uncharged; also one that has not started when a shutdown begins.
    pub(crate) fn give_back(self: Box<Self>) {
        self.settle(false, Span::none());
    }

    fn settle(mut self: Box<Self>, is_done: bool, span: Span) {
        if let Some(slot) = self.slot.take() {
            let settled = Settled { tag: self.delivery.delivery_tag, is_done, _slot: slot, _span: span };
            // It ends with the session only.
            let _ = self.settler.0.send(settled);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.session.lost.cancel();
        }
    }
}

impl Slot {
    /// Takes one of those of which `running` are in use.
    pub(crate) fn take(running: &Arc<AtomicUsize>, in_use: SlotInUse, token: TaskTrackerToken) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self { running: Arc::clone(running), _in_use: in_use, _token: token }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Settler {
    /// Starts the task of a channel that brings up to `slots` deliveries. It ends when the session is lost, and what ends it
    /// otherwise loses the session.
    pub(crate) fn start(channel: Channel, session: &Arc<Session>, slots: usize) -> Self {
        let (sender, settled) = mpsc::unbounded_channel();
        let session = Arc::clone(session);
        let gathering = Gathering::new(settled, slots);
        tokio::spawn(async move {
            let lost = session.lost.clone().drop_guard();
            tokio::select! {
                ended = settle_all(&channel, gathering) => if let Err(error) = ended && !session.lost.is_cancelled() {
                    warn!(error, "an acknowledgement could not be sent, the session is over: {error}");
                },
                () = session.lost.cancelled() => {}
            }
            drop(lost);
        });
        Self(sender)
    }
}

/// Settles what comes, until that fails or nobody is left from whom something could come.
async fn settle_all(channel: &Channel, mut gathering: Gathering<Settled>) -> Result<(), String> {
    let (mut acks, mut batch) = (Acks::default(), Vec::new());
    while gathering.next(&mut batch).await {
        match tokio::time::timeout(SEND_LIMIT, send(channel, &mut acks, &batch)).await {
            Ok(Ok(())) => batch.clear(),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("not sent within {SEND_LIMIT:?}")),
        }
    }
    Ok(())
}

async fn send(channel: &Channel, acks: &mut Acks, batch: &[Settled]) -> lapin::Result<()> {
    let tags = |is_done: bool| {
        batch.iter().filter(move |settled| settled.is_done == is_done).map(|settled| settled.tag)
    };
    let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    // Before the acks, which may be for all before them.
    try_join_all(tags(false).map(|tag| channel.basic_nack(tag, options))).await?;
    tags(false).for_each(|tag| acks.given_back(tag));
    let ack = |Ack { tag, multiple }| channel.basic_ack(tag, BasicAckOptions { multiple });
    try_join_all(acks.done(tags(true)).into_iter().map(ack)).await?;
    Ok(())
}
