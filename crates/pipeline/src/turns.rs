//! How many syncs at a time do what takes processor and memory.

use std::time::Duration;

use queue::WorkQueue;
use tokio::sync::{Semaphore, SemaphorePermit};

/// So many for a core keep it busy while servers answer: more make nothing faster.
const OF_A_CORE: usize = 4;
/// At most so many, however many cores: each may hold one of the worker's 32 connections to PostgreSQL, and leases, their renewals
/// and brokerages' books need some as well.
const MOST: usize = 16;

/// Turns for syncs that make positions and write what is new of them: these take processor and memory, while one with nothing
/// new waits for servers, and shares its statements with all that wait beside it. So a worker has many slots and few turns.
///
/// `adhoc` has half as many of its own, so that it never waits behind a tick.
#[derive(Debug)]
pub struct Turns {
    periodic: Semaphore,
    adhoc: Semaphore,
}

impl Turns {
    /// As many as so many cores are kept busy by.
    pub fn of_cores(cores: usize) -> Self {
        let turns = (OF_A_CORE * cores).clamp(2, MOST);
        Self { periodic: Semaphore::new(turns), adhoc: Semaphore::new(turns / 2) }
    }

    /// The next turn of the queue's jobs, in the order in which they ask; it ends when it is dropped. `None` where none came
    /// within `patience`.
    pub(crate) async fn take(&self, queue: WorkQueue, patience: Duration) -> Option<SemaphorePermit<'_>> {
        let turns = match queue {
            WorkQueue::Periodic => &self.periodic,
            WorkQueue::Adhoc => &self.adhoc,
        };
        tokio::time::timeout(patience, turns.acquire()).await.ok()?.ok()
    }
}

/// How long a job stays away for which there is no room here: from one second to four, so that not all come back at once.
pub(crate) fn pause() -> Duration {
    let millis = uuid::Uuid::new_v4().as_u128() % 3000;
    Duration::from_millis(1000 + u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use WorkQueue::{Adhoc, Periodic};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    async fn at_once<T>(turn: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::ZERO, turn).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_gets_no_turn_in_time_is_told_so_and_the_other_queue_waits_for_nobody() {
        let turns = Turns::of_cores(1);
        let mut taken = Vec::new();
        for _ in 0..OF_A_CORE {
            taken.push(turns.take(Periodic, PATIENCE).await.unwrap());
        }
        assert!(turns.take(Adhoc, PATIENCE).await.is_some());
        assert!(turns.take(Periodic, PATIENCE).await.is_none());
        taken.pop();
        assert!(turns.take(Periodic, PATIENCE).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_in_which_they_are_asked_for_and_who_gives_up_keeps_none() {
        let turns = Turns::of_cores(0);
        let first = turns.take(Periodic, PATIENCE).await.unwrap();
        let _other = turns.take(Periodic, PATIENCE).await.unwrap();
        let mut gives_up = Box::pin(turns.take(Periodic, PATIENCE));
        let mut second = Box::pin(turns.take(Periodic, PATIENCE));
        let mut third = Box::pin(turns.take(Periodic, PATIENCE));
        for waiting in [&mut gives_up, &mut second, &mut third] {
            assert!(at_once(waiting).await.is_none());
        }
        drop(gives_up);
        drop(first);
        assert!(at_once(&mut third).await.is_none());
        let second = second.await.unwrap();
        assert!(at_once(&mut third).await.is_none());
        drop(second);
        assert!(third.await.is_some());
    }
}
