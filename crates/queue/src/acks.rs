use std::collections::BTreeSet;

use lapin::types::DeliveryTag;

/// One ack, as it goes to RabbitMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The delivery.
    pub(crate) tag: DeliveryTag,
    /// Whether it is also for every delivery of the channel before it that RabbitMQ still waits for.
    pub(crate) multiple: bool,
}

/// Which deliveries of one channel are settled (acked or given back), and so how few acks say that more of them are done.
///
/// A channel numbers its deliveries from 1 on. One that was never mentioned here is open, so an ack for many is never for
/// one that is not settled, in whatever order they come.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// Every delivery up to this one is settled.
    settled_to: DeliveryTag,
    /// What is settled beyond the first open one.
    beyond: BTreeSet<DeliveryTag>,
}

impl Acks {
    /// The acks that say that these are done: one for all of them that have nothing open before them, and one each for
    /// the others.
    pub(crate) fn done(&mut self, tags: impl IntoIterator<Item = DeliveryTag>) -> Vec<Ack> {
        let done: BTreeSet<DeliveryTag> = tags.into_iter().collect();
        self.beyond.extend(&done);
        self.advance();
        let together: Vec<DeliveryTag> = done.range(..=self.settled_to).copied().collect();
        let first = together.last().map(|tag| Ack { tag: *tag, multiple: together.len() > 1 });
        let single = done.range(self.settled_to + 1..).map(|tag| Ack { tag: *tag, multiple: false });
        first.into_iter().chain(single).collect()
    }

    /// Notes a delivery that RabbitMQ was told to take back. An ack for many must not leave before that is sent: it would
    /// be for this one as well.
    pub(crate) fn given_back(&mut self, tag: DeliveryTag) {
        self.beyond.insert(tag);
        self.advance();
    }

    fn advance(&mut self) {
        while self.beyond.first() == Some(&(self.settled_to + 1)) {
            self.beyond.pop_first();
            self.settled_to += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ack(tag: DeliveryTag, multiple: bool) -> Ack {
        Ack { tag, multiple }
    }

    #[test]
    fn what_has_nothing_open_before_it_is_acked_together_and_the_rest_one_by_one() {
        let mut acks = Acks::default();
        assert_eq!(acks.done([2, 1, 5, 3, 7]), [ack(3, true), ack(5, false), ack(7, false)]);
        assert_eq!(acks.done([4]), [ack(4, false)], "5 is acked already");
        assert_eq!(acks.done([8, 6]), [ack(8, true)]);
        assert_eq!(acks.done([]), []);
    }

    #[test]
    fn what_was_given_back_is_not_open_and_not_acked_by_itself() {
        let mut acks = Acks::default();
        acks.given_back(1);
        acks.given_back(4);
        assert_eq!(acks.done([2, 3]), [ack(3, true)]);
        assert_eq!(acks.done([5]), [ack(5, false)]);
    }

    /// What happens to a delivery, and with which batch.
    fn fates() -> impl Strategy<Value = Vec<(bool, usize)>> {
        proptest::collection::vec((proptest::bool::weighted(0.9), 0..12_usize), 1..200)
    }

    proptest! {
        #[test]
        fn exactly_what_is_done_is_acked_whatever_comes_when(fates in fates()) {
            let mut acks = Acks::default();
            // As RabbitMQ sees them: those that it waits for.
            let mut held: BTreeSet<DeliveryTag> = (1..).zip(&fates).map(|(tag, _)| tag).collect();
            for batch in 0..12 {
                let of_batch = |is_done: bool| {
                    (1..).zip(&fates).filter(move |(_, fate)| **fate == (is_done, batch)).map(|(tag, _): (DeliveryTag, _)| tag)
                };
                for tag in of_batch(false) {
                    acks.given_back(tag);
                    held.remove(&tag);
                }
                let done: BTreeSet<DeliveryTag> = of_batch(true).collect();
                let mut acked = BTreeSet::new();
                for ack in acks.done(done.iter().copied()) {
                    prop_assert!(held.contains(&ack.tag), "{} is not there: RabbitMQ would close the channel", ack.tag);
                    acked.extend(held.iter().copied().filter(|tag| *tag == ack.tag || ack.multiple && *tag < ack.tag));
                    held.retain(|tag| !acked.contains(tag));
                }
                prop_assert_eq!(acked, done);
            }
        }
    }
}
