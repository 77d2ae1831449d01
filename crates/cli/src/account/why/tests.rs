use chrono::{DateTime, TimeDelta, Utc};
use ledger::Account;
use queue::QueueDepth;
use serde_json::json;
use storage::{AccountJobs, AccountOverview, JobWait, NotedWait, Outcome, OutcomeView, RunView, TickView};

use super::evidence::{Evidence, TickJob, WorkerAnswer, has_enqueued_since};
use super::verdict::{State, Verdict};

fn now() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// So many seconds ago.
fn before(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// An account that succeeded three minutes ago by the tick before the last one, whose queues are empty.
fn evidence() -> Evidence {
    let account = Account::new("default", "Raghu");
    let overview = AccountOverview {
        account: account.clone(),
        status: Some("success".to_owned()),
        last_sync_at: Some(before(180)),
        last_success_at: Some(before(180)),
        staleness_seconds: Some(180),
        open_external_orders: 0,
        paused: false,
        brokerage: None,
        login_needed: None,
    };
    let jobs = AccountJobs {
        now: now(),
        is_known: true,
        due_since: Some(before(9000)),
        ticks: Vec::new(),
        run: None,
        waits: Vec::new(),
        outcomes: vec![outcome("before", "success", 180)],
    };
    let names = ["periodic", "adhoc", "periodic.dead", "syncfleet.delay.1s"];
    let queues = names.map(|name| QueueDepth { name: name.to_owned(), ready: 0, consumers: 2 });
    let mut evidence = Evidence {
        account,
        overview,
        jobs,
        ticks: Vec::new(),
        queues: Some(queues.to_vec()),
        answer: WorkerAnswer::NotAsked,
    };
    tick(&mut evidence, 200, Some(199));
    let done = &mut evidence.ticks[0];
    done.outcome = Some(Outcome {
        sync_id: "before".to_owned(),
        account: evidence.account.clone(),
        status: "success".to_owned(),
        reason: None,
        report: None,
        finished_at: before(180),
    });
    evidence
}

/// A later tick, so many seconds ago, published or claimed until a minute ago.
fn tick(evidence: &mut Evidence, seconds: i64, published: Option<i64>) {
    let tick = TickView {
        at: before(seconds),
        beat: "beat-1".to_owned(),
        published_at: published.map(before),
        claimed_until: before(60),
        interval_seconds: Some(300.0),
        spread_seconds: Some(0.0),
    };
    evidence.jobs.ticks.insert(0, tick.clone());
    evidence.ticks.insert(0, TickJob::of(&tick, &evidence.account));
}

fn outcome(id: &str, status: &str, seconds: i64) -> OutcomeView {
    OutcomeView {
        sync_id: id.to_owned(),
        status: status.to_owned(),
        reason: None,
        superseded_by: None,
        worker: "w".to_owned(),
        retries: 0,
        started_at: Some(before(seconds + 1)),
        finished_at: before(seconds),
        report: None,
    }
}

/// A note of a job in `adhoc`, made so many seconds ago, when it was due, too.
fn noted(evidence: &mut Evidence, state: &str, seconds: i64) {
    let wait = JobWait {
        job_id: "noted".to_owned(),
        account: evidence.account.clone(),
        queue: "adhoc".to_owned(),
        state: state.to_owned(),
        reason: None,
        error: None,
        retries: 2,
        retries_max: Some(5),
        due_at: (state != "queued").then(|| before(seconds)),
        worker: "w".to_owned(),
        is_on_its_way: false,
    };
    evidence.jobs.waits.push(NotedWait { wait, noted_at: before(seconds) });
}

fn ready(evidence: &mut Evidence, name: &str, ready: u32) {
    for queue in evidence.queues.iter_mut().flatten().filter(|queue| queue.name == name) {
        queue.ready = ready;
    }
}

/// A run of ours on `w`, whose lease ends in so many seconds.
fn run(evidence: &mut Evidence, id: &str, left: i64, answer: WorkerAnswer) {
    evidence.jobs.run = Some(RunView {
        job_id: id.to_owned(),
        worker: Some("w".to_owned()),
        started_at: Some(before(190)),
        expires_at: before(-left),
    });
    evidence.answer = answer;
}

#[track_caller]
fn told(evidence: &Evidence, state: State, words: &[&str]) -> Verdict {
    let verdict = Verdict::of(evidence);
    let text = &verdict.text;
    assert_eq!(verdict.state, state, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    verdict
}

#[test]
fn an_account_whose_last_job_is_done_waits_for_the_next_tick() {
    told(&evidence(), State::Idle, &["Raghu: last sync 3 min ago, success; ", "the next tick is at"]);
}

#[test]
fn an_account_that_fails_at_every_tick_is_told_with_when_it_last_was_in_order() {
    let mut evidence = evidence();
    evidence.overview.status = Some("failed".to_owned());
    evidence.jobs.outcomes.insert(0, outcome("dead", "failed", 100));
    evidence.overview.last_success_at = Some(before(7300));
    told(&evidence, State::Dead, &["failed; in order until ", " (2 h ago)"]);
    evidence.overview.last_success_at = None;
    told(&evidence, State::Dead, &["failed; never in order"]);
}

#[test]
fn a_job_that_failed_and_expired_has_no_letter() {
    let mut evidence = evidence();
    let failed = OutcomeView {
        reason: Some("expired".to_owned()),
        report: Some(json!({"errors": ["Redis sync failed: away"]})),
        ..outcome("expired", "failed", 100)
    };
    evidence.jobs.outcomes.insert(0, failed);
    let verdict =
        told(&evidence, State::Expired, &["ran out of time between retries", "Redis sync failed: away"]);
    let mend = verdict.mend.unwrap_or_default();
    assert!(!verdict.text.contains("dead") && !mend.contains("dead"), "{mend}");
}

#[test]
fn the_hold_of_a_job_that_ended_is_no_run() {
    for left in [25, -5] {
        let mut evidence = evidence();
        run(&mut evidence, "before", left, WorkerAnswer::Silent);
        told(&evidence, State::Idle, &[]);
        // It was replayed, and began after its end.
        if let Some(run) = &mut evidence.jobs.run {
            run.started_at = Some(before(20));
        }
        told(&evidence, if left > 0 { State::Running } else { State::Stuck }, &["its job "]);
    }
}

#[test]
fn a_worker_that_says_that_it_does_not_run_the_job_has_answered() {
    for left in [8, 25] {
        let mut evidence = evidence();
        run(&mut evidence, "open", left, WorkerAnswer::DoesNotRun);
        let words = format!("its lease ends in {left} s, then another takes it");
        let verdict = told(&evidence, State::Stuck, &["says that it does not run it", &words]);
        assert!(!verdict.text.contains("does not answer"), "{}", verdict.text);
    }
    let mut evidence = evidence();
    run(&mut evidence, "open", 8, WorkerAnswer::Silent);
    told(&evidence, State::Stuck, &["does not answer"]);
}

#[test]
fn a_job_whose_queue_is_empty_is_missing_and_not_queued() {
    for state in ["queued", "retry", "parked"] {
        let mut lost = evidence();
        noted(&mut lost, state, 31);
        let verdict = told(&lost, State::Missing, &["nowhere to be seen", "adhoc has 0 ready"]);
        assert!(verdict.mend.is_some_and(|mend| mend.contains("syncfleet sync Raghu")));
        // For a while it may be between two queues.
        let mut fresh = evidence();
        noted(&mut fresh, state, 5);
        told(&fresh, State::Queued, &["adhoc", "0 ready"]);
        let mut there = evidence();
        noted(&mut there, state, 31);
        ready(&mut there, "adhoc", 3);
        told(&there, State::Queued, &["one of at most 3 waiting there"]);
        let mut delayed = evidence();
        noted(&mut delayed, state, 31);
        ready(&mut delayed, "syncfleet.delay.1s", 4);
        told(&delayed, State::Parked, &["may be one of the 4 in the delay steps"]);
        let mut unseen = evidence();
        noted(&mut unseen, state, 31);
        unseen.queues = None;
        told(&unseen, State::Queued, &[]);
    }
}

#[test]
fn a_missing_job_decides_nothing_once_another_ran_since_nor_before_one_that_is_there() {
    let mut evidence = evidence();
    noted(&mut evidence, "queued", 3000);
    ready(&mut evidence, "syncfleet.delay.1s", 4);
    let verdict = told(&evidence, State::Idle, &[]);
    assert!(verdict.jobs.is_empty());
    evidence.jobs.waits.clear();
    ready(&mut evidence, "syncfleet.delay.1s", 0);
    noted(&mut evidence, "queued", 100);
    tick(&mut evidence, 20, Some(19));
    ready(&mut evidence, "periodic", 7);
    let verdict = told(&evidence, State::Queued, &["is in periodic", "one of at most 7"]);
    assert_eq!(verdict.jobs.len(), 2);
}

#[test]
fn no_tick_is_told_only_where_nothing_else_brings_jobs() {
    let mut evidence = evidence();
    evidence.ticks.clear();
    // Celery's beat through the task for all accounts: jobs end, and no tick is ours.
    let verdict = told(&evidence, State::Idle, &["Celery's beat"]);
    assert!(!verdict.text.contains("next tick"), "{}", verdict.text);
    evidence.jobs.outcomes[0].finished_at = before(601);
    let verdict = told(&evidence, State::NoTick, &["no beat has ever published a tick"]);
    assert!(verdict.mend.is_some_and(|mend| mend.contains("syncfleet-beat") && mend.contains("Celery's")));
}

#[test]
fn of_a_new_account_nothing_is_claimed_while_others_are_queued() {
    let mut evidence = evidence();
    evidence.overview.status = None;
    (evidence.overview.last_sync_at, evidence.overview.last_success_at) = (None, None);
    evidence.jobs.outcomes.clear();
    evidence.jobs.due_since = None;
    evidence.ticks[0].outcome = None;
    ready(&mut evidence, "periodic", 40);
    told(&evidence, State::New, &["never synced", "nobody can see whose the 40 in periodic are"]);
    evidence.jobs.due_since = Some(evidence.ticks[0].due_at);
    told(&evidence, State::Queued, &["one of at most 40"]);
}

#[test]
fn a_tick_whose_beat_died_is_not_complete() {
    let mut evidence = evidence();
    tick(&mut evidence, 80, None);
    let verdict =
        told(&evidence, State::Publishing, &["is still to come", "is not complete, beat-1 stopped"]);
    assert!(verdict.mend.is_some_and(|mend| mend.contains("syncfleet-beat")));
    ready(&mut evidence, "periodic", 3);
    told(&evidence, State::Publishing, &["may be one of the 3 in periodic, or still to come"]);
    // By now another one would have been published by any beat.
    evidence.jobs.now = before(-600);
    told(&evidence, State::NoTick, &[]);
}

#[test]
fn depths_are_of_before_when_a_tick_was_published_or_a_job_noted_since() {
    let mut evidence = evidence();
    assert!(!has_enqueued_since(&evidence.jobs, before(10)));
    assert!(has_enqueued_since(&evidence.jobs, before(200)));
    noted(&mut evidence, "queued", 5);
    assert!(has_enqueued_since(&evidence.jobs, before(10)));
}
