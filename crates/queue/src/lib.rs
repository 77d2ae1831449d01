//! RabbitMQ: topology, confirmed publishing, consuming, dispositions and retry. Knows no trading domain.
//!
//! # The way of a message
//!
//! [`Consumer`] owns one connection and gives every delivery to the executor: decode, look up, expired? early? →
//! [`Handler::run`] → an [`Event`] → [`decide`] → a [`Disposition`] → dispose. Only the executor acks, and it acks
//! last: whatever a disposition publishes (a retry, a dead letter) is confirmed before.
//!
//! # Sessions
//!
//! lapin's own recovery stays off: it hides lost deliveries, leaves streams stalled after a channel error and goes
//! silent when its tries run out. A connection of ours is a *session*: connect, declare, set QoS, consume; any
//! error, any end of a stream, a late confirm or an `ack` that could not be sent ends it, and all of it is built
//! anew. A delivery belongs to its session: when that is over its run is cancelled and it is never acked; RabbitMQ
//! gives it to somebody again.
//!
#![doc = include_str!("../PROMISE.md")]

mod acks;
mod backoff;
mod batch;
mod checkup;
mod clean;
mod connection;
mod consumer;
mod control;
mod copy;
mod dead_letters;
mod decide;
mod delay;
mod depths;
mod dispose;
mod drain;
mod error;
mod events;
mod executor;
mod gathering;
mod greeting;
mod handler;
mod headers;
mod idleness;
mod intake;
mod intaking;
mod lanes;
mod message;
mod progress;
mod publisher;
mod pulse;
mod rate;
mod results;
mod returns;
mod revoked;
mod roster;
mod sequel;
mod settle;
mod subscription;
mod telemetry;
mod topology;
mod trace;
mod wait;
mod wire;

pub use backoff::RetryPolicy;
pub use checkup::{Canaries, Canary, Checkup, Declared, Found};
pub use connection::RabbitUrls;
pub use consumer::{Consumer, ConsumerSettings};
pub use control::{Answers, Control, ask_workers, tell_workers};
pub use dead_letters::{DeadLetter, DeadLetters, READER_QUEUE, Replay};
pub use decide::{Disposition, Event, Facts, decide};
pub use delay::DelayStep;
pub use depths::{QueueDepth, QueueDepths, queue_depths, queue_names};
pub use error::{PublishError, QueueError};
pub use handler::{Attempt, End, Ending, Handler, SUPERSEDED};
pub use intaking::Intaking;
pub use message::{Destination, Message};
pub use progress::Progress;
pub use publisher::Publisher;
pub use pulse::Pulse;
pub use subscription::{Notice, Subscription};
pub use telemetry::{begin_worker_metrics, describe_metrics};
pub use topology::{DEAD_QUEUE, NOTIFICATION_EXCHANGE, WorkQueue};
pub use wait::{Wait, WaitState};

/// An error with its causes in one line, for the log line of a failed try.
fn connection_error_text(error: &QueueError) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
