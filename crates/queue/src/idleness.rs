//! Whether a consumer is alive and consumes nothing.
//!
//! A consumer may look well and never be given a message again: the server has forgotten it, or something between the two
//! drops what comes. No error tells. What does is a queue in which messages wait while slots are free and nothing arrives.

/// One look at a queue, and at what became of its messages here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Messages that wait in the queue.
    pub(crate) waiting: u32,
    /// Jobs of it that run here.
    pub(crate) running: usize,
    /// Jobs of it that may.
    pub(crate) slots: usize,
    /// Deliveries so far.
    pub(crate) delivered: u64,
}

/// So many looks in a row must agree: one may meet messages that are on their way to somebody else.
const LOOKS: u32 = 3;

/// What the looks before saw of a queue.
#[derive(Debug, Default)]
pub(crate) struct Idleness {
    /// After so many deliveries messages waited and slots were free.
    delivered: u64,
    /// In so many looks in a row.
    looks: u32,
}

impl Idleness {
    /// Whether messages waited and slots were free at this look and at those before, and nothing came in between.
    pub(crate) fn is_stuck(&mut self, sight: Sight) -> bool {
        let is_idle = sight.waiting > 0 && sight.running < sight.slots;
        let goes_on = self.looks > 0 && self.delivered == sight.delivered;
        self.looks = if !is_idle {
            0
        } else if goes_on {
            self.looks + 1
        } else {
            1
        };
        self.delivered = sight.delivered;
        self.looks >= LOOKS
    }

    /// Whether the last look found nothing amiss.
    pub(crate) fn is_well(&self) -> bool {
        self.looks == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waiting, running, delivered; of four slots.
    fn stuck(looks: &[(u32, usize, u64)]) -> Vec<bool> {
        let mut idleness = Idleness::default();
        let sight = |(waiting, running, delivered): &(u32, usize, u64)| Sight {
            waiting: *waiting,
            running: *running,
            slots: 4,
            delivered: *delivered,
        };
        looks.iter().map(|look| idleness.is_stuck(sight(look))).collect()
    }

    #[test]
    fn messages_that_wait_while_slots_are_free_and_nothing_comes_are_told_at_the_third_look() {
        assert_eq!(stuck(&[(5, 0, 9), (5, 0, 9), (7, 1, 9)]), [false, false, true]);
    }

    #[test]
    fn a_busy_or_empty_queue_and_one_that_delivers_are_well() {
        assert_eq!(stuck(&[(5, 4, 9); 3]), [false; 3], "all slots are taken");
        assert_eq!(stuck(&[(0, 0, 9), (0, 0, 9), (3, 0, 9)]), [false; 3], "they have just come");
        assert_eq!(stuck(&[(5, 0, 9), (5, 0, 10), (5, 0, 11), (5, 0, 12)]), [false; 4]);
        let taken = [(5, 0, 9), (5, 0, 9), (0, 0, 9), (5, 0, 9), (5, 0, 9)];
        assert_eq!(stuck(&taken), [false; 5], "somebody else took them");
    }
}
