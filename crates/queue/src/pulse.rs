use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::Intaking;
use crate::control::Queues;
use crate::roster::Roster;

/// What may be known of a consumer while it runs.
pub struct Pulse {
    pub(crate) intaking: watch::Receiver<Intaking>,
    pub(crate) got_on_at: watch::Receiver<Instant>,
    pub(crate) wanted: watch::Receiver<Queues>,
    pub(crate) roster: Arc<Roster>,
}

impl Pulse {
    /// Whether jobs come in.
    pub fn intaking(&self) -> Intaking {
        *self.intaking.borrow()
    }

    /// When the consumer last got on: took a job, had an answer of RabbitMQ or none in time, or saw that jobs still run. More
    /// than ten seconds ago means that it hangs.
    pub fn got_on_at(&self) -> Instant {
        *self.got_on_at.borrow()
    }

    /// Jobs that run.
    pub fn running(&self) -> usize {
        self.roster.count()
    }

    /// Jobs that may run at the same time.
    pub fn slots(&self) -> usize {
        self.wanted.borrow().iter().map(|(_, slots)| slots).sum()
    }
}
