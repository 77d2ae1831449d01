use super::scenario::{Death, Retry, Scenario, Service};
use super::{Outcome, simulate};

const SECOND: u64 = 1_000_000;

/// One worker that does one thing after the other: 1 s of its core, nothing of PostgreSQL.
fn scenario() -> Scenario {
    let service = Service { worker: SECOND, postgres: 0 };
    Scenario {
        accounts: 100,
        ticks: 1,
        interval: 1000 * SECOND,
        spread: 0,
        publish: 0,
        workers: 1,
        slots: 1,
        cores: 1,
        postgres_cores: 1,
        unchanged: service,
        one_new: service,
        news: 0.0,
        looks: 0.0,
        look: 0,
        failures: 0.0,
        retry: Retry::DEFAULT,
        death: None,
        seed: 7,
    }
}

/// Everything that can happen to a job, at random.
fn storm(seed: u64) -> Scenario {
    Scenario {
        accounts: 2000,
        ticks: 3,
        interval: 60 * SECOND,
        publish: 1000,
        workers: 3,
        slots: 8,
        cores: 2,
        postgres_cores: 2,
        unchanged: Service { worker: SECOND / 50, postgres: SECOND / 40 },
        one_new: Service { worker: SECOND / 10, postgres: SECOND / 8 },
        news: 0.2,
        looks: 0.1,
        look: SECOND,
        failures: 0.3,
        death: Some(Death { at: 70 * SECOND, return_after: 2 * SECOND, restart_after: 5 * SECOND }),
        seed,
        ..scenario()
    }
}

fn ended(outcome: &Outcome) -> u64 {
    outcome.done + outcome.expired + outcome.given_up
}

fn about(one: f64, other: f64, part: f64) -> bool {
    (one - other).abs() <= other * part
}

#[test]
fn equal_jobs_take_as_long_as_the_rounds_their_servers_need() {
    // ⌈M ÷ c⌉ × s, whichever is the narrowest: slots, cores of the worker, or those of PostgreSQL.
    for (jobs, servers) in [(1_u32, 1_u32), (100, 1), (100, 7), (98, 7), (5, 7)] {
        let rounds = f64::from(jobs.div_ceil(servers));
        let by = |scenario: Scenario| simulate(&Scenario { accounts: jobs, ..scenario }).tick;
        let (wide, narrow) = (1000, servers);
        let slots = Scenario { slots: narrow, cores: wide as usize, ..scenario() };
        let cores = Scenario { slots: wide, cores: narrow as usize, ..scenario() };
        let workers = Scenario { workers: narrow, slots: 1, ..scenario() };
        let stored = Service { worker: 0, postgres: SECOND };
        let postgres =
            Scenario { slots: wide, postgres_cores: narrow as usize, unchanged: stored, ..scenario() };
        assert_eq!([slots, cores, workers, postgres].map(by), [rounds; 4], "{jobs} jobs, {servers} servers");
    }
}

#[test]
fn two_stations_one_after_the_other_take_the_slower_ones_time_and_one_of_the_faster() {
    // A flow shop of two machines and equal jobs: (M - 1) × max + both.
    for (worker, postgres) in [(3, 5), (5, 3), (4, 4)] {
        let service = Service { worker: worker * SECOND, postgres: postgres * SECOND };
        let outcome = simulate(&Scenario { slots: 1000, unchanged: service, ..scenario() });
        assert_eq!(outcome.tick, (99 * worker.max(postgres) + worker + postgres) as f64);
    }
}

#[test]
fn jobs_that_come_at_random_wait_as_long_as_queueing_theory_says() {
    // M/D/1: ρ × s ÷ 2(1 - ρ). The line is PostgreSQL's; looks of very different length before it make arrivals random. The
    // same jobs with a core each wait for nothing, so what their slots are held longer with one core is the wait.
    for (gap, wait) in [(SECOND / 50, 0.005), (SECOND / 80, 0.02)] {
        let held = |postgres_cores| {
            let outcome = simulate(&Scenario {
                accounts: 200_000,
                interval: 1_000_000 * SECOND,
                publish: gap,
                slots: 4000,
                cores: 4000,
                postgres_cores,
                looks: 1.0,
                look: 20 * SECOND,
                unchanged: Service { worker: 0, postgres: SECOND / 100 },
                ..scenario()
            });
            1_000_000.0 * outcome.slots_busy * 4000.0 / 200_000.0
        };
        let waited = held(1) - held(4000);
        assert!(about(waited, wait, 0.1), "waits {waited} s, not {wait}");
    }
}

#[test]
fn a_job_ends_once_whatever_happens_to_it() {
    for seed in 0..20 {
        let outcome = simulate(&storm(seed));
        assert_eq!(ended(&outcome), 6000, "{outcome:?}");
        assert!(outcome.cut_short > 0, "the dead worker had nothing to do: {outcome:?}");
        assert!(outcome.expired + outcome.given_up > 0, "all went well: {outcome:?}");
    }
}

#[test]
fn a_scenario_has_one_outcome_and_another_seed_another() {
    assert_eq!(simulate(&storm(3)), simulate(&storm(3)));
    assert_ne!(simulate(&storm(3)), simulate(&storm(4)));
}

