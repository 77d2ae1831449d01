use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use service::CatchUp;

/// Most ticks caught up at once; what is older is forgotten.
const CAUGHT_UP_MAX: i64 = 1000;
/// Of an interval shorter than this, ticks are made good for so long, all of them; of a longer one it is the last tick.
const MADE_GOOD_FOR: Duration = Duration::from_secs(60);

/// The ticks that are due now unless somebody has claimed them, oldest first. Ticks are whole multiples of the interval
/// since 1970, so that every beat has the same ones.
///
/// `latest` is the latest tick anybody claimed, `watched_since` when this beat began to watch. Ticks that came due under
/// its eyes are due whatever `catch_up` says, up to a minute: a slow PostgreSQL makes them late, not missed.
pub(crate) fn due_ticks(
    latest: Option<DateTime<Utc>>,
    watched_since: DateTime<Utc>,
    now: DateTime<Utc>,
    interval: Duration,
    catch_up: CatchUp,
) -> Vec<DateTime<Utc>> {
    let step = seconds(interval);
    let number = |at: DateTime<Utc>| at.timestamp().div_euclid(step);
    let at = |number: i64| DateTime::from_timestamp(number.saturating_mul(step), 0);
    let current = number(now);
    let watched = (number(watched_since) + 1).max(number(now - made_good_for(interval)) + 1);
    let first = match (catch_up, latest) {
        (CatchUp::Skip, _) => watched,
        (CatchUp::Latest, _) | (CatchUp::All, None) => watched.min(current),
        (CatchUp::All, Some(latest)) => watched.min(number(latest) + 1),
    };
    (first.max(current - CAUGHT_UP_MAX)..=current).filter_map(at).collect()
}

/// Ticks up to this instant are given up: claimed by beats that did not publish them, they have been overtaken.
pub(crate) fn given_up(now: DateTime<Utc>, interval: Duration, catch_up: CatchUp) -> DateTime<Utc> {
    let for_long = match catch_up {
        CatchUp::Skip | CatchUp::Latest => made_good_for(interval),
        CatchUp::All => TimeDelta::seconds(seconds(interval).saturating_mul(CAUGHT_UP_MAX)),
    };
    now - for_long
}

/// The ticks between two of which there is nobody who has published or will publish them: how many, the first, the last.
pub(crate) fn missed_between(
    before: DateTime<Utc>,
    tick_at: DateTime<Utc>,
    interval: Duration,
) -> Option<(u64, DateTime<Utc>, DateTime<Utc>)> {
    let step = seconds(interval);
    let first = before.timestamp().div_euclid(step) + 1;
    let last = (tick_at.timestamp() - 1).div_euclid(step);
    let count = u64::try_from(last - first + 1).ok().filter(|count| *count > 0)?;
    let at = |number: i64| DateTime::from_timestamp(number.saturating_mul(step), 0);
    Some((count, at(first)?, at(last)?))
}

fn made_good_for(interval: Duration) -> TimeDelta {
    TimeDelta::seconds(seconds(interval.max(MADE_GOOD_FOR)))
}

fn seconds(interval: Duration) -> i64 {
    i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1)
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
    fn ticks_that_nobody_was_there_for_are_skipped_or_caught_up() {
        assert_eq!(due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::Latest), ["10:15:00"]);
        assert_eq!(
            due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::All),
            ["10:05:00", "10:10:00", "10:15:00"]
        );
        assert!(due(Some("10:00:00"), "10:17:00", "10:17:00", CatchUp::Skip).is_empty());
    }

    #[test]
    fn ticks_of_a_short_interval_that_came_due_under_a_beats_eyes_are_all_due() {
        let due = |latest: Option<&str>, since: &str, now: &str, catch_up| {
            let ticks = due_ticks(latest.map(at), at(since), at(now), Duration::from_secs(2), catch_up);
            (ticks.len(), ticks.first().map(|tick| tick.format("%H:%M:%S").to_string()))
        };
        for catch_up in [CatchUp::Skip, CatchUp::Latest, CatchUp::All] {
            let since = "10:00:00";
            assert_eq!(due(Some("10:00:20"), since, "10:00:30", catch_up), (15, Some("10:00:02".to_owned())));
        }
        // Somebody else has claimed the running one already: those before it are due all the same.
        assert_eq!(due(Some("10:00:30"), "10:00:20", "10:00:30", CatchUp::Latest).0, 5);
        // Longer than a minute it is as if nobody had been there.
        assert_eq!(due(None, "10:00:00", "11:00:01", CatchUp::Latest), (30, Some("10:59:02".to_owned())));
        assert_eq!(due(None, "10:00:00", "11:00:01", CatchUp::Skip).0, 30);
        assert_eq!(due(Some("10:58:00"), "10:00:00", "11:00:01", CatchUp::All).0, 60);
    }

    #[test]
    fn of_a_long_interval_only_the_running_tick_is_made_good() {
        for catch_up in [CatchUp::Skip, CatchUp::Latest] {
            assert_eq!(due(Some("10:00:00"), "09:00:00", "10:16:00", catch_up), ["10:15:00"]);
        }
    }

    #[test]
    fn all_goes_on_after_the_latest_and_stops_at_a_thousand() {
        assert!(due(Some("10:00:00"), "10:02:00", "10:04:59", CatchUp::All).is_empty());
        let far = due_ticks(
            Some(at("10:00:00")),
            at("22:00:00"),
            at("22:00:00"),
            Duration::from_secs(2),
            CatchUp::All,
        );
        assert_eq!(far.len(), 1001, "of 21,600");
        assert_eq!(far.last(), Some(&at("22:00:00")));
    }

    #[test]
    fn what_a_beat_left_is_made_good_for_an_interval_and_a_minute_at_least() {
        let given_up = |interval, catch_up| {
            given_up(at("12:00:00"), Duration::from_secs(interval), catch_up).format("%H:%M:%S").to_string()
        };
        assert_eq!(given_up(300, CatchUp::Latest), "11:55:00");
        assert_eq!(given_up(2, CatchUp::Skip), "11:59:00");
        assert_eq!(given_up(2, CatchUp::All), "11:26:40");
    }

    #[test]
    fn what_lies_between_two_ticks_is_missed() {
        let missed = |before, tick| missed_between(at(before), at(tick), INTERVAL);
        assert_eq!(missed("10:00:00", "10:05:00"), None);
        assert_eq!(missed("10:00:00", "10:10:00"), Some((1, at("10:05:00"), at("10:05:00"))));
        assert_eq!(missed("10:00:00", "10:30:00"), Some((5, at("10:05:00"), at("10:25:00"))));
        assert_eq!(missed("10:02:00", "10:05:00"), None, "the interval was another one");
    }

    #[test]
    fn the_next_tick_is_at_a_multiple_of_the_interval() {
        assert_eq!(until_next(at("10:04:59.250"), INTERVAL), Duration::from_millis(750));
        assert_eq!(until_next(at("10:05:00"), INTERVAL), INTERVAL);
    }
}
