//! Instants as the brokerages write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// India is ahead of UTC by this much and knows no summer time.
const IST: Duration = Duration::from_secs(5 * 3600 + 30 * 60);

const DAY_SECONDS: u64 = 24 * 3600;

/// `YYYY-MM-DD HH:MM:SS` in India; an instant before 1970 counts as 1970.
pub(crate) fn ist(at: SystemTime) -> String {
    let seconds = (since_epoch(at) + IST).as_secs();
    let (year, month, day) = date(seconds / DAY_SECONDS);
    let second = seconds % DAY_SECONDS;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Milliseconds since 1970.
pub(crate) fn millis(at: SystemTime) -> u64 {
    since_epoch(at).as_millis().try_into().unwrap_or(u64::MAX)
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Year, month and day of so many days after 1970-01-01, with years that begin in March so that the leap day is the
/// last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // Since 0000-03-01.
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_indian_time() {
        let check = |seconds: u64, wanted: &str| {
            assert_eq!(ist(UNIX_EPOCH + Duration::from_secs(seconds)), wanted);
        };
        check(0, "1970-01-01 05:30:00");
        check(1_514_469_600, "2017-12-28 19:30:00");
        check(1_709_144_999, "2024-02-28 23:59:59");
        check(1_709_145_000, "2024-02-29 00:00:00");
        check(1_709_231_400, "2024-03-01 00:00:00");
        check(1_767_205_800, "2026-01-01 00:00:00");
    }

    #[test]
    fn milliseconds_are_kept() {
        assert_eq!(millis(UNIX_EPOCH + Duration::from_millis(1_514_469_600_123)), 1_514_469_600_123);
    }
}