#[test]
fn a_killed_worker_loses_nothing_and_costs_the_time_it_was_away() {
    let calm = Scenario { workers: 4, slots: 2, cores: 2, ..scenario() };
    let death = Death { at: 5 * SECOND + 1, return_after: 2 * SECOND, restart_after: 6 * SECOND };
    let [calm, killed] = [None, Some(death)].map(|death| simulate(&Scenario { death, ..calm.clone() }));
    assert_eq!((calm.done, killed.done, calm.cut_short, killed.cut_short), (100, 100, 0, 2));
    // 8 jobs a second. Six seconds with 6, and the two that were cut short are done again.
    assert!(killed.tick > calm.tick && killed.tick <= calm.tick + 3.0, "{} {}", calm.tick, killed.tick);
}

#[test]
fn jobs_of_a_killed_worker_go_before_those_that_wait() {
    // Enqueued at 0.4, 0.8 and 1.2 s; the first is cut short, and all go on at 3.5 s.
    let death = Death { at: SECOND / 2, return_after: 2 * SECOND, restart_after: 3 * SECOND };
    let publish = SECOND * 2 / 5;
    let outcome = simulate(&Scenario { accounts: 3, publish, death: Some(death), ..scenario() });
    // Behind the others the first would be told 6.1 s after it was enqueued, and half of all within 4.3 s.
    assert_eq!((outcome.done, outcome.p50, outcome.oldest), (3, 4.7, 5.3));
}

#[test]
fn more_workers_never_make_it_slower() {
    let mut before = f64::INFINITY;
    for workers in 1..40 {
        let outcome = simulate(&Scenario {
            workers,
            failures: 0.0,
            death: None,
            interval: 10_000 * SECOND,
            ..storm(1)
        });
        assert_eq!(outcome.done, 6000);
        // Another worker may change who comes before whom in PostgreSQL, by less than a job.
        assert!(outcome.tick <= before + 0.25, "{workers} workers: {} after {before}", outcome.tick);
        before = outcome.tick;
    }
}

#[test]
fn a_job_whose_interval_is_over_expires_unless_it_ran_before() {
    let outcome = simulate(&Scenario { interval: 10 * SECOND, ..scenario() });
    // Eleven begin within ten seconds, the last of them at the very end.
    assert_eq!((outcome.done, outcome.expired, outcome.fresh), (11, 89, 0.1));
}

#[test]
fn a_job_whose_interval_is_over_between_two_runs_is_given_up() {
    let outcome = simulate(&Scenario { accounts: 1, interval: 3 * SECOND, failures: 1.0, ..scenario() });
    assert_eq!((outcome.done, outcome.expired, outcome.given_up), (0, 0, 1));
}

#[test]
fn an_account_is_in_time_by_when_it_was_due_however_late_its_job_was_published() {
    let (publish, interval) = (SECOND, 50 * SECOND);
    let outcome = simulate(&Scenario { publish, interval, slots: 100, cores: 100, ..scenario() });
    // The first is told after 2 s, the 49th after 50 s.
    assert_eq!((outcome.done, outcome.oldest, outcome.fresh), (100, 1.0, 0.49));
}

#[test]
fn a_dead_worker_takes_nothing_until_it_is_there_again() {
    let death = Death { at: SECOND / 2, return_after: 2 * SECOND, restart_after: 5 * SECOND };
    let outcome = simulate(&Scenario { accounts: 2, publish: SECOND, death: Some(death), ..scenario() });
    // Both were published meanwhile, and there is one slot as before.
    assert_eq!((outcome.done, outcome.cut_short, outcome.tick), (2, 0, 7.5));
}

#[test]
fn a_job_that_always_fails_is_tried_six_times_and_given_up() {
    let outcome = simulate(&Scenario { accounts: 1, failures: 1.0, ..scenario() });
    assert_eq!((outcome.done, outcome.given_up), (0, 1));
    // Six runs, and 5 + 10 + 20 + 40 + 80 s between them, each give or take a half.
    assert!((6.0 + 77.5..=6.0 + 232.5).contains(&outcome.tick), "{}", outcome.tick);
}

#[test]
fn a_spread_tick_has_younger_jobs_and_is_done_no_earlier() {
    let fleet = Scenario { accounts: 300, interval: 600 * SECOND, ..scenario() };
    let [at_once, spread] = [0, 500 * SECOND].map(|spread| simulate(&Scenario { spread, ..fleet.clone() }));
    assert_eq!((at_once.oldest, spread.oldest), (300.0, 1.0));
    assert!(spread.tick > at_once.tick);
}

#[test]
fn what_is_on_paper_is_what_happens() {
    use super::super::costs::Costs;
    use super::super::demand::{Demand, demand};
    use super::super::limit::Bounds;
    use super::super::plan::Plan;
    let (costs, bounds) = (Costs::measured(), Bounds::chosen());
    for (accounts, interval, looks) in [(20_000, 300, 0.0), (40_000, 60, 0.1), (100_000, 300, 0.2)] {
        let demand = Demand { looks, ..demand(accounts, interval) };
        let plan = Plan::of(&demand, &costs, &bounds);
        let calm = Scenario { death: None, failures: 0.0, ..Scenario::of(&demand, &plan, &costs, 1) };
        let outcome = simulate(&calm);
        assert_eq!(outcome.done, 3 * accounts);
        // On paper nothing waits for its turn; half a tick's end and the slowest look are what it leaves out.
        assert!(
            about(outcome.tick, plan.tick_seconds + looks * 2.0, 0.1),
            "{} {}",
            outcome.tick,
            plan.tick_seconds
        );
        let paper = plan.postgres_cores / plan.postgres_machine;
        assert!(about(outcome.postgres_busy, paper, 0.02), "{} {paper}", outcome.postgres_busy);
        assert_eq!(outcome.fresh, 1.0);
    }
}
