use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
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

/// Reads a date, `YYYY-MM-DD` and nothing else: `10-06-25` is no year 10.
pub(crate) fn parse_day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (is_plausible(day) && day.to_string() == text).then_some(day)
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
}
