use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest wait taken from a `Retry-After`.
const LIMIT: Duration = Duration::from_secs(86_400);

/// Reads a `Retry-After`: seconds, or an HTTP date, which is counted from the answer's own `Date` (the two clocks may
/// differ) or else from `now`. At most a day; `None` for anything else.
pub(crate) fn parse(text: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(LIMIT, Duration::from_secs).min(LIMIT));
    }
    let until = http_date(text)?;
    let from = date.and_then(http_date).unwrap_or(now);
    Some((until - from).to_std().unwrap_or_default().min(LIMIT))
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str, date: Option<&str>) -> Option<u64> {
        let now = "2025-06-17T10:00:00Z".parse().unwrap();
        parse(text, date, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_taken_up_to_a_day() {
        assert_eq!(seconds("0", None), Some(0));
        assert_eq!(seconds(" 7 ", None), Some(7));
        assert_eq!(seconds("86401", None), Some(86_400));
        assert_eq!(seconds("18446744073709551616", None), Some(86_400));
    }

    #[test]
    fn a_date_is_counted_from_the_servers_own_clock_where_it_says_the_time() {
        let until = "Tue, 17 Jun 2025 10:00:30 GMT";
        assert_eq!(seconds(until, None), Some(30));
        assert_eq!(seconds(until, Some("Tue, 17 Jun 2025 10:00:20 GMT")), Some(10));
        assert_eq!(seconds(until, Some("no date")), Some(30));
        assert_eq!(seconds("Tue, 17 Jun 2025 09:00:00 GMT", None), Some(0));
        assert_eq!(seconds("Wed, 17 Jun 2026 10:00:00 GMT", None), Some(86_400));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in ["", "soon", "-1", "1.5", "2025-06-17T10:00:30Z"] {
            assert_eq!(seconds(text, None), None, "{text:?}");
        }
    }
}
