use std::time::Duration;

use tokio::time::Instant;

/// The slowest pace that makes sense: one a day.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// How often tasks of one name may begin in this process, as `celery control rate_limit` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rate {
    interval: Duration,
    /// When the next may begin.
    next: Option<Instant>,
}

impl Rate {
    /// Reads `10/s`, `10/m`, `10/h`, or a number a second. `Ok(None)`: no limit (nothing, 0).
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let expected = || format!("Invalid rate limit string: {text:?}");
        let (count, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        let count: f64 = if count.is_empty() { 0.0 } else { count.parse().map_err(|_| expected())? };
        if !count.is_finite() || count < 0.0 {
            return Err(expected());
        }
        if count == 0.0 {
            return Ok(None);
        }
        let interval = Duration::try_from_secs_f64(seconds / count).unwrap_or(INTERVAL_MAX);
        Ok(Some(Self { interval: interval.min(INTERVAL_MAX), next: None }))
    }

    /// Takes the next place, or says how long until it is free.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<Duration> {
        match self.next {
            Some(next) if next > now => Some(next - now),
            _ => {
                self.next = Some(now + self.interval);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> Option<Duration> {
        Rate::parse(text).unwrap().map(|rate| rate.interval)
    }

    #[test]
    fn a_rate_is_so_many_a_second_minute_or_hour() {
        assert_eq!(interval("10/s"), Some(Duration::from_millis(100)));
        assert_eq!(interval("30/m"), Some(Duration::from_secs(2)));
        assert_eq!(interval("1/h"), Some(Duration::from_secs(3600)));
        assert_eq!(interval("0.5"), Some(Duration::from_secs(2)));
        assert_eq!((interval(""), interval("0"), interval("0/m")), (None, None, None));
        assert_eq!(interval("1e-300"), Some(INTERVAL_MAX));
        for bad in ["fast", "10/d", "-1", "NaN", "inf", "1/"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tasks_begin_at_the_pace_and_not_faster() {
        let (mut rate, now) = (Rate::parse("1/s").unwrap().unwrap(), Instant::now());
        assert_eq!(rate.admit(now), None);
        assert_eq!(rate.admit(now + Duration::from_millis(400)), Some(Duration::from_millis(600)));
        assert_eq!(rate.admit(now + Duration::from_secs(1)), None);
    }
}
