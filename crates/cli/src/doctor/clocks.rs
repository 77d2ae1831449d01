use chrono::{DateTime, TimeDelta, Utc};

use super::finding::Finding;

/// Clocks further apart than this make `eta` and `expires` of messages mean something else on each host.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(2);

/// How far a server's clock is ahead of ours, and how sure that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    lead: TimeDelta,
    /// Half of the time its answer took.
    unsure: TimeDelta,
}

impl Lead {
    /// From what the server said, and our own time before it was asked and after it had answered.
    pub(super) fn of(server: DateTime<Utc>, asked: DateTime<Utc>, answered: DateTime<Utc>) -> Self {
        let unsure = (answered - asked) / 2;
        Self { lead: server - (asked + unsure), unsure }
    }
}

/// Compares this host's clock with those of servers.
pub(super) fn compare(servers: &[(&str, Option<Lead>)]) -> Vec<Finding> {
    (servers.iter())
        .filter_map(|(name, lead)| {
            let Lead { lead, unsure } = (*lead)?;
            let check = format!("clock_{}", name.to_lowercase());
            let seconds = lead.as_seconds_f64();
            let text = format!("{name}'s clock is {:.3} s {} this host's", seconds.abs(), side(seconds));
            Some(if lead.abs() > SKEW_MAX + unsure {
                let mend = "synchronise the hosts' clocks (NTP): eta and expires of jobs are compared with the worker's clock, ticks and leases go by PostgreSQL's";
                Finding::warning(check, text, mend)
            } else {
                Finding::ok(check, text)
            })
        })
        .collect()
}

fn side(seconds: f64) -> &'static str {
    if seconds < 0.0 { "behind" } else { "ahead of" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    #[test]
    fn a_clock_is_wrong_only_by_more_than_the_answer_took() {
        let at = |millis| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        for (server, asked, answered, status) in [
            (10_005, 10_000, 10_010, Status::Ok),
            (13_000, 10_000, 10_010, Status::Warning),
            (7_000, 10_000, 10_010, Status::Warning),
            (13_000, 10_000, 14_000, Status::Ok),
        ] {
            let lead = Lead::of(at(server), at(asked), at(answered));
            let found = compare(&[("Redis", Some(lead)), ("PostgreSQL", None)]);
            assert_eq!((found.len(), found[0].status, found[0].check.as_str()), (1, status, "clock_redis"));
        }
    }
}
