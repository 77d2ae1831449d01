use std::io::Write;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use queue::{
    DEAD_QUEUE, Destination, Message, NOTIFICATION_EXCHANGE, Publisher, Subscription, WorkQueue, queue_depths,
};
use serde_json::{Map, Value, json};
use testbed::Vhost;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Bed, SOON, Script, finished, job, urls};

fn queue_of(vhost: &Vhost, name: &str) -> Value {
    vhost.api("GET", &format!("/api/queues/{}/{name}", vhost.name()), None).unwrap()
}

fn exchange_of(vhost: &Vhost, name: &str) -> Value {
    vhost.api("GET", &format!("/api/exchanges/{}/{name}", vhost.name()), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn periodic_is_declared_as_celery_declares_it() {
    let bed = Bed::new().await;
    // What a Celery application with quorum queues declares; it would be refused if anything differed.
    bed.vhost.declare_queue("periodic", &json!({"x-queue-type": "quorum"})).unwrap();
    assert!(
        bed.vhost.declare_queue("periodic", &json!({"x-queue-type": "quorum", "x-max-length": 9})).is_err()
    );
    bed.vhost.declare_exchange("periodic", "direct").unwrap();
    assert!(bed.vhost.declare_exchange("periodic", "topic").is_err());
    let properties = json!({"delivery_mode": 2});
    assert!(bed.vhost.publish("periodic", "periodic", &properties, b"by the exchange").unwrap());
    bed.wait_for_depth("periodic", (1, 0));
    // And it is no obstacle to the next of ours.
    Bed::on(bed.vhost).await.publisher.publish(job("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_published_to_or_consumed_from_is_declared() {
    let bed = Bed::new().await;
    let steps: Vec<String> = (0..10).map(|power| format!("syncfleet.delay.{}s", 1 << power)).collect();
    let mut expected = vec!["adhoc".to_owned(), "periodic".to_owned(), DEAD_QUEUE.to_owned()];
    expected.extend(steps.iter().cloned());
    expected.sort();
    assert_eq!(bed.vhost.queues().unwrap(), expected);
    for (power, step) in steps.iter().enumerate() {
        let queue = queue_of(&bed.vhost, step);
        let arguments = json!({
            "x-queue-type": "quorum", "x-message-ttl": 1000 << power, "x-dead-letter-exchange": "",
            "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
        });
        assert_eq!((&queue["arguments"], &queue["durable"]), (&arguments, &json!(true)), "{step}");
        assert_eq!(exchange_of(&bed.vhost, step)["type"], "fanout");
    }
    for name in ["adhoc", "periodic", DEAD_QUEUE] {
        let queue = queue_of(&bed.vhost, name);
        assert_eq!(
            (&queue["arguments"], &queue["durable"]),
            (&json!({"x-queue-type": "quorum"}), &json!(true)),
            "{name}"
        );
    }
    let exchange = exchange_of(&bed.vhost, NOTIFICATION_EXCHANGE);
    assert_eq!((&exchange["type"], &exchange["durable"]), (&json!("topic"), &json!(true)));
    bed.enqueue("a").await;
    let depths = queue_depths(&urls(&bed.vhost), "test").await.unwrap();
    assert_eq!(depths.len(), 13);
    assert_eq!(depths.iter().map(|depth| depth.ready).sum::<u32>(), 1);
    assert_eq!((depths[0].name.as_str(), depths[0].ready), ("periodic", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_programs_may_declare_at_once() {
    let vhost = Vhost::create().unwrap();
    let publishers: Vec<_> = (0..10).map(|_| Publisher::start(urls(&vhost), "test")).collect();
    for connected in join_all(publishers.iter().map(|publisher| publisher.connected(SOON))).await {
        connected.unwrap();
    }
    assert_eq!(vhost.queues().unwrap().len(), 13);
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A vhost as a Celery application of old left it.
fn old_vhost() -> Vhost {
    let vhost = Vhost::create().unwrap();
    vhost.declare_queue("periodic", &json!({})).unwrap();
    let exchange = format!("/api/exchanges/{}/{NOTIFICATION_EXCHANGE}", vhost.name());
    vhost.api("PUT", &exchange, Some(&json!({"type": "topic", "durable": false}))).unwrap();
    vhost
}

// On one thread, whose log is caught: all tasks of ours run on it.
#[tokio::test]
async fn what_the_old_system_left_is_adopted_with_a_warning() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _caught = tracing::subscriber::set_default(subscriber);
    let vhost = old_vhost();
    let publisher = Publisher::start(urls(&vhost), "test");
    publisher.connected(SOON).await.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<_> =
        text.lines().filter(|line| line.contains(" WARN ") && line.contains("used as it is")).collect();
    assert_eq!(warnings.len(), 2, "{text}");
    assert!(warnings[0].contains("queue periodic") && warnings[0].contains("To migrate"), "{text}");
    assert!(
        warnings[1].contains("exchange sync_notifications") && warnings[1].contains("To migrate"),
        "{text}"
    );
    assert_eq!(queue_of(&vhost, "periodic")["type"], "classic");
    assert_eq!(exchange_of(&vhost, NOTIFICATION_EXCHANGE)["durable"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_system_left_works() {
    let bed = Bed::on(old_vhost()).await;
    let mut subscription = Subscription::open(&urls(&bed.vhost), "listener", "#").await.unwrap();
    let destination = Destination::Notification { routing_key: "account.Raghu.sync_completed".into() };
    bed.publisher.publish(Message::json(destination, "n".into(), &Map::new(), b"{}".to_vec())).await.unwrap();
    let notice = tokio::time::timeout(SOON, subscription.next()).await.unwrap().unwrap();
    assert_eq!(notice.message_id.as_deref(), Some("n"));

    bed.enqueue("a").await;
    let worker = bed.worker(
        1,
        Script::new(|attempt, before| {
            assert_eq!(attempt.queue, WorkQueue::Periodic);
            if before == 0 { crate::support::failed("boom") } else { finished() }
        }),
    );
    worker.script.wait_for_runs(2);
    assert_eq!(bed.done(worker).await.runs()[1].retries, 1);
    assert!(
        bed.vhost.publish("periodic", "periodic", &json!({}), b"").unwrap(),
        "the exchange is bound to it"
    );
}
