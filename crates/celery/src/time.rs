//! Instants as Celery writes them: ISO 8601, in UTC, microseconds only where there are any.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

/// No instant we accept is longer; a guard against pages of digits.
const LENGTH_LIMIT: usize = 64;

/// Writes an instant as Python's `isoformat` does: `2026-11-22T13:14:58.822443+00:00`, without the fraction when
/// it is zero. What is finer than a microsecond is cut off.
pub fn format_time(instant: DateTime<Utc>) -> String {
    if instant.nanosecond() % 1_000_000_000 < 1_000 {
        instant.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    } else {
        instant.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, the `T` also a blank, with 0 to 9 fraction digits, followed by `Z`, `+HH:MM`,
/// `+HHMM`, `+HH` or nothing, which means UTC. `None` for anything else.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    if text.len() > LENGTH_LIMIT || !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest.get(..at)?, parse_offset(rest.get(at..)?)?),
        None => (rest, FixedOffset::east_opt(0)?),
    };
    let local = NaiveDateTime::new(parse_date(date)?, parse_clock(clock)?);
    local.checked_sub_offset(offset).map(|utc| utc.and_utc())
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = split_digits(text, '-', [4, 2, 2])?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

fn parse_clock(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if text.ends_with('.') || fraction.len() > 9 {
        return None;
    }
    let [hour, minute, second] = split_digits(whole, ':', [2, 2, 2])?;
    let nanoseconds = if fraction.is_empty() { 0 } else { digits(&format!("{fraction:0<9}"))? };
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanoseconds)
}

fn parse_offset(text: &str) -> Option<FixedOffset> {
    if text.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, numbers) = match text.split_at_checked(1)? {
        ("+", numbers) => (1, numbers),
        ("-", numbers) => (-1, numbers),
        _ => return None,
    };
    let [hours, minutes] = match numbers.len() {
        2 => [digits(numbers)?, 0],
        4 => [digits(&numbers[..2])?, digits(&numbers[2..])?],
        _ => split_digits(numbers, ':', [2, 2])?,
    };
    if minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?)
}

/// The numbers between separators, each of exactly the given width.
fn split_digits<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = digits(part)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// An instant as Celery's events and answers have it: seconds since 1970.
pub fn epoch_seconds(instant: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    let seconds = instant.timestamp_micros() as f64 / 1e6;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse_time(text).map(format_time)
    }

    #[test]
    fn every_form_of_an_instant_reads_as_the_same_utc_time() {
        for text in [
            "2026-11-22T13:14:58+00:00",
            "2026-11-22T13:14:58Z",
            "2026-11-22T13:14:58",
            "2026-11-22 13:14:58",
            "2026-11-22T18:44:58+05:30",
            "2026-11-22T18:44:58+0530",
            "2026-11-22T08:14:58-05",
            "2026-11-22T13:14:58.000000+00:00",
            "2026-11-22T13:14:58.000000999Z",
        ] {
            assert_eq!(read(text).as_deref(), Some("2026-11-22T13:14:58+00:00"), "{text}");
        }
    }

    #[test]
    fn fractions_of_one_to_nine_digits_are_kept_to_the_microsecond() {
        assert_eq!(read("2026-11-22T13:14:58.8Z").as_deref(), Some("2026-11-22T13:14:58.800000+00:00"));
        assert_eq!(
            read("2026-11-22T13:14:58.822443+00:00").as_deref(),
            Some("2026-11-22T13:14:58.822443+00:00")
        );
        assert_eq!(
            read("2026-11-22T13:14:58.822443999").as_deref(),
            Some("2026-11-22T13:14:58.822443+00:00")
        );
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "nope",
            "1795354067",
            "2026-11-22",
            "2026-11-22T13:14",
            "2026-02-30T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T13:14:58.",
            "2026-11-22T13:14:58.1234567890",
            "2026-11-22T13:14:58+99:00",
            "2026-11-22T13:14:58+05:75",
            "2026-11-22T13:14:58+",
            "2026-11-22T13:14:58Zjunk",
            "+026-11-22T13:14:58Z",
            "२०२६-11-22T13:14:58Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_overflow() {
        assert!(parse_time("0000-01-01T00:00:00+23:59").is_some());
        assert!(parse_time("9999-12-31T23:59:59-23:59").is_some());
    }
}
