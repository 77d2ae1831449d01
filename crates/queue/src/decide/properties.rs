//! What holds for every event and every fact, however odd.

use proptest::prelude::*;

use super::*;

/// From nothing to what no clock can count, and what is usual.
fn any_delay() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..1_000_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

/// Over all that can be written into a message, and beyond.
fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    let extremes = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC];
    let usual = (-1_000_000_000..100_000_000_000_i64).prop_map(|at| DateTime::from_timestamp(at, 0).unwrap());
    prop_oneof![4 => usual, 1 => prop::sample::select(extremes.to_vec())]
}

/// Few, and as many as fit.
fn any_count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..12_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn any_event() -> impl Strategy<Value = Event> {
    let words = || "[a-z_]{1,12}";
    prop_oneof![
        (words(), words()).prop_map(|(reason, error)| Event::Refused { reason, error }),
        any_time().prop_map(|eta| Event::Early { eta }),
        Just(Event::Expired),
        Just(Event::Finished),
        Just(Event::Held),
        any_count().prop_map(|crashes| Event::Crashed { crashes }),
        any_count().prop_map(|renewals| Event::Returned { renewals }),
        any_delay().prop_map(|delay| Event::Waiting { delay, why: "suspect" }),
        (words(), prop::option::of(any_delay()))
            .prop_map(|(error, retry_after)| Event::Failed { error, retry_after }),
        Just(Event::Interrupted),
    ]
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let counts = (any_count(), any_count(), any_count());
    (counts, any_delay(), any_delay(), any::<f64>(), any_time()).prop_map(
        |((retries, retries_max, crash_limit), retry_delay, hold_delay, crash_jitter, now)| Facts {
            retries,
            retries_max,
            retry_delay,
            hold_delay,
            crash_limit,
            crash_jitter,
            now,
        },
    )
}

/// How long the longest delay step holds a message.
const LONGEST_STEP: Duration = Duration::from_secs(512);

proptest! {
    #[test]
    fn only_what_is_done_or_too_late_ends_without_a_copy(event in any_event(), facts in any_facts()) {
        let ends = match decide(&event, &facts) {
            Disposition::Ack => matches!(event, Event::Finished),
            Disposition::Expire => event == Event::Expired && facts.retries == 0,
            Disposition::FailExpired => event == Event::Expired && facts.retries > 0,
            // The others put a copy somewhere, or the message back.
            _ => !matches!(event, Event::Finished | Event::Expired),
        };
        prop_assert!(ends);
    }

    #[test]
    fn a_job_is_given_up_only_when_it_has_had_its_chances_and_with_a_reason(
        event in any_event(),
        facts in any_facts(),
    ) {
        if let Disposition::Dead { reason, error } = decide(&event, &facts) {
            prop_assert!(!reason.is_empty() && !error.is_empty());
            let had_its_chances = match &event {
                Event::Refused { reason: told, .. } => *told == reason,
                Event::Failed { .. } => reason == "retries_exhausted" && facts.retries >= facts.retries_max,
                Event::Crashed { crashes } => reason == "crash_loop" && *crashes > facts.crash_limit,
                Event::Returned { renewals } => reason == "redelivery_limit" && *renewals >= RENEWALS_MAX,
                _ => false,
            };
            prop_assert!(had_its_chances, "{reason}");
        }
    }

    #[test]
    fn only_a_failure_spends_an_attempt_and_only_one_of_those_there_are(
        event in any_event(),
        facts in any_facts(),
    ) {
        if let Disposition::Retry { retries, .. } = decide(&event, &facts) {
            let failed = matches!(event, Event::Failed { .. });
            prop_assert!(failed);
            prop_assert_eq!(u64::from(retries), u64::from(facts.retries) + 1);
            prop_assert!(retries <= facts.retries_max);
        }
    }

    #[test]
    fn a_retry_comes_when_it_was_asked_to_else_when_the_policy_says(
        retry_after in prop::option::of(any_delay()),
        facts in any_facts(),
    ) {
        let event = Event::Failed { error: "boom".to_owned(), retry_after };
        if let Disposition::Retry { delay, due, .. } = decide(&event, &facts) {
            let asked = retry_after.unwrap_or(facts.retry_delay);
            prop_assert_eq!(delay, asked);
            prop_assert!(due == LATEST || until(due, facts.now) == asked);
        }
    }

    #[test]
    fn what_comes_back_at_a_time_says_so_in_words_that_can_be_read(event in any_event(), facts in any_facts()) {
        let due = match decide(&event, &facts) {
            Disposition::Retry { due, .. } => Some(due),
            Disposition::Park { due, .. } => due,
            _ => None,
        };
        if let Some(due) = due.filter(|_| facts.now < LATEST && facts.now > DateTime::<Utc>::MIN_UTC) {
            let read = celery::parse_time(&celery::format_time(due));
            let lost = read.map(|read| (due - read).num_nanoseconds());
            prop_assert!(matches!(lost, Some(Some(0..1000))), "{due}");
        }
    }

    #[test]
    fn crashes_and_returns_wait_within_the_delay_steps_and_never_shorter_than_before(
        count in any_count(),
        facts in any_facts(),
    ) {
        let delay = |event| match decide(&event, &facts) {
            Disposition::Park { delay, due: None } | Disposition::Renew { delay, .. } => Some(delay),
            _ => None,
        };
        let crashes = |crashes| delay(Event::Crashed { crashes });
        let returns = |renewals| delay(Event::Returned { renewals });
        for (first, second) in [
            (crashes(count), crashes(count.saturating_add(1))),
            (returns(count), returns(count.saturating_add(1))),
        ] {
            for delay in [first, second].into_iter().flatten() {
                prop_assert!(delay >= Duration::from_millis(500) && delay <= LONGEST_STEP);
            }
            // Whoever is given up at the first is given up at the second.
            prop_assert!(second.is_none_or(|second| first.is_some_and(|first| first <= second)));
        }
    }

    #[test]
    fn a_renewal_counts_one(renewals in any_count(), facts in any_facts()) {
        if let Disposition::Renew { renewals: counted, .. } = decide(&Event::Returned { renewals }, &facts) {
            prop_assert_eq!(counted, renewals + 1);
        }
    }
}
