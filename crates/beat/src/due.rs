use std::time::Duration;

use chrono::{DateTime, Utc};
use service::CatchUp;

/// Most ticks caught up at once; what is older is forgotten.
const CAUGHT_UP_MAX: i64 = 1000;

/// The ticks that are due now, oldest first. Ticks are whole multiples of the interval since 1970, so that every beat
/// has the same ones.
///
/// `latest` is the latest tick anybody claimed, `started_at` when this beat began to watch.
pub(crate) fn due_ticks(
    latest: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    now: DateTime<Utc>,
    interval: Duration,
    catch_up: CatchUp,
) -> Vec<DateTime<Utc>> {
    let step = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
    let number = |at: DateTime<Utc>| at.timestamp().div_euclid(step);
    let at = |number: i64| DateTime::from_timestamp(number.saturating_mul(step), 0);
    let current = number(now);
    let first = match (latest, catch_up) {
        (Some(latest), _) if number(latest) >= current => return Vec::new(),
        (_, CatchUp::Latest) | (None, CatchUp::All) => current,
        (Some(latest), CatchUp::All) => number(latest) + 1,
        // Only what came due while we were there.
        (latest, CatchUp::Skip) => {
            latest.map_or(i64::MIN, |latest| number(latest) + 1).max(number(started_at) + 1)
        }
    };
    (first.max(current - CAUGHT_UP_MAX)..=current).filter_map(at).collect()
}

/// How long until the next tick.
pub(crate) fn until_next(now: DateTime<Utc>, interval: Duration) -> Duration {
    let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let passed = now.timestamp_millis().rem_euclid(step);
    Duration::from_millis(u64::try_from(step - passed).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    fn at(text: &str) -> DateTime<Utc> {
        format!("2025-06-17T{text}Z").parse().unwrap()
    }

    fn due(latest: Option<&str>, started: &str, now: &str, catch_up: CatchUp) -> Vec<String> {
        due_ticks(latest.map(at), at(started), at(now), INTERVAL, catch_up)
            .into_iter()
            .map(|tick| tick.format("%H:%M:%S").to_string())
            .collect()
    }

    #[test]
    fn a_first_beat_publishes_the_running_tick_at_once_unless_told_to_skip() {
        assert_eq!(due(None, "10:02:30", "10:02:30", CatchUp::Latest), ["10:00:00"]);
        assert_eq!(due(None, "10:02:30", "10:02:30", CatchUp::All), ["10:00:00"]);
        assert!(due(None, "10:02:30", "10:02:30", CatchUp::Skip).is_empty());
        assert_eq!(due(None, "10:02:30", "10:05:00", CatchUp::Skip), ["10:05:00"]);
    }

    #[test]
    fn a_tick_that_somebody_claimed_is_not_due_again() {
        assert!(due(Some("10:00:00"), "09:00:00", "10:04:59", CatchUp::All).is_empty());
        assert_eq!(due(Some("10:00:00"), "09:00:00", "10:05:00", CatchUp::All), ["10:05:00"]);
    }

    #[test]
    fn missed_ticks_are_skipped_or_caught_up() {
        assert_eq!(due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::Latest), ["10:15:00"]);
        assert_eq!(
            due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::All),
            ["10:05:00", "10:10:00", "10:15:00"]
        );
        assert!(due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::Skip).is_empty());
    }

    #[test]
    fn a_clock_that_jumped_back_makes_nothing_due() {
        assert!(due(Some("10:00:00"), "09:00:00", "09:30:00", CatchUp::All).is_empty());
    }

    #[test]
    fn the_next_tick_is_at_a_multiple_of_the_interval() {
        assert_eq!(until_next(at("10:04:59.250"), INTERVAL), Duration::from_millis(750));
        assert_eq!(until_next(at("10:05:00"), INTERVAL), INTERVAL);
    }
}
