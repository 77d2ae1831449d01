//! How many syncs at a time do what takes processor and memory.

use std::time::Duration;

use queue::WorkQueue;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Those of a worker that keep a core busy beside servers that are on the same machine: more make nothing faster.
const OF_A_CORE: usize = 4;
/// How long a sync waits for its turn. After that its account is worth more to another worker, and its time to the job's limit.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Turns for syncs that make positions and write what is new of them: these take processor and memory, while one with nothing
/// new waits for servers, and shares its statements with all that wait beside it. So a worker has many slots and few turns.
///
/// Each queue has as many of its own: `adhoc` never waits behind a tick.
#[derive(Debug)]
pub struct Turns {
    periodic: Semaphore,
    adhoc: Semaphore,
}

impl Turns {
    /// As many as so many cores are kept busy by.
    pub fn of_cores(cores: usize) -> Self {
        let turns = || Semaphore::new((OF_A_CORE * cores).max(1));
        Self { periodic: turns(), adhoc: turns() }
    }

    /// The next turn of the queue's jobs, in the order in which they ask; it ends when it is dropped. `None` where none was
    /// free for ten seconds.
    pub(crate) async fn take(&self, queue: WorkQueue) -> Option<SemaphorePermit<'_>> {
        let turns = match queue {
            WorkQueue::Periodic => &self.periodic,
            WorkQueue::Adhoc => &self.adhoc,
        };
        tokio::time::timeout(WAIT_LIMIT, turns.acquire()).await.ok()?.ok()
    }
}

/// How long a job stays away for which there is no room here: from one second to four, so that not all come back at once.
pub(crate) fn pause() -> Duration {
    let millis = uuid::Uuid::new_v4().as_u128() % 3000;
    Duration::from_millis(1000 + u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_gets_no_turn_in_time_is_told_so_and_the_other_queue_waits_for_nobody() {
        let turns = Turns::of_cores(1);
        let mut taken = Vec::new();
        for _ in 0..OF_A_CORE {
            taken.push(turns.take(WorkQueue::Periodic).await.unwrap());
        }
        assert!(turns.take(WorkQueue::Adhoc).await.is_some());
        assert!(turns.take(WorkQueue::Periodic).await.is_none());
        taken.pop();
        assert!(turns.take(WorkQueue::Periodic).await.is_some());
    }
}
