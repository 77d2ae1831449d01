use crate::WorkQueue;

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
