use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use ledger::ist;

/// Reads an instant: RFC 3339, PostgreSQL's text form, or a time without a zone, which is IST as everywhere in the
/// trade; a bare date is its first instant.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(instant) = DateTime::parse_from_str(text, format) {
            return Some(instant.with_timezone(&Utc));
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(naive) = NaiveDateTime::parse_from_str(text, format) {
            return Some(ist::at(naive.date(), naive.time()));
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(ist::start_of)
}

/// An instant as JSON documents have it: RFC 3339, UTC.
pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads a date, `YYYY-MM-DD` and nothing else: `10-06-25` is no year 10.
pub(crate) fn parse_day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (is_plausible(day) && day.to_string() == text).then_some(day)
}

/// The same for an argument of a command.
pub(crate) fn parse_day_argument(text: &str) -> Result<NaiveDate, String> {
    parse_day(text).ok_or_else(|| "expected a date such as 2025-06-17".to_owned())
}

/// Reads the instant of a view: a date means its last microsecond in IST.
pub(crate) fn parse_as_of(text: &str) -> Result<DateTime<Utc>, String> {
    if let Some(day) = parse_day(text) {
        return Ok(ist::end_of(day));
    }
    // `parse` would take a date that is none of ours, such as 25-06-17, for the start of a day.
    (text.contains(':').then(|| parse(text)).flatten())
        .filter(|instant| is_plausible(ist::day_of(*instant)))
        .ok_or_else(|| {
            "expected a date such as 2025-06-17 or an instant such as 2025-06-17T10:30:00Z".to_owned()
        })
}

/// Whether anything was traded on such a day, or will be while this program lives.
pub(crate) fn is_plausible(day: NaiveDate) -> bool {
    (1900..2200).contains(&day.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_read() {
        for text in [
            "2025-06-10T04:00:00Z",
            "2025-06-10T04:00:00+00:00",
            "2025-06-10 04:00:00+00",
            "2025-06-10 09:30:00",
            "2025-06-10T09:30:00",
            "2025-06-10 09:30:00.000+05:30",
        ] {
            assert_eq!(parse(text), Some("2025-06-10T04:00:00Z".parse().unwrap()), "{text}");
        }
        assert_eq!(parse("2025-06-10"), Some("2025-06-09T18:30:00Z".parse().unwrap()));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "yesterday", "10/06/2025", "2025-13-01", "2025-06-10 25:00:00", "1749528000"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_year_month_and_day_in_full() {
        assert_eq!(parse_day("2025-06-10").unwrap().to_string(), "2025-06-10");
        for text in [
            "",
            "2025-6-1",
            "25-06-10",
            "10-06-2025",
            "2025-06-31",
            "0025-06-10",
            "2025-06-10T00:00:00",
            " 2025-06-10",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_view_of_a_date_is_one_of_its_last_microsecond_in_ist() {
        for (text, instant) in [
            ("2025-06-17", "2025-06-17T18:29:59.999999Z"),
            ("2025-06-17T10:30:00Z", "2025-06-17T10:30:00Z"),
            ("2025-06-17T10:30:00+05:30", "2025-06-17T05:00:00Z"),
            ("2025-06-17 10:30:00", "2025-06-17T05:00:00Z"),
        ] {
            assert_eq!(parse_as_of(text), Ok(instant.parse().unwrap()), "{text}");
        }
        for text in ["", "yesterday", "17-06-2025", "25-06-17", "2025-06-31", "0025-06-17T10:30:00Z"] {
            assert!(parse_as_of(text).is_err(), "{text}");
        }
    }
}
