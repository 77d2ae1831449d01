use std::time::Duration;

use chrono::{DateTime, Utc};

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It can never run: undecodable, unknown task, bad arguments, or something we do not support.
    Refused {
        /// A stable word, such as `not_json` or `unknown_task`.
        reason: String,
        /// What exactly was wrong.
        error: String,
    },
    /// Its `eta` is still to come: a retry on its way, or a producer's countdown.
    Early {
        /// When it is due.
        eta: DateTime<Utc>,
    },
    /// Its `expires` has passed.
    Expired,
    /// Somebody has said that it must not run, or not to its end.
    Revoked {
        /// It was running.
        is_terminated: bool,
    },
    /// It is done: it ran to its end, now or before, or another run did its work.
    Finished,
    /// It had ended before, and not well: nothing is to be done but what may be missing of that end.
    EndedBefore,
    /// Another live run holds what it needs.
    Held,
    /// The worker that ran it before died: it was not run this time.
    Crashed {
        /// How often that has happened to it.
        crashes: u32,
    },
    /// RabbitMQ has counted so many returns that it might soon drop the message.
    Returned {
        /// Copies that were made for that reason before.
        renewals: u32,
    },
    /// It could not go on, and is to come back after so long.
    Waiting {
        /// How long.
        delay: Duration,
        /// For what, as a stable word.
        why: &'static str,
    },
    /// The attempt failed.
    Failed {
        /// Why, with its chain of causes.
        error: String,
        /// How long whoever failed us asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The attempt was cut short by our own shutdown or by the loss of its connection.
    Interrupted,
}

/// What a decision depends on besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Retries so far.
    pub retries: u32,
    /// Retries allowed.
    pub retries_max: u32,
    /// The policy's delay before the next retry, jitter included.
    pub retry_delay: Duration,
    /// How long a held job waits.
    pub hold_delay: Duration,
    /// Deaths of its worker that a job may cause.
    pub crash_limit: u32,
    /// Between 0.5 and 1: spreads what crashed together.
    pub crash_jitter: f64,
    /// Now.
    pub now: DateTime<Utc>,
}

/// What becomes of a delivery. Whatever is published is confirmed before the delivery is acked.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// Acked: nothing more to do.
    Ack,
    /// Told to those who wait for it that it expired, then acked.
    Expire,
    /// It had failed before and its time ran out between retries: told as `failed`, then acked.
    FailExpired,
    /// Told to those who wait for it that it was revoked, then acked.
    Revoke {
        /// It was running.
        is_terminated: bool,
    },
    /// Copied with one more retry, to come back at `due`; then acked.
    Retry {
        /// Retries including this one.
        retries: u32,
        /// When it is to run again.
        due: DateTime<Utc>,
        /// The same, as a delay from now.
        delay: Duration,
        /// What failed.
        error: String,
    },
    /// Copied with one more renewal, so that RabbitMQ counts anew, to come back after `delay`; then acked.
    Renew {
        /// Renewals including this one.
        renewals: u32,
        /// How long until it comes back.
        delay: Duration,
    },
    /// Copied unchanged, to come back after `delay`; then acked. No attempt is spent.
    Park {
        /// How long until it is looked at again; only half of it may have passed if `due` is none.
        delay: Duration,
        /// It is not to run before, however often it is looked at; `None`: what it says itself stands.
        due: Option<DateTime<Utc>>,
    },
    /// Told as failed, copied to the dead letters with its reason; then acked.
    Dead {
        /// A stable word, such as `retries_exhausted`.
        reason: String,
        /// The error, with its chain of causes.
        error: String,
    },
    /// Given back to its queue: nothing is charged.
    Requeue,
}

/// Renewals after which a message has gone round long enough.
const RENEWALS_MAX: u32 = 10;

/// Decides what becomes of a delivery: the only place that does, and it does no I/O.
pub fn decide(event: &Event, facts: &Facts) -> Disposition {
    match event {
        Event::Refused { reason, error } => {
            Disposition::Dead { reason: reason.clone(), error: error.clone() }
        }
        Event::Early { eta } => Disposition::Park { delay: until(*eta, facts.now), due: None },
        Event::Expired if facts.retries > 0 => Disposition::FailExpired,
        Event::Expired => Disposition::Expire,
        Event::Revoked { is_terminated } => Disposition::Revoke { is_terminated: *is_terminated },
        Event::Finished | Event::EndedBefore => Disposition::Ack,
        Event::Held => Disposition::Park { delay: facts.hold_delay, due: None },
        Event::Crashed { crashes } if *crashes > facts.crash_limit => Disposition::Dead {
            reason: "crash_loop".to_owned(),
            error: format!("{crashes} workers died while they ran this job: it is not run again"),
        },
        Event::Crashed { crashes } => Disposition::Park {
            delay: doubled(crashes.saturating_sub(1)).mul_f64(facts.crash_jitter.clamp(0.5, 1.0)),
            due: None,
        },
        Event::Returned { renewals } if *renewals >= RENEWALS_MAX => Disposition::Dead {
            reason: "redelivery_limit".to_owned(),
            error: format!("returned to its queue again and again, and renewed {renewals} times"),
        },
        Event::Returned { renewals } => {
            Disposition::Renew { renewals: renewals + 1, delay: doubled(*renewals) }
        }
        Event::Waiting { delay, .. } => {
            Disposition::Park { delay: *delay, due: Some(after(*delay, facts.now)) }
        }
        Event::Failed { error, .. } if facts.retries >= facts.retries_max => {
            Disposition::Dead { reason: "retries_exhausted".to_owned(), error: error.clone() }
        }
        Event::Failed { error, retry_after } => {
            // Who says when it is worth while knows better than any policy.
            let delay = retry_after.unwrap_or(facts.retry_delay);
            let due = after(delay, facts.now);
            Disposition::Retry { retries: facts.retries + 1, due, delay, error: error.clone() }
        }
        Event::Interrupted => Disposition::Requeue,
    }
}

