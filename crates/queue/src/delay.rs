use std::time::Duration;

/// The longest step is `2^9` seconds.
const LARGEST_EXPONENT: u32 = 9;

/// One of the ten delay queues: a power of two of seconds, from 1 to 512.
///
/// Any delay is a walk over these: a job is parked on the largest step that fits into what remains, comes back to
/// its work queue by itself, and is parked again until its time has come. Nothing is held in a worker's memory and
/// no message carries a TTL of its own, which would block those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DelayStep(u32);

impl DelayStep {
    /// All steps, shortest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=LARGEST_EXPONENT).map(Self)
    }

    /// The step to take when `remaining` is left: the largest not longer, or the shortest. So a walk never ends
    /// early, and late by less than a second.
    pub(crate) fn towards(remaining: Duration) -> Self {
        Self(remaining.as_secs().max(1).ilog2().min(LARGEST_EXPONENT))
    }

    /// How long it holds a message.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(1 << self.0)
    }

    /// The name of its fanout exchange and of its queue.
    pub(crate) fn name(self) -> String {
        format!("syncfleet.delay.{}s", self.duration().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(mut remaining: Duration) -> (Vec<u64>, Duration) {
        let (mut steps, mut waited) = (Vec::new(), Duration::ZERO);
        while !remaining.is_zero() {
            let step = DelayStep::towards(remaining).duration();
            steps.push(step.as_secs());
            waited += step;
            remaining = remaining.saturating_sub(step);
        }
        (steps, waited)
    }

    #[test]
    fn a_delay_is_the_sum_of_its_binary_steps() {
        assert_eq!(walk(Duration::from_secs(300)).0, [256, 32, 8, 4]);
        assert_eq!(walk(Duration::from_secs(2000)).0, [512, 512, 512, 256, 128, 64, 16]);
    }

    #[test]
    fn a_walk_is_never_early_and_less_than_a_second_late() {
        for millis in (1..700_000).step_by(997) {
            let wanted = Duration::from_millis(millis);
            let (_, waited) = walk(wanted);
            assert!(waited >= wanted && waited - wanted < Duration::from_secs(1), "{wanted:?} {waited:?}");
        }
    }

    #[test]
    fn there_are_ten_steps_with_stable_names() {
        let names: Vec<String> = DelayStep::all().map(DelayStep::name).collect();
        assert_eq!(names.len(), 10);
        assert_eq!((names[0].as_str(), names[9].as_str()), ("syncfleet.delay.1s", "syncfleet.delay.512s"));
    }
}
