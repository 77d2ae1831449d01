//! India Standard Time: the zone in which every Indian exchange and brokerage counts its days.
//!
//! The offset is fixed (+05:30, no daylight saving), so no time zone database is needed.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};

/// +05:30.
pub const OFFSET: FixedOffset = match FixedOffset::east_opt(19_800) {
    Some(offset) => offset,
    None => panic!("19,800 seconds are less than a day"),
};

/// The IST calendar date of an instant.
pub fn day_of(instant: DateTime<Utc>) -> NaiveDate {
    // Only the last hours before the end of chrono's own calendar have no IST date; they keep the UTC one.
    let utc = instant.naive_utc();
    utc.checked_add_offset(OFFSET).unwrap_or(utc).date()
}

/// 00:00 IST of a day.
pub fn start_of(day: NaiveDate) -> DateTime<Utc> {
    at(day, NaiveTime::MIN)
}

/// The last microsecond of a day in IST: the instant meant by an as-of *date*.
pub fn end_of(day: NaiveDate) -> DateTime<Utc> {
    let next = start_of(day.succ_opt().unwrap_or(day));
    next.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(next)
}

/// The instant at which clocks in India show `time` on `day`.
pub fn at(day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let local = day.and_time(time);
    local.checked_sub_offset(OFFSET).unwrap_or(local).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ist_day_begins_half_past_six_in_the_evening_utc() {
        let day = NaiveDate::from_ymd_opt(2025, 6, 17).unwrap();
        assert_eq!(start_of(day).to_rfc3339(), "2025-06-16T18:30:00+00:00");
        assert_eq!(day_of(start_of(day)), day);
        assert_eq!(day_of(start_of(day) - TimeDelta::microseconds(1)), day.pred_opt().unwrap());
        assert_eq!(day_of(end_of(day)), day);
        assert_eq!(end_of(day) + TimeDelta::microseconds(1), start_of(day.succ_opt().unwrap()));
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_panic() {
        for instant in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let day = day_of(instant);
            let _ = (start_of(day), end_of(day));
        }
    }
}
