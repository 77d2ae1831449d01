use std::collections::BTreeSet;
use std::time::Duration;

use queue::{ConsumerSettings, WorkQueue};
use testbed::wait_until;
use tokio_util::sync::CancellationToken;

use crate::support::{Bed, SOON, Script, Step, Worker, consumers, finished, job_for, settings};

fn worker_1(prefetch: u64) -> Vec<(String, u64)> {
    vec![("worker-1".to_owned(), prefetch)]
}

fn wait_for_consumers(bed: &Bed, queue: &str, expected: &[(String, u64)]) {
    wait_until(&format!("{queue} has the consumers {expected:?}"), SOON, || {
        consumers(&bed.vhost, queue) == expected
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn each_queue_is_consumed_with_its_slots_as_prefetch_also_in_the_next_session() {
    let bed = Bed::new().await;
    let queues = vec![(WorkQueue::Periodic, 3), (WorkQueue::Adhoc, 1)];
    let worker = Worker::start(
        &bed,
        ConsumerSettings { queues, ..settings(&bed.vhost, 1) },
        Script::new(|_, _| finished()),
    );
    wait_for_consumers(&bed, "periodic", &worker_1(3));
    wait_for_consumers(&bed, "adhoc", &worker_1(1));
    assert_eq!(bed.vhost.close_all_connections().unwrap(), 2);
    wait_until("both connections are back", SOON, || bed.vhost.connections().unwrap().len() == 2);
    wait_for_consumers(&bed, "periodic", &worker_1(3));
    wait_for_consumers(&bed, "adhoc", &worker_1(1));
    for (queue, id) in [(WorkQueue::Periodic, "a"), (WorkQueue::Adhoc, "b")] {
        bed.publisher.publish(job_for(queue, id)).await.unwrap();
    }
    worker.script.wait_for_runs(2);
    bed.done(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_holds_no_more_than_it_runs_and_another_gets_the_rest() {
    let bed = Bed::new().await;
    for id in ["a", "b", "c"] {
        bed.enqueue(id).await;
    }
    let first = bed.worker(2, Script::new(|_, _| Step::Wait));
    first.script.wait_for_runs(2);
    bed.wait_for_depth("periodic", (1, 2));
    let other = ConsumerSettings { worker: "worker-2".into(), ..settings(&bed.vhost, 2) };
    let second = Worker::start(&bed, other, Script::new(|_, _| finished()));
    second.script.wait_for_runs(1);
    bed.wait_for_depth("periodic", (0, 2));
    first.script.gate.cancel();
    let first = bed.done(first).await.ids();
    assert_eq!(BTreeSet::from_iter(first), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    assert_eq!(second.stop().await.ids(), ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_adhoc_job_does_not_hold_up_periodic_ones() {
    let bed = Bed::new().await;
    let queues = vec![(WorkQueue::Periodic, 1), (WorkQueue::Adhoc, 1)];
    let plan =
        |attempt: &queue::Attempt, _| if attempt.queue == WorkQueue::Adhoc { Step::Wait } else { finished() };
    let worker =
        Worker::start(&bed, ConsumerSettings { queues, ..settings(&bed.vhost, 1) }, Script::new(plan));
    bed.publisher.publish(job_for(WorkQueue::Adhoc, "slow")).await.unwrap();
    worker.script.wait_for_runs(1);
    for id in ["a", "b"] {
        bed.enqueue(id).await;
    }
    wait_until("both have run", SOON, || worker.script.finished() == ["a", "b"]);
    worker.script.gate.cancel();
    assert_eq!(bed.done(worker).await.finished(), ["a", "b", "slow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_lost_connection_is_cancelled_and_its_job_runs_again() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let plan = |_: &queue::Attempt, before| if before == 0 { Step::Wait } else { finished() };
    let worker = bed.worker(1, Script::new(plan));
    worker.script.wait_for_runs(1);
    bed.vhost.close_all_connections().unwrap();
    worker.script.wait_for_runs(2);
    let script = bed.done(worker).await;
    assert_eq!(script.finished(), ["a"], "the first run was told to stop");
    assert!(
        script.runs().iter().all(|run| run.retries == 0 && run.last_error.is_none()),
        "nothing is charged"
    );
    assert!(script.concluded().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_after_its_connection_was_lost_is_not_acked_and_its_job_runs_again() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let worker = bed.worker(2, Script::new(|_, _| Step::Deaf));
    worker.script.wait_for_runs(1);
    assert_eq!(bed.vhost.close_all_connections().unwrap(), 2);
    worker.script.gate.cancel();
    wait_until("it has run twice", SOON, || worker.script.finished() == ["a", "a"]);
    wait_until("the publisher is back too", SOON, || bed.vhost.connections().unwrap().len() == 2);
    // Tag 1 of the old channel is tag 1 of the new one: an ack of it there would close the new session.
    let connections = bed.vhost.connections().unwrap();
    bed.enqueue("b").await;
    wait_until("it takes further jobs", SOON, || worker.script.finished() == ["a", "a", "b"]);
    assert_eq!(bed.vhost.connections().unwrap(), connections, "the session lives on");
    assert_eq!(bed.done(worker).await.finished().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_hear_that_its_connection_was_lost_is_dropped_before_its_job_runs_again() {
    let bed = Bed::new().await;
    bed.enqueue("a").await;
    let plan = |_: &queue::Attempt, before| if before == 0 { Step::Deaf } else { finished() };
    let worker = bed.worker(2, Script::new(plan));
    worker.script.wait_for_runs(1);
    bed.vhost.close_all_connections().unwrap();
    worker.script.wait_for_runs(2);
    worker.script.gate.cancel();
    assert_eq!(bed.done(worker).await.finished(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_back_with_its_prefetch_after_its_queue_was_deleted() {
    let bed = Bed::new().await;
    let worker = bed.worker(2, Script::new(|_, _| Step::Wait));
    wait_for_consumers(&bed, "periodic", &worker_1(2));
    bed.vhost.delete_queue("periodic").unwrap();
    // What is published before the queue is back is returned, and then sent again by whoever published it.
    for id in ["a", "b", "c"] {
        while bed.publisher.publish(crate::support::job(id)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    worker.script.wait_for_runs(2);
    // Not asked by the list of consumers: RabbitMQ 3.10 may lose from it those of a queue that was just made anew.
    bed.wait_for_depth("periodic", (1, 2));
    worker.script.gate.cancel();
    assert_eq!(bed.done(worker).await.finished().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_neither_lost_nor_charged_when_connections_are_closed_again_and_again() {
    const JOBS: usize = 300;
    let bed = Bed::new().await;
    let worker = bed.worker(4, Script::new(|_, _| finished()));
    let ids: Vec<String> = (0..JOBS).map(|id| id.to_string()).collect();
    let publishing = tokio::spawn({
        let (publisher, ids) = (bed.publisher.clone(), ids.clone());
        async move {
            for id in ids {
                publisher.publish(crate::support::job(&id)).await.unwrap();
            }
        }
    });
    for runs in [20, 80, 160] {
        worker.script.wait_for_runs(runs);
        bed.vhost.close_all_connections().unwrap();
    }
    tokio::time::timeout(SOON, publishing).await.unwrap().unwrap();
    let all = BTreeSet::from_iter(ids);
    wait_until("every job has run", SOON, || BTreeSet::from_iter(worker.script.finished()) == all);
    let script = bed.done(worker).await;
    assert!(script.runs().iter().all(|run| run.retries == 0));
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_cannot_heal_ends_with_an_error_instead_of_sitting_still() {
    let bed = Bed::new().await;
    let nowhere = queue::RabbitUrls::parse("amqp://guest:guest@127.0.0.1:1/%2f").unwrap();
    let limit = Duration::from_secs(1);
    let hopeless = ConsumerSettings { urls: nowhere, give_up_after: limit, ..settings(&bed.vhost, 1) };
    let script = std::sync::Arc::new(Script::new(|_, _| finished()));
    let consumer = queue::Consumer::new(hopeless, script, bed.publisher.clone());
    let ended = tokio::time::timeout(SOON, consumer.run(CancellationToken::new())).await.unwrap();
    assert!(matches!(ended, Err(queue::QueueError::GaveUp(after)) if after == limit), "{ended:?}");
}
