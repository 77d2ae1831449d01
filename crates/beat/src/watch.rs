use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How far PostgreSQL's clock and ours may be apart between two looks: what an answer may take on its way.
const JUMP: TimeDelta = TimeDelta::seconds(5);

/// Since when a beat has been there, by PostgreSQL's clock.
///
/// That clock alone says when ticks are due. How long the beat was there is measured by a clock that nobody sets, so that
/// the ticks a clock jumped over are not taken for ticks that came due under the beat's eyes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    since: DateTime<Utc>,
    looked_at: DateTime<Utc>,
}

impl Watch {
    /// Begins at `now`.
    pub(crate) fn begin(now: DateTime<Utc>) -> Self {
        Self { since: now, looked_at: now }
    }

    /// Looks at the clock, `elapsed` after the look before, and returns since when the beat has been there.
    ///
    /// After a jump that is as long ago as the last look is, on the new clock.
    pub(crate) fn look(&mut self, now: DateTime<Utc>, elapsed: Duration) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX);
        if (now - self.looked_at - elapsed).abs() > JUMP {
            self.since = now.checked_sub_signed(elapsed).unwrap_or(now);
        }
        self.looked_at = now;
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2025-06-17T{text}Z").parse().unwrap()
    }

    const TWO: Duration = Duration::from_secs(2);

    #[test]
    fn a_beat_has_been_there_since_it_began() {
        let mut watch = Watch::begin(at("10:00:00"));
        assert_eq!(watch.look(at("10:00:02"), TWO), at("10:00:00"));
        // PostgreSQL was away, or the beat was stopped: it was there all the same.
        assert_eq!(watch.look(at("10:05:02"), Duration::from_secs(300)), at("10:00:00"));
        assert_eq!(watch.look(at("10:05:08"), TWO), at("10:00:00"), "a late answer is no jump");
    }

    #[test]
    fn what_a_clock_jumps_over_was_not_watched() {
        let mut watch = Watch::begin(at("10:00:00"));
        assert_eq!(watch.look(at("13:00:02"), TWO), at("13:00:00"));
        assert_eq!(watch.look(at("13:00:04"), TWO), at("13:00:00"), "from now on it is");
        assert_eq!(watch.look(at("09:00:06"), TWO), at("09:00:04"), "and back again");
        assert_eq!(watch.look(at("09:00:08"), TWO), at("09:00:04"));
    }
}