/// A second, doubled so often: what the delay steps hold.
fn doubled(times: u32) -> Duration {
    Duration::from_secs(1 << times.min(9))
}

/// The last second that fits into four digits of a year, which is all that a message can say.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 0).expect("it is in the calendar");

fn after(delay: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let delay = chrono::Duration::from_std(delay).ok();
    delay.and_then(|delay| now.checked_add_signed(delay)).map_or(LATEST, |due| due.min(LATEST))
}

fn until(eta: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (eta - now).to_std().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(retries: u32) -> Facts {
        Facts {
            retries,
            retries_max: 5,
            retry_delay: Duration::from_secs(10),
            hold_delay: Duration::from_secs(2),
            crash_limit: 5,
            crash_jitter: 1.0,
            now: DateTime::<Utc>::UNIX_EPOCH,
        }
    }

    fn failed(retry_after: Option<u64>) -> Event {
        Event::Failed { error: "boom".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn a_finished_job_is_acked() {
        assert_eq!(decide(&Event::Finished, &facts(0)), Disposition::Ack);
    }

    #[test]
    fn a_failed_job_comes_back_with_one_more_retry() {
        let due = DateTime::<Utc>::UNIX_EPOCH + chrono::Duration::seconds(10);
        assert_eq!(
            decide(&failed(None), &facts(2)),
            Disposition::Retry { retries: 3, due, delay: Duration::from_secs(10), error: "boom".into() }
        );
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_to_whatever_the_policy_says() {
        let Disposition::Retry { delay, .. } = decide(&failed(Some(60)), &facts(0)) else { panic!() };
        assert_eq!(delay, Duration::from_secs(60));
        let Disposition::Retry { delay, .. } = decide(&failed(Some(1)), &facts(0)) else { panic!() };
        assert_eq!(delay, Duration::from_secs(1));
    }

    #[test]
    fn the_last_failure_is_a_dead_letter() {
        assert_eq!(
            decide(&failed(None), &facts(5)),
            Disposition::Dead { reason: "retries_exhausted".into(), error: "boom".into() }
        );
    }

    #[test]
    fn a_refused_message_is_a_dead_letter_at_once() {
        let event = Event::Refused { reason: "not_json".into(), error: "line 1".into() };
        assert_eq!(
            decide(&event, &facts(0)),
            Disposition::Dead { reason: "not_json".into(), error: "line 1".into() }
        );
    }

    #[test]
    fn early_and_held_jobs_are_parked_without_spending_an_attempt() {
        let eta = DateTime::<Utc>::UNIX_EPOCH + chrono::Duration::seconds(70);
        assert_eq!(
            decide(&Event::Early { eta }, &facts(3)),
            Disposition::Park { delay: Duration::from_secs(70), due: None }
        );
        let held = Disposition::Park { delay: Duration::from_secs(2), due: None };
        assert_eq!(decide(&Event::Held, &facts(3)), held);
    }

    #[test]
    fn a_job_that_waits_for_its_turn_comes_back_then_and_spends_no_attempt() {
        let delay = Duration::from_secs(7);
        let due = Some(DateTime::<Utc>::UNIX_EPOCH + chrono::Duration::seconds(7));
        assert_eq!(
            decide(&Event::Waiting { delay, why: "suspect" }, &facts(5)),
            Disposition::Park { delay, due }
        );
    }

    #[test]
    fn a_job_whose_worker_died_waits_longer_each_time_and_is_given_up_beyond_the_limit() {
        let parked = |crashes| decide(&Event::Crashed { crashes }, &facts(0));
        for (crashes, seconds) in [(1, 1), (2, 2), (5, 16)] {
            let delay = Duration::from_secs(seconds);
            assert_eq!(parked(crashes), Disposition::Park { delay, due: None });
        }
        let Disposition::Dead { reason, .. } = parked(6) else { panic!() };
        assert_eq!(reason, "crash_loop");
        let spread = Facts { crash_jitter: 0.5, ..facts(0) };
        let half = Disposition::Park { delay: Duration::from_millis(500), due: None };
        assert_eq!(decide(&Event::Crashed { crashes: 1 }, &spread), half);
    }

    #[test]
    fn a_message_that_was_returned_often_is_renewed_ever_later_and_given_up_at_last() {
        let renewed = |renewals| decide(&Event::Returned { renewals }, &facts(0));
        for (before, seconds) in [(0, 1), (3, 8), (9, 512)] {
            let delay = Duration::from_secs(seconds);
            assert_eq!(renewed(before), Disposition::Renew { renewals: before + 1, delay });
        }
        let Disposition::Dead { reason, .. } = renewed(10) else { panic!() };
        assert_eq!(reason, "redelivery_limit");
    }

    #[test]
    fn an_expired_job_is_told_so_unless_it_failed_before() {
        assert_eq!(decide(&Event::Expired, &facts(0)), Disposition::Expire);
        assert_eq!(decide(&Event::Expired, &facts(1)), Disposition::FailExpired);
    }

    #[test]
    fn an_interrupted_job_goes_back_uncharged() {
        assert_eq!(decide(&Event::Interrupted, &facts(5)), Disposition::Requeue);
    }

    #[test]
    fn a_wait_beyond_the_calendar_ends_with_what_a_message_can_say() {
        for seconds in [u64::MAX, 300_000_000_000] {
            let Disposition::Retry { due, .. } = decide(&failed(Some(seconds)), &facts(0)) else { panic!() };
            assert_eq!(celery::parse_time(&celery::format_time(due)), Some(due));
        }
    }
}
