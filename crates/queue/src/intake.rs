use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use crate::connection::Link;
use crate::executor::Session;
use crate::idleness::{Idleness, Sight};
use crate::settle::{Held, Settler, Slot};
use crate::telemetry::{self, SlotsInUse};
use crate::{QueueError, WorkQueue};

/// A work queue in one session.
pub(crate) struct Intake {
    pub(crate) queue: WorkQueue,
    pub(crate) slots: usize,
    channel: Channel,
    tag: String,
    session: Arc<Session>,
    settler: Settler,
    running: Arc<AtomicUsize>,
    in_use: SlotsInUse,
    delivered: u64,
    pub(crate) idleness: Idleness,
}

/// What comes in with its queue; `None` is the end of the queue's consumer.
pub(crate) type Item = (WorkQueue, Option<lapin::Result<Delivery>>);
/// What comes in, as many at once as are there.
pub(crate) type Deliveries = BoxStream<'static, Vec<Item>>;

impl Intake {
    /// Starts consuming a queue with prefetch = slots.
    pub(crate) async fn open(
        link: &Link,
        session: &Arc<Session>,
        worker: &str,
        queue: WorkQueue,
        slots: usize,
    ) -> Result<(Self, BoxStream<'static, Item>), QueueError> {
        let channel = link.channel().await?;
        let prefetch = u16::try_from(slots).unwrap_or(u16::MAX);
        // Per consumer (global = false): quorum queues close the connection otherwise.
        link.timed("set QoS", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let tag = consumer_tag(worker);
        let consuming = channel.basic_consume(
            queue.name().into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = link.timed("consume", consuming).await?;
        // The end of one stream must end the session, so it is made an item.
        let ends = futures_util::stream::once(async { None });
        let deliveries = consumer.map(Some).chain(ends).map(move |item| (queue, item)).boxed();
        let intake = Self {
            queue,
            slots,
            settler: Settler::start(channel.clone(), session, slots),
            session: Arc::clone(session),
            channel,
            tag,
            running: Arc::default(),
            in_use: SlotsInUse::of(queue),
            delivered: 0,
            idleness: Idleness::default(),
        };
        Ok((intake, deliveries))
    }

    /// Takes a delivery in, and a slot for it.
    pub(crate) fn hold(&mut self, delivery: Delivery) -> Box<Held> {
        self.delivered += 1;
        let slot = Slot::take(&self.running, self.in_use.take(), self.session.jobs.token());
        Held::new(delivery, self.queue, Arc::clone(&self.session), self.settler.clone(), slot)
    }

    /// What waits and what runs.
    ///
    /// # Errors
    /// Why RabbitMQ does not say.
    pub(crate) async fn look(&self, link: &Link) -> Result<Sight, String> {
        let waiting = self.messages_in(link, self.queue.name()).await?;
        telemetry::waiting(self.queue.name(), waiting);
        let running = self.running.load(Ordering::Relaxed);
        Ok(Sight { waiting, running, slots: self.slots, delivered: self.delivered })
    }

    /// How many messages of any queue are ready.
    pub(crate) async fn messages_in(&self, link: &Link, queue: &str) -> Result<u32, String> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = self.channel.queue_declare(queue.into(), passive, FieldTable::default());
        let found = link.timed("look at a queue", asked).await;
        Ok(found.map_err(|error| crate::connection_error_text(&error))?.message_count())
    }

    /// Asks for no more. What was on its way comes nevertheless; then its deliveries end.
    pub(crate) async fn cancel(&self, link: &Link) {
        let cancelled = self.channel.basic_cancel(self.tag.as_str().into(), BasicCancelOptions::default());
        let _ = link.timed("cancel a consumer", cancelled).await;
    }
}

/// Consumer tags are short strings: 255 bytes at most.
fn consumer_tag(worker: &str) -> String {
    worker[..worker.floor_char_boundary(200)].to_owned()
}
