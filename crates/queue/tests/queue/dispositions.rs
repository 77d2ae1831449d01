use std::time::Duration;

use celery::NewTask;
use chrono::Utc;
use queue::{ConsumerSettings, Ending, RetryPolicy, WorkQueue};
use serde_json::json;

use crate::support::{Bed, Script, Step, TASK, Worker, failed, finished, quick, settings, task};

/// A policy whose retries wait on one certain step.
fn on_step(seconds: u64) -> RetryPolicy {
    RetryPolicy { initial: Duration::from_secs(seconds), max: Duration::from_secs(seconds), ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_is_acked_and_runs_once() {
    let bed = Bed::new().await;
    for id in ["a", "b", "c"] {
        bed.enqueue(id).await;
    }
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(3);
    let script = bed.done(worker).await;
    assert_eq!(script.ids(), ["a", "b", "c"]);
    assert!(script.concluded().is_empty());
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_waits_on_a_delay_step_with_one_more_retry() {
    let bed = Bed::new().await;
    let mut task = task("a");
    task.extra_headers.insert("traceparent".into(), json!("00-1-2-01"));
    let body = celery::encode(&task).body;
    bed.enqueue_task(task).await;
    let settings = ConsumerSettings { policy: on_step(64), ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(|_, _| failed("boom")));
    bed.wait_for_depth("syncfleet.delay.64s", (1, 0));
    bed.wait_for_depth("periodic", (0, 0));
    let copy = bed.vhost.get("syncfleet.delay.64s", 1).unwrap().remove(0);
    let eta = celery::parse_time(copy.headers["eta"].as_str().unwrap()).unwrap();
    let due = worker.script.runs()[0].began + chrono::Duration::seconds(64);
    assert!((eta - due).abs() < chrono::Duration::seconds(5), "{eta} {due}");
    assert_eq!(copy.headers["retries"], 1);
    assert_eq!(copy.headers["syncfleet-error"], "boom");
    assert_eq!((&copy.headers["id"], &copy.headers["task"]), (&json!("a"), &json!(TASK)));
    assert_eq!(copy.headers["traceparent"], "00-1-2-01");
    assert_eq!(copy.payload, body);
    // The routing key is where it comes back to.
    assert_eq!(copy.routing_key, "periodic");
    let kept = ["message_id", "correlation_id", "content_type", "content_encoding", "delivery_mode"];
    let kept: Vec<_> = kept.iter().map(|property| &copy.properties[property]).collect();
    assert_eq!(json!(kept), json!(["a", "a", "application/json", "utf-8", 2]));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_comes_back_by_itself_and_may_succeed() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let worker =
        bed.worker(1, Script::new(|_, before| if before == 0 { failed("boom") } else { finished() }));
    worker.script.wait_for_runs(2);
    let runs = bed.done(worker).await.runs();
    assert_eq!((runs[0].retries, runs[0].eta, runs[0].last_error.as_deref()), (0, None, None));
    assert_eq!((runs[1].retries, runs[1].last_error.as_deref()), (1, Some("boom")));
    assert!(runs[1].eta.unwrap() <= runs[1].began);
    assert!(runs[1].began - runs[0].began >= chrono::Duration::seconds(1), "it took the shortest step");
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_comes_back_to_the_queue_it_came_from() {
    let bed = Bed::new().await;
    bed.publisher.publish(crate::support::job_for(WorkQueue::Adhoc, "a")).await.unwrap();
    let settings = ConsumerSettings { queues: vec![(WorkQueue::Adhoc, 1)], ..settings(&bed.vhost, 1) };
    let script = Script::new(|attempt, before| {
        assert_eq!(attempt.queue, WorkQueue::Adhoc);
        if before == 0 { failed("boom") } else { finished() }
    });
    let worker = Worker::start(&bed, settings, script);
    worker.script.wait_for_runs(2);
    assert_eq!(bed.done(worker).await.finished().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_left_alone_is_left_alone_for_longer_than_the_policy() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let plan = |_: &queue::Attempt, _| {
        let retry_after = Some(Duration::from_secs(40));
        Step::End(Ending::Failed { error: "429".into(), retry_after, report: None })
    };
    let worker = bed.worker(1, Script::new(plan));
    bed.wait_for_depth("syncfleet.delay.32s", (1, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_retries_left_is_told_as_dead_and_kept_with_its_story() {
    let bed = Bed::new().await;
    let body = celery::encode(&task("a")).body;
    bed.enqueue("a").await;
    let settings =
        ConsumerSettings { policy: RetryPolicy { retries: 1, ..quick() }, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(|_, before| failed(&format!("boom {before}"))));
    let letter = bed.dead_letters(1).remove(0);
    let script = bed.done(worker).await;
    assert_eq!(script.runs().len(), 2);
    assert_eq!(
        json!(script.concluded()),
        json!([{"id": "a", "end": "dead", "reason": "retries_exhausted", "error": "boom 1",
                "report": {"left by": "boom 1"}}])
    );
    let header = |name: &str| letter.headers[format!("syncfleet-{name}")].clone();
    assert_eq!((header("reason"), header("error")), (json!("retries_exhausted"), json!("boom 1")));
    assert_eq!((header("attempts"), header("worker")), (json!(2), json!("worker-1")));
    assert_eq!(header("queue"), "periodic");
    let at = |name| celery::parse_time(header(name).as_str().unwrap()).unwrap();
    assert!(
        at("last-failed-at") - at("first-failed-at") >= chrono::Duration::seconds(1),
        "{:?}",
        letter.headers
    );
    assert_eq!((&letter.headers["id"], letter.payload), (&json!("a"), body));
    assert_eq!(letter.properties["message_id"], "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_very_long_error_does_not_break_the_copy() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let settings =
        ConsumerSettings { policy: RetryPolicy { retries: 1, ..quick() }, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(|_, _| failed(&"é".repeat(1 << 20))));
    let letter = bed.dead_letters(1).remove(0);
    assert_eq!(letter.headers["syncfleet-error"].as_str().unwrap().len(), 2048);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_job_is_parked_and_spends_no_attempt() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let plan = |_: &queue::Attempt, before| if before < 2 { Step::End(Ending::Held) } else { finished() };
    let settings =
        ConsumerSettings { policy: RetryPolicy { retries: 0, ..quick() }, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(plan));
    worker.script.wait_for_runs(3);
    let script = bed.done(worker).await;
    let runs = script.runs();
    assert!(
        runs.iter().all(|run| run.retries == 0 && run.eta.is_none() && run.last_error.is_none()),
        "{runs:?}"
    );
    assert!(runs[2].began - runs[0].began >= chrono::Duration::seconds(2));
    assert!(script.concluded().is_empty() && bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_is_dead_at_once() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let plan = |_: &queue::Attempt, _| {
        Step::End(Ending::Refused { reason: "bad_arguments".into(), error: "takes 2".into() })
    };
    let worker = bed.worker(1, Script::new(plan));
    let letter = bed.dead_letters(1).remove(0);
    let script = bed.done(worker).await;
    assert_eq!(letter.headers["syncfleet-reason"], "bad_arguments");
    assert_eq!(
        (&letter.headers["syncfleet-error"], &letter.headers["syncfleet-attempts"]),
        (&json!("takes 2"), &json!(1))
    );
    assert_eq!(script.runs().len(), 1);
    assert_eq!(script.concluded()[0]["reason"], "bad_arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failed_attempt_and_harms_nobody_else() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    bed.enqueue("b").await;
    let plan = |attempt: &queue::Attempt, before| {
        if attempt.task.id == "a" && before == 0 { Step::Panic } else { finished() }
    };
    let worker = bed.worker(2, Script::new(plan));
    worker.script.wait_for_runs(3);
    let script = bed.done(worker).await;
    let again = script.runs().into_iter().find(|run| run.retries == 1).unwrap();
    assert_eq!((again.id.as_str(), again.last_error.as_deref()), ("a", Some("panicked: as told")));
    let mut finished = script.finished();
    finished.sort();
    assert_eq!(finished, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_its_time_limit_is_cut_and_counts_as_failed() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let settings = ConsumerSettings { time_limit: Duration::from_millis(300), ..settings(&bed.vhost, 1) };
    let plan = |_: &queue::Attempt, before| if before == 0 { Step::Deaf } else { finished() };
    let worker = Worker::start(&bed, settings, Script::new(plan));
    worker.script.wait_for_runs(2);
    let script = bed.done(worker).await;
    assert_eq!(script.runs()[1].retries, 1);
    assert!(script.runs()[1].last_error.as_deref().unwrap().starts_with("time limit"));
    assert_eq!(script.finished().len(), 1, "the first run never came to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_producers_time_limit_counts_where_it_is_shorter() {
    let bed = Bed::new().await;
    let properties = json!({
        "content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "a",
        "headers": {"task": TASK, "id": "a", "timelimit": [0.3, 0]},
    });
    assert!(bed.vhost.publish("", "periodic", &properties, b"[[],{},{}]").unwrap());
    let plan = |_: &queue::Attempt, before| if before == 0 { Step::Deaf } else { finished() };
    let worker = bed.worker(1, Script::new(plan));
    worker.script.wait_for_runs(2);
    assert!(worker.script.runs()[1].last_error.as_deref().unwrap().starts_with("time limit"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_job_is_told_and_acked_and_does_not_run() {
    let bed = Bed::new().await;
    let expires = Some(Utc::now() - chrono::Duration::seconds(1));
    bed.enqueue_task(NewTask { expires, ..task("a") }).await;
    bed.enqueue("b").await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    let script = bed.done(worker).await;
    assert_eq!(script.ids(), ["b"]);
    assert_eq!(json!(script.concluded()), json!([{"id": "a", "end": "expired"}]));
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_expires_between_retries_is_told_as_failed_and_is_no_dead_letter() {
    let bed = Bed::new().await;
    let expires = Some(Utc::now() + chrono::Duration::seconds(4));
    bed.enqueue_task(NewTask { expires, ..task("a") }).await;
    let settings = ConsumerSettings { policy: on_step(4), ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(|_, _| failed("boom")));
    testbed::wait_until("its end is told", crate::support::SOON, || !worker.script.concluded().is_empty());
    let script = bed.done(worker).await;
    assert_eq!(script.runs().len(), 1);
    let expected = json!([{"id": "a", "end": "failed and expired", "error": "boom"}]);
    assert_eq!(json!(script.concluded()), expected);
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_job_runs_not_before_its_time_and_soon_after() {
    let bed = Bed::new().await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    for (id, delay) in [("a", 900), ("b", 2500)] {
        let eta = Utc::now() + chrono::Duration::milliseconds(delay);
        bed.enqueue_task(NewTask { eta: Some(eta), ..task(id) }).await;
    }
    worker.script.wait_for_runs(2);
    for run in worker.script.runs() {
        let late = run.began - run.eta.unwrap();
        assert!(
            late >= chrono::Duration::zero() && late < chrono::Duration::milliseconds(1200),
            "{}: {late}",
            run.id
        );
        assert_eq!(run.retries, 0);
    }
    bed.done(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_job_takes_no_slot_while_it_waits() {
    let bed = Bed::new().await;
    let eta = Some(Utc::now() + chrono::Duration::seconds(600));
    bed.enqueue_task(NewTask { eta, ..task("a") }).await;
    bed.enqueue("b").await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    bed.wait_for_depth("syncfleet.delay.512s", (1, 0));
    assert_eq!(bed.done(worker).await.ids(), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_could_not_be_told_is_told_another_time() {
    let bed = Bed::new().await;
    let expires = Some(Utc::now() - chrono::Duration::seconds(1));
    bed.enqueue_task(NewTask { expires, ..task("a") }).await;
    let worker = bed.worker(1, Script::new(|_, _| finished()).failing_conclusions(2));
    testbed::wait_until("its end is told", crate::support::SOON, || !worker.script.concluded().is_empty());
    assert_eq!(bed.done(worker).await.concluded().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_its_turn_comes_back_then_and_spends_no_retry() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let delay = Duration::from_millis(1500);
    let script = Script::new(move |_, before| {
        if before == 0 { Step::End(Ending::Waiting { delay, why: "rate_limit" }) } else { finished() }
    });
    let worker = bed.worker(1, script);
    worker.script.wait_for_runs(2);
    let runs = bed.done(worker).await.runs();
    assert_eq!(runs.iter().map(|run| run.retries).collect::<Vec<_>>(), [0, 0]);
    assert!(runs[1].began - runs[0].began >= chrono::Duration::milliseconds(1500), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_died_comes_back_and_beyond_the_limit_is_a_dead_letter() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let crashed = |crashes| Step::End(Ending::Crashed { crashes });
    let worker = bed.worker(1, Script::new(move |_, before| crashed(u32::try_from(before).unwrap() + 1)));
    let letter = bed.dead_letters(1).remove(0);
    assert_eq!(letter.headers["syncfleet-reason"], "crash_loop");
    let script = bed.done(worker).await;
    assert_eq!(script.runs().len(), 3, "the limit is 2");
    assert_eq!(script.concluded()[0]["reason"], "crash_loop");
}

/// Takes the only message of `periodic` and gives it back, so often.
fn return_often(bed: &Bed, times: usize) {
    for _ in 0..times {
        let body = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "base64"});
        let path = format!("/api/queues/{}/periodic/get", bed.vhost.name());
        let found = bed.vhost.api("POST", &path, Some(&body)).unwrap();
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_returned_ten_times_is_renewed_before_anything_is_read_of_it() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    return_often(&bed, 12);
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    let script = bed.done(worker).await;
    assert_eq!(script.ids(), ["a"]);
    assert!(bed.dead_letters(0).is_empty());

    let mut gone_round = task("b");
    gone_round.extra_headers.insert("syncfleet-renewals".into(), json!(10));
    bed.enqueue_task(gone_round).await;
    return_often(&bed, 12);
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    let letter = bed.dead_letters(1).remove(0);
    assert_eq!(letter.headers["syncfleet-reason"], "redelivery_limit");
    assert!(bed.done(worker).await.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_somebody_wrote_into_a_message_is_not_believed() {
    let bed = Bed::new().await;
    let mut forged = task("a");
    forged.extra_headers.insert("x-delivery-count".into(), json!(50));
    bed.enqueue_task(forged).await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    bed.done(worker).await;
}
