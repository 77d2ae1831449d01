//! What is counted about connections with RabbitMQ, about slots and about what waits.

use std::time::Duration;

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::{DEAD_QUEUE, WorkQueue};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Consume,
    Publish,
    Control,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Publish => "publish",
            Self::Control => "control",
        }
    }
}

pub(super) fn describe() {
    describe_gauge!(
        "syncfleet_rabbitmq_connected",
        "Whether there is a connection with everything declared (1) or not (0), by what it is for (consume, publish, control)"
    );
    describe_counter!(
        "syncfleet_rabbitmq_connections_lost_total",
        "Connections that were lost and had to be built anew, by what they are for"
    );
    describe_gauge!(
        "syncfleet_rabbitmq_blocked",
        "Whether RabbitMQ takes no messages for now, for want of memory or disk (1), or does (0)"
    );
    describe_histogram!(
        "syncfleet_confirm_seconds",
        Unit::Seconds,
        "From the begin of publishing a batch of up to 256 messages to RabbitMQ's last confirm of it"
    );
    describe_gauge!("syncfleet_slots", "Jobs that this worker may run at the same time, by queue");
    describe_gauge!("syncfleet_slots_in_use", "Jobs that this worker holds now, by queue");
    describe_gauge!(
        "syncfleet_queue_messages",
        "Messages ready in RabbitMQ at this worker's last look: each 5 s in the queues it consumes, each minute in periodic.dead"
    );
    begin(Purpose::Publish);
    drop(histogram!("syncfleet_confirm_seconds"));
    blocked(false);
}

pub(super) fn begin_worker() {
    begin(Purpose::Consume);
    begin(Purpose::Control);
    for queue in WorkQueue::ALL {
        slots(queue, 0);
        gauge!("syncfleet_slots_in_use", "queue" => queue.name()).set(0.0);
    }
    waiting(DEAD_QUEUE, 0);
}

fn begin(purpose: Purpose) {
    gauge!("syncfleet_rabbitmq_connected", "connection" => purpose.name()).set(0.0);
    counter!("syncfleet_rabbitmq_connections_lost_total", "connection" => purpose.name()).increment(0);
}

/// There is a connection.
pub(crate) fn connected(purpose: Purpose) {
    gauge!("syncfleet_rabbitmq_connected", "connection" => purpose.name()).set(1.0);
}

/// There is none any more; `is_loss`: nobody wanted its end.
pub(crate) fn lost(purpose: Purpose, is_loss: bool) {
    gauge!("syncfleet_rabbitmq_connected", "connection" => purpose.name()).set(0.0);
    if is_loss {
        counter!("syncfleet_rabbitmq_connections_lost_total", "connection" => purpose.name()).increment(1);
    }
}

/// RabbitMQ said whether it blocks publishers.
pub(crate) fn blocked(is_blocked: bool) {
    gauge!("syncfleet_rabbitmq_blocked").set(f64::from(u8::from(is_blocked)));
}

/// A batch is confirmed.
pub(crate) fn confirmed(took: Duration) {
    histogram!("syncfleet_confirm_seconds").record(took.as_secs_f64());
}

/// So many jobs of the queue may run at the same time.
pub(crate) fn slots(queue: WorkQueue, slots: usize) {
    // Far from 2^53.
    gauge!("syncfleet_slots", "queue" => queue.name()).set(slots as f64);
}

/// So many messages are ready in the queue.
pub(crate) fn waiting(queue: &'static str, messages: u32) {
    gauge!("syncfleet_queue_messages", "queue" => queue).set(f64::from(messages));
}

/// A slot that is in use for as long as this value lives.
pub(crate) struct SlotInUse(Gauge);

/// The slots of a queue that are in use.
#[derive(Clone)]
pub(crate) struct SlotsInUse(Gauge);

impl SlotsInUse {
    /// Those of a queue.
    pub(crate) fn of(queue: WorkQueue) -> Self {
        Self(gauge!("syncfleet_slots_in_use", "queue" => queue.name()))
    }

    /// Takes one.
    pub(crate) fn take(&self) -> SlotInUse {
        self.0.increment(1.0);
        SlotInUse(self.0.clone())
    }
}

impl Drop for SlotInUse {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
