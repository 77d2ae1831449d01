use std::time::Duration;

use queue::ConsumerSettings;

use crate::support::{Bed, Script, Step, Worker, consumers, finished, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_finishes_within_the_grace_and_no_new_one_is_taken() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let worker = bed.worker(2, Script::new(|_, _| Step::Wait));
    worker.script.wait_for_runs(1);
    worker.stop.cancel();
    testbed::wait_until("it consumes no more", crate::support::SOON, || {
        consumers(&bed.vhost, "periodic").is_empty()
    });
    bed.enqueue("b").await;
    bed.wait_for_depth("periodic", (1, 1));
    worker.script.gate.cancel();
    let script = worker.ended().await;
    assert_eq!((script.ids(), script.finished()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    // Acked, not given back: only the other one is there.
    bed.wait_for_depth("periodic", (1, 0));
    let left = bed.vhost.get("periodic", 2).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0].headers["id"], left[0].redelivered), (&"b".into(), false));
}

/// A job that is under way when the grace ends goes to another worker, uncharged.
async fn is_given_to_another(running: fn() -> Step) {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let hasty = ConsumerSettings { grace: Duration::from_millis(200), ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, hasty, Script::new(move |_, _| running()));
    worker.script.wait_for_runs(1);
    let script = worker.stop().await;
    assert!(script.finished().is_empty() && script.concluded().is_empty());

    let other = ConsumerSettings { worker: "worker-2".into(), ..settings(&bed.vhost, 1) };
    let other = Worker::start(&bed, other, Script::new(|_, _| finished()));
    other.script.wait_for_runs(1);
    let runs = bed.done(other).await.runs();
    assert_eq!((runs.len(), runs[0].retries, runs[0].last_error.as_deref()), (1, 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_told_to_stop_after_the_grace_runs_elsewhere() {
    is_given_to_another(|| Step::Wait).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_not_listen_is_dropped_after_the_grace_and_runs_elsewhere() {
    is_given_to_another(|| Step::Deaf).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_during_the_grace_is_still_retried() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let script = Script::new(|_, before| if before == 0 { Step::Wait } else { finished() });
    let settings = ConsumerSettings { grace: Duration::from_secs(10), ..settings(&bed.vhost, 1) };
    let settings = ConsumerSettings { time_limit: Duration::from_millis(700), ..settings };
    let worker = Worker::start(&bed, settings, script);
    worker.script.wait_for_runs(1);
    // The time limit passes within the grace.
    let script = worker.stop().await;
    assert_eq!(script.runs().len(), 1);
    let other = bed.worker(1, Script::new(|_, _| finished()));
    other.script.wait_for_runs(1);
    assert_eq!(other.script.runs()[0].retries, 1);
    bed.done(other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_at_once_also_without_a_server() {
    let bed = Bed::new().await;
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    testbed::wait_until("it consumes", crate::support::SOON, || {
        !consumers(&bed.vhost, "periodic").is_empty()
    });
    let begun = std::time::Instant::now();
    worker.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let urls = queue::RabbitUrls::parse("amqp://guest:guest@127.0.0.1:1/%2f").unwrap();
    let nowhere = ConsumerSettings { urls, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, nowhere, Script::new(|_, _| finished()));
    let begun = std::time::Instant::now();
    worker.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
