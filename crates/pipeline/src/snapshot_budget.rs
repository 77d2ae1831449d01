//! How much memory the snapshots that are on their way to Redis may take together.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// What all of them together may take for each core, which one or two of usual size keep busy.
const OF_A_CORE: usize = 2 << 20;
/// And at least.
const LEAST: usize = 4 << 20;
/// What one takes before its size is known: a few hundred orders, read and sent.
const USUAL: usize = 1 << 20;

/// Bytes in use by snapshots. One that is larger than what is left makes later ones wait, but goes on itself: there is always
/// one that can, and an account of any size is written.
#[derive(Debug)]
pub struct SnapshotBudget {
    most: usize,
    in_use: Mutex<usize>,
    given_back: Notify,
}

/// What one snapshot has of the budget; dropped, it is given back.
pub(crate) struct Share<'a> {
    budget: &'a SnapshotBudget,
    bytes: usize,
}

impl SnapshotBudget {
    /// What so many cores can make use of.
    pub fn of_cores(cores: usize) -> Self {
        Self { most: (OF_A_CORE * cores).max(LEAST), in_use: Mutex::default(), given_back: Notify::new() }
    }

    /// Waits until there is room for one more of usual size.
    pub(crate) async fn share(&self) -> Share<'_> {
        loop {
            let given_back = self.given_back.notified();
            if self.take_usual() {
                return Share { budget: self, bytes: USUAL };
            }
            given_back.await;
        }
    }

    fn take_usual(&self) -> bool {
        self.with(|in_use| {
            let fits = *in_use == 0 || *in_use + USUAL <= self.most;
            *in_use += if fits { USUAL } else { 0 };
            fits
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut usize) -> T) -> T {
        change(&mut self.in_use.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Share<'_> {
    /// It has become known how many bytes it is.
    pub(crate) fn is_of(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.with(|in_use| *in_use += bytes - self.bytes);
            self.bytes = bytes;
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.with(|in_use| *in_use -= self.bytes);
        self.budget.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        timeout(Duration::ZERO, future).await.ok()
    }

    #[tokio::test]
    async fn as_many_of_usual_size_as_fit_are_made_at_once() {
        let budget = SnapshotBudget::of_cores(2);
        let mut shares = Vec::new();
        while let Some(share) = at_once(budget.share()).await {
            shares.push(share);
        }
        assert_eq!(shares.len(), 2 * OF_A_CORE / USUAL);
        let mut waiting = std::pin::pin!(budget.share());
        assert!(at_once(&mut waiting).await.is_none());
        shares.pop();
        assert!(at_once(waiting).await.is_some(), "whoever waits is told of what is given back");
    }

    #[tokio::test]
    async fn an_account_of_any_size_is_written_and_others_wait_meanwhile() {
        let budget = SnapshotBudget::of_cores(2);
        let mut large = budget.share().await;
        large.is_of(6 * OF_A_CORE);
        assert!(at_once(budget.share()).await.is_none());
        drop(large);
        assert!(at_once(budget.share()).await.is_some());
        assert_eq!(budget.with(|in_use| *in_use), 0);
    }
}
