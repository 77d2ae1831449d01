//! When something is said to RabbitMQ of deliveries that are settled. Each word is an entry in the log of a quorum queue, and brings
//! as many new deliveries as it settles, so that small words would stay small.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// Most that is taken at once.
const BATCH: usize = 1024;
/// A word for less than this part of all slots waits until it is due.
const PART: usize = 4;
/// With fewer slots no word waits: what jobs wait for then are slots.
const MANY_SLOTS: usize = 16;
/// When a word is due after the one before. Timers make up to twice of it.
const PACE: Duration = Duration::from_millis(1);
/// How often jobs that are ready to end may do so before a word leaves. Those that began together do not end in their order, and
/// what has a gap before it needs an ack of its own.
const TURNS: usize = 4;

/// What is settled of one channel's deliveries, gathered until it is worth a word.
pub(crate) struct Gathering<T> {
    settled: mpsc::UnboundedReceiver<T>,
    /// For so many a word leaves before it is due.
    enough: usize,
}

impl<T> Gathering<T> {
    /// Gathers from a channel that brings up to `slots` deliveries.
    pub(crate) fn new(settled: mpsc::UnboundedReceiver<T>, slots: usize) -> Self {
        Self { settled, enough: if slots < MANY_SLOTS { 1 } else { slots / PART } }
    }

    /// What the next word is about, into `batch`; asked for when the one before has left. `false` when nobody is left from whom
    /// something could come.
    pub(crate) async fn next(&mut self, batch: &mut Vec<T>) -> bool {
        let due = Instant::now() + PACE;
        if self.settled.recv_many(batch, BATCH).await == 0 {
            return false;
        }
        while batch.len() < self.enough && Instant::now() < due {
            match tokio::time::timeout_at(due, self.settled.recv_many(batch, BATCH)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let before = batch.len();
            batch.extend(std::iter::from_fn(|| self.settled.try_recv().ok()));
            if batch.len() == before {
                break;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathering(slots: usize) -> (mpsc::UnboundedSender<u32>, Gathering<u32>) {
        let (sender, settled) = mpsc::unbounded_channel();
        (sender, Gathering::new(settled, slots))
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_for_enough_leaves_at_once_and_one_for_less_when_it_is_due() {
        let (sender, mut gathering) = gathering(MANY_SLOTS);
        let mut batch = Vec::new();
        (0..=3).for_each(|number| sender.send(number).unwrap());
        let begun = Instant::now();
        assert!(gathering.next(&mut batch).await);
        assert_eq!((batch.as_slice(), begun.elapsed()), ([0, 1, 2, 3].as_slice(), Duration::ZERO));

        batch.clear();
        sender.send(4).unwrap();
        let company = tokio::spawn(async move {
            tokio::task::yield_now().await;
            sender.send(5).unwrap();
            sender
        });
        let begun = Instant::now();
        assert!(gathering.next(&mut batch).await);
        assert_eq!((batch.as_slice(), begun.elapsed()), ([4, 5].as_slice(), PACE));

        batch.clear();
        let sender = company.await.unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(4 * PACE).await;
            sender.send(6).unwrap();
            sender.closed().await;
        });
        let begun = Instant::now();
        assert!(gathering.next(&mut batch).await);
        assert_eq!((batch.as_slice(), begun.elapsed()), ([6].as_slice(), 4 * PACE), "it is due already");
    }

    #[tokio::test(start_paused = true)]
    async fn with_few_slots_no_word_waits() {
        let (sender, mut gathering) = gathering(MANY_SLOTS - 1);
        let (begun, mut batch) = (Instant::now(), Vec::new());
        sender.send(1).unwrap();
        assert!(gathering.next(&mut batch).await);
        assert_eq!((batch.as_slice(), begun.elapsed()), ([1].as_slice(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_gathered_when_the_last_sender_went_still_leaves() {
        let (sender, mut gathering) = gathering(MANY_SLOTS);
        let mut batch = Vec::new();
        sender.send(1).unwrap();
        drop(sender);
        assert!(gathering.next(&mut batch).await);
        assert_eq!(batch, [1]);
        batch.clear();
        assert!(!gathering.next(&mut batch).await);
    }
}
