use std::time::Duration;

use thiserror::Error;
use tls::Refusal;

/// Why RabbitMQ could not be used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// No server of the list answers, or it hung up.
    #[error("RabbitMQ at {server} is away")]
    Unavailable {
        /// `host:port`, without user and password.
        server: String,
        /// What lapin said.
        #[source]
        source: lapin::Error,
    },
    /// A server is there, but there is no TLS with it: somebody has to mend a certificate or a setting.
    #[error("RabbitMQ at {server}: {refusal}")]
    Untrusted {
        /// `host:port`, without user and password.
        server: String,
        /// What is wrong, and what to do.
        refusal: Refusal,
    },
    /// A server answered nothing for too long.
    #[error("RabbitMQ at {server} gave no answer within {limit:?} to: {what}")]
    TimedOut {
        /// `host:port`, without user and password.
        server: String,
        /// What was asked.
        what: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// No session could be had for so long that a supervisor should start the process anew.
    #[error("no session with RabbitMQ for {0:?}")]
    GaveUp(Duration),
    /// Another process holds what only one may hold at a time.
    #[error("somebody else is looking at the dead letters: try again")]
    Busy,
    /// The connection ended in the middle of it.
    #[error("the connection to RabbitMQ at {server} was lost: {what}")]
    Lost {
        /// `host:port`, without user and password.
        server: String,
        /// What was under way.
        what: String,
    },
    /// A copy could not be published.
    #[error("a copy was not published")]
    Unpublished(#[source] PublishError),
    /// A RabbitMQ URL that cannot be used.
    #[error("{0}")]
    BadUrl(String),
}

/// Why a message was not published. A message whose connection was lost is sent again, so that is none of these.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// No queue takes it.
    #[error("RabbitMQ could not route the message")]
    Unroutable,
    /// The queue refused it (full, or no majority): wait and try again.
    #[error("RabbitMQ refused the message")]
    Nacked,
    /// A routing key or header is beyond what AMQP can carry, or RabbitMQ closes the channel over it.
    #[error("the message cannot be sent: {0}")]
    Unsendable(String),
    /// Not confirmed in time: it may or may not have arrived.
    #[error("RabbitMQ did not confirm within {0:?}")]
    TimedOut(Duration),
    /// The publisher is closed.
    #[error("the publisher is closed")]
    Closed,
}
