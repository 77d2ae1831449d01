//! Parsers of setting values. Each error says what was expected; none repeats the value, which may be a secret.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveTime;

use crate::{ResultUrl, SecretUrl};

/// A comma-separated list of AMQP URLs of one cluster.
#[derive(Clone)]
pub struct RabbitUrlList {
    text: String,
    shown: String,
}

impl RabbitUrlList {
    /// The list as it was given.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for RabbitUrlList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitUrlList({})", self.shown)
    }
}

impl fmt::Display for RabbitUrlList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// When brokerages' books are looked at: between two times of day, IST; past midnight when `from > to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckHours {
    /// The first minute.
    pub from: NaiveTime,
    /// The last minute.
    pub to: NaiveTime,
}

pub(crate) fn postgres_url(text: &str) -> Result<SecretUrl, String> {
    SecretUrl::parse(text, &["postgres", "postgresql"])
}

pub(crate) fn redis_url(text: &str) -> Result<SecretUrl, String> {
    SecretUrl::parse(text, &["redis", "rediss"])
}

pub(crate) fn http_url(text: &str) -> Result<SecretUrl, String> {
    SecretUrl::parse(text, &["http", "https"])
}

pub(crate) fn rabbit_urls(text: &str) -> Result<RabbitUrlList, String> {
    let urls: Vec<SecretUrl> = text
        .split(',')
        .map(|part| SecretUrl::parse(part.trim(), &["amqp", "amqps"]))
        .collect::<Result<_, _>>()?;
    let shown: Vec<String> = urls.iter().map(ToString::to_string).collect();
    Ok(RabbitUrlList { text: text.to_owned(), shown: shown.join(",") })
}

pub(crate) fn result_url(text: &str) -> Result<ResultUrl, String> {
    match text {
        "" => Ok(ResultUrl::Disabled),
        "rpc" | "rpc:" | "rpc://" => Ok(ResultUrl::Rpc),
        text => redis_url(text).map(ResultUrl::Redis).map_err(|error| {
            format!("{error}, or rpc:// for answers through RabbitMQ, or nothing for no results")
        }),
    }
}

pub(crate) fn cluster_hosts(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(|host| match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && u16::from_str(port).is_ok() => Ok(host.to_owned()),
            _ => Err("expected host:port,host:port,… or nothing".to_owned()),
        })
        .collect()
}

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn whole(text: &str, what: &str, from: u64, to: u64) -> Result<u64, String> {
    let expected = format!("expected {what} from {from} to {to}");
    let number = u64::from_str(text.trim()).map_err(|_| expected.clone())?;
    if (from..=to).contains(&number) { Ok(number) } else { Err(expected) }
}

/// A year is far beyond anything sensible and far from any overflow.
const SECONDS_MAX: u64 = 366 * 86_400;

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    whole(text, "whole seconds", 1, SECONDS_MAX).map(Duration::from_secs)
}

pub(crate) fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    whole(text, "whole seconds", 0, SECONDS_MAX).map(Duration::from_secs)
}

pub(crate) fn fractional_seconds(text: &str) -> Result<Duration, String> {
    number(text, "seconds", 0.001, 366.0 * 86_400.0).map(Duration::from_secs_f64)
}

pub(crate) fn minutes(text: &str) -> Result<Duration, String> {
    whole(text, "whole minutes", 0, SECONDS_MAX / 60).map(|minutes| Duration::from_secs(minutes * 60))
}

pub(crate) fn slots(text: &str) -> Result<usize, String> {
    whole(text, "a whole number", 1, 10_000).and_then(|n| usize::try_from(n).map_err(|e| e.to_string()))
}

pub(crate) fn count(text: &str) -> Result<u32, String> {
    whole(text, "a whole number", 0, 1_000).and_then(|n| u32::try_from(n).map_err(|e| e.to_string()))
}

pub(crate) fn days(text: &str) -> Result<u32, String> {
    whole(text, "whole days", 1, 36_500).and_then(|n| u32::try_from(n).map_err(|e| e.to_string()))
}

pub(crate) fn multiplier(text: &str) -> Result<f64, String> {
    number(text, "a number", 1.0, 100.0)
}

pub(crate) fn jitter(text: &str) -> Result<f64, String> {
    number(text, "a number", 0.0, 1.0)
}

fn number(text: &str, what: &str, from: f64, to: f64) -> Result<f64, String> {
    let expected = format!("expected {what} from {from} to {to}");
    let number = f64::from_str(text.trim()).map_err(|_| expected.clone())?;
    if (from..=to).contains(&number) { Ok(number) } else { Err(expected) }
}

pub(crate) fn check_hours(text: &str) -> Result<Option<CheckHours>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let expected = || "expected HH:MM-HH:MM (IST) or nothing".to_owned();
    let (from, to) = text.split_once('-').ok_or_else(expected)?;
    let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| expected());
    Ok(Some(CheckHours { from: time(from)?, to: time(to)? }))
}

pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 200 {
        return Err("expected a name of 1 to 200 bytes".to_owned());
    }
    Ok(text.to_owned())
}

pub(crate) fn queues(text: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for queue in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !matches!(queue, "periodic" | "adhoc") {
            return Err("expected periodic, adhoc or both, separated by a comma".to_owned());
        }
        if !names.iter().any(|known| known == queue) {
            names.push(queue.to_owned());
        }
    }
    if names.is_empty() { Err("expected at least one of periodic, adhoc".to_owned()) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_repeats_a_password() {
        for error in [
            postgres_url("mysql://u:secret@h/db").unwrap_err(),
            postgres_url("postgres://u:secret@:x").unwrap_err(),
            rabbit_urls("amqp://h,http://u:secret@h").unwrap_err(),
            redis_url("secret").unwrap_err(),
        ] {
            assert!(error.starts_with("expected a ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_shown_url_has_no_user_and_no_password() {
        let url = postgres_url("postgres://u:secret@h:5433/db").unwrap();
        assert_eq!(
            (url.to_string(), format!("{url:?}")),
            ("postgres://h:5433".into(), "SecretUrl(postgres://h:5433)".into())
        );
        assert_eq!(url.expose(), "postgres://u:secret@h:5433/db");
    }

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        assert_eq!(seconds("0").unwrap_err(), "expected whole seconds from 1 to 31622400");
        assert_eq!(jitter("1.5").unwrap_err(), "expected a number from 0 to 1");
        assert!(jitter("NaN").is_err() && multiplier("inf").is_err() && seconds("-1").is_err());
    }

    #[test]
    fn check_hours_are_two_times_of_day_or_nothing() {
        let hours = check_hours("09:00-23:55").unwrap().unwrap();
        assert_eq!((hours.from.to_string(), hours.to.to_string()), ("09:00:00".into(), "23:55:00".into()));
        assert!(check_hours("").unwrap().is_none());
        assert!(check_hours("9-17").is_err() && check_hours("09:00").is_err());
    }

    #[test]
    fn cluster_hosts_need_ports() {
        assert_eq!(cluster_hosts("a:1, b:2,").unwrap(), ["a:1", "b:2"]);
        assert!(cluster_hosts("").unwrap().is_empty());
        assert!(cluster_hosts("a").is_err());
    }
}
