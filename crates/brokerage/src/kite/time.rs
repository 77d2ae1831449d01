use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// Reads an instant as Kite writes it: `YYYY-MM-DD HH:MM:SS`, which is always IST, an RFC 3339 time,
/// `YYYY-MM-DDTHH:MM:SS+0530`, or a bare date, which means 00:00 IST.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    // Four digits of year: chrono would read more, and signs.
    let year_only = text.get(..5)?.strip_suffix('-')?.bytes().all(|byte| byte.is_ascii_digit());
    if !year_only {
        return None;
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(ledger::ist::at(date, NaiveTime::MIN));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
            return Some(ledger::ist::at(local.date(), local.time()));
        }
    }
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    zoned.ok().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_instant_is_read_and_ist_is_meant_where_none_is_said() {
        for (text, expected) in [
            ("2021-05-31 15:20:28", "2021-05-31T09:50:28+00:00"),
            ("2021-05-31 15:20:28.250", "2021-05-31T09:50:28.250+00:00"),
            ("2021-05-31T15:20:28", "2021-05-31T09:50:28+00:00"),
            ("2021-05-31T15:20:28+0530", "2021-05-31T09:50:28+00:00"),
            ("2021-05-31T15:20:28+05:30", "2021-05-31T09:50:28+00:00"),
            ("2021-05-31T09:50:28Z", "2021-05-31T09:50:28+00:00"),
            ("2021-05-31", "2021-05-30T18:30:00+00:00"),
        ] {
            assert_eq!(parse(text).map(|instant| instant.to_rfc3339()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in
            ["15:20:28", "2021-05-31 25:00:00", "2021-02-30", "+2021-05-31", "1622454628", "31-05-2021", "é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
