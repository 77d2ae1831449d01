//! Times as people say them. JSON has the instants themselves.

use chrono::{DateTime, Utc};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long before `now` it was, such as `42 s ago`; what is yet to come is `in 5 min`.
pub(crate) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    // Clocks of two hosts differ by some seconds: what has happened was not in the future.
    match seconds {
        ..=-5 => format!("in {}", length(-seconds)),
        _ => format!("{} ago", length(seconds)),
    }
}

/// [`ago`], or `-` where there is no time.
pub(crate) fn ago_if_any(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| ago(at, now))
}

/// So many seconds in the largest unit of which there are at least two: `90 s`, `3 min`, `47 h`, `2 days`. Less than
/// nothing is nothing.
pub(crate) fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / MINUTE),
        7200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    #[test]
    fn a_length_is_told_in_the_largest_unit_of_which_there_are_two() {
        for (seconds, text) in [
            (-5, "0 s"),
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 days"),
            (i64::MAX, "106751991167300 days"),
        ] {
            assert_eq!(length(seconds), text);
        }
    }

    #[test]
    fn what_was_is_ago_and_what_comes_is_in() {
        let now = DateTime::<Utc>::UNIX_EPOCH + Duration::days(100);
        for (seconds, text) in
            [(42, "42 s ago"), (185, "3 min ago"), (0, "0 s ago"), (-4, "0 s ago"), (-300, "in 5 min")]
        {
            assert_eq!(ago(now - Duration::seconds(seconds), now), text);
        }
        assert_eq!(ago_if_any(None, now), "-");
        assert_eq!(ago_if_any(Some(now), now), "0 s ago");
    }
}
