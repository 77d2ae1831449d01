//! RabbitMQ looked at as it is, for `doctor`: nothing is declared that is not there, and no message of anybody's is touched.

mod canaries;
mod declared;
mod rights;

pub use self::canaries::{Canaries, Canary};
pub use self::declared::{Declared, Found};

use crate::QueueError;
use crate::connection::{Link, RabbitUrls};

/// An open connection, over which RabbitMQ is looked at.
pub struct Checkup {
    link: Link,
}

impl Checkup {
    /// Connects to whichever server answers first: one that hangs costs no time.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn open(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        Ok(Self { link: Link::connect_first(urls, client).await? })
    }

    /// The server we are connected to.
    pub fn server(&self) -> &str {
        self.link.server()
    }

    /// RabbitMQ's version, as it greeted us.
    pub fn version(&self) -> Option<&str> {
        self.link.version()
    }

    /// Whether it takes no messages: a memory or disk alarm. It says so only to those who have published since it began.
    pub fn is_blocked(&self) -> bool {
        self.link.is_blocked()
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.link.close().await;
    }
}

/// What RabbitMQ said.
fn words(error: &QueueError) -> String {
    match error {
        QueueError::Unavailable { source, .. } => match source.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_message().to_string(),
            _ => source.to_string(),
        },
        other => other.to_string(),
    }
}
