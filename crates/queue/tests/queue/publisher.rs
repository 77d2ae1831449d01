use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use queue::{Destination, Message, PublishError, Publisher, RabbitUrls, Subscription, WorkQueue};
use serde_json::{Map, json};
use testbed::{RabbitMq, Vhost, wait_until};
use tokio::task::JoinHandle;

use crate::support::{Bed, SOON, job, job_for, urls};

fn notification(routing_key: &str, id: &str) -> Message {
    let destination = Destination::Notification { routing_key: routing_key.into() };
    Message::json(destination, id.into(), &Map::new(), b"{}".to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_is_in_the_queue() {
    let bed = Bed::new().await;
    bed.publisher.publish_all((0..600).map(|id| job(&id.to_string())).collect()).await.unwrap();
    bed.wait_for_depth("periodic", (600, 0));
    // Each once, in no order: several batches are under way at a time, on channels of their own.
    let found = bed.vhost.get("periodic", 601).unwrap();
    let ids: BTreeSet<_> =
        found.iter().filter_map(|message| message.properties["message_id"].as_str()?.parse().ok()).collect();
    assert_eq!((found.len(), ids), (600, (0..600).collect()));
    assert!(found.iter().all(|message| message.properties["delivery_mode"] == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_message_is_told_of_itself_among_five_hundred() {
    let bed = Bed::new().await;
    bed.vhost.delete_queue("adhoc").unwrap();
    let sent = (0..500).map(|id| {
        let queue = if id % 2 == 0 { WorkQueue::Periodic } else { WorkQueue::Adhoc };
        bed.publisher.publish(job_for(queue, &id.to_string()))
    });
    for (id, result) in join_all(sent).await.into_iter().enumerate() {
        let expected = if id % 2 == 0 { Ok(()) } else { Err(PublishError::Unroutable) };
        assert_eq!(result, expected, "{id}");
    }
    bed.wait_for_depth("periodic", (250, 0));
}

/// Publishes jobs from several tasks until it is told to stop, and counts the confirms.
struct Stream {
    confirmed: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Stream {
    fn start(publisher: &Publisher) -> Self {
        let (confirmed, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let tasks = (0..8).map(|task| {
            let (publisher, confirmed, stop) = (publisher.clone(), Arc::clone(&confirmed), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let id = format!("{task}-{}", ids.len());
                    publisher.publish(job(&id)).await.unwrap();
                    confirmed.fetch_add(1, Ordering::SeqCst);
                    ids.push(id);
                }
                ids
            })
        });
        Self { tasks: tasks.collect(), confirmed, stop }
    }

    /// Waits for so many confirms more.
    fn wait_for(&self, more: usize) {
        let wanted = self.confirmed.load(Ordering::SeqCst) + more;
        wait_until("messages are confirmed again", SOON, || self.confirmed.load(Ordering::SeqCst) >= wanted);
    }

    /// The ids of all that was confirmed.
    async fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut ids = BTreeSet::new();
        for task in self.tasks {
            ids.extend(task.await.unwrap());
        }
        ids
    }
}

/// Removes every message and returns their ids; duplicates are allowed.
fn arrived(vhost: &Vhost) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    loop {
        let messages = vhost.get("periodic", 5000).unwrap();
        if messages.is_empty() {
            return ids;
        }
        ids.extend(
            messages.iter().map(|message| message.properties["message_id"].as_str().unwrap().to_owned()),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_confirmed_message_is_lost_when_connections_are_closed() {
    let bed = Bed::new().await;
    let stream = Stream::start(&bed.publisher);
    for _ in 0..4 {
        stream.wait_for(50);
        assert!(bed.vhost.close_all_connections().unwrap() >= 1);
    }
    stream.wait_for(50);
    let confirmed = stream.end().await;
    let arrived = arrived(&bed.vhost);
    let lost: Vec<_> = confirmed.difference(&arrived).collect();
    assert!(lost.is_empty(), "of {} confirmed: {lost:?}", confirmed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_confirmed_message_is_lost_when_rabbitmq_restarts() {
    let rabbitmq = RabbitMq::start().unwrap();
    let bed = Bed::on(Vhost::create_on(&rabbitmq.url(), &rabbitmq.management_url()).unwrap()).await;
    let stream = Stream::start(&bed.publisher);
    stream.wait_for(200);
    rabbitmq.restart().unwrap();
    stream.wait_for(200);
    let confirmed = stream.end().await;
    let arrived = arrived(&bed.vhost);
    let lost: Vec<_> = confirmed.difference(&arrived).collect();
    assert!(lost.is_empty(), "of {} confirmed: {lost:?}", confirmed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_publisher_notices_a_closed_connection_and_is_back() {
    let bed = Bed::new().await;
    let before = bed.vhost.connections().unwrap();
    assert_eq!(bed.vhost.close_all_connections().unwrap(), 1);
    wait_until("there is another connection", SOON, || {
        let now = bed.vhost.connections().unwrap();
        now.len() == 1 && now != before
    });
    bed.enqueue("a").await;
    bed.wait_for_depth("periodic", (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_nobody_listens_to_is_fine() {
    let bed = Bed::new().await;
    bed.publisher.publish(notification("account.Raghu.sync_completed", "n-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_reaches_those_who_listen() {
    let bed = Bed::new().await;
    let mut subscription =
        Subscription::open(&urls(&bed.vhost), "listener", "account.*.sync_completed").await.unwrap();
    bed.publisher.publish(notification("account.Raghu.other", "n-1")).await.unwrap();
    let mut message = notification("account.Raghu.sync_completed", "n-2");
    message.body = br#"{"type":"sync_completed"}"#.to_vec();
    bed.publisher.publish(message).await.unwrap();
    let notice = tokio::time::timeout(SOON, subscription.next()).await.unwrap().unwrap();
    assert_eq!(notice.routing_key, "account.Raghu.sync_completed");
    assert_eq!(
        (notice.message_id.as_deref(), notice.body.as_slice()),
        (Some("n-2"), br#"{"type":"sync_completed"}"#.as_slice())
    );
    bed.vhost.close_all_connections().unwrap();
    let lost = tokio::time::timeout(SOON, subscription.next()).await.unwrap();
    assert!(lost.is_err(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_amqp_cannot_carry_is_refused_alone() {
    let bed = Bed::new().await;
    let results = join_all([
        bed.publisher.publish(job("a")),
        bed.publisher.publish(notification(&"k".repeat(256), "n-1")),
        bed.publisher.publish(job(&"i".repeat(256))),
        bed.publisher.publish(job("b")),
    ])
    .await;
    assert!(
        matches!(
            results[..],
            [Ok(()), Err(PublishError::Unsendable(_)), Err(PublishError::Unsendable(_)), Ok(())]
        ),
        "{results:?}"
    );
    bed.wait_for_depth("periodic", (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_which_rabbitmq_closes_the_channel_is_given_up_and_keeps_no_other() {
    let bed = Bed::new().await;
    // A `CC` that is no list.
    let header = Map::from_iter([("CC".to_owned(), json!(1))]);
    let poison =
        Message::json(Destination::Work(WorkQueue::Periodic), "poison".into(), &header, b"{}".to_vec());
    let messages =
        (0..20).map(|id| job(&id.to_string())).chain([poison]).chain((20..40).map(|id| job(&id.to_string())));
    let mut results =
        tokio::time::timeout(SOON, join_all(messages.map(|message| bed.publisher.publish(message))))
            .await
            .unwrap();
    let poisoned = results.remove(20);
    assert!(
        matches!(&poisoned, Err(PublishError::Unsendable(why)) if why.contains("closes the channel")),
        "{poisoned:?}"
    );
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let queued = bed.vhost.get("periodic", 1000).unwrap();
    let ids: BTreeSet<&str> =
        queued.iter().filter_map(|message| message.properties["message_id"].as_str()).collect();
    assert_eq!(ids.len(), 40);
    bed.publisher.publish(job("later")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_a_publisher_says_so_and_waits_no_longer_than_asked() {
    // Nobody listens on port 1.
    let publisher =
        Publisher::start(RabbitUrls::parse("amqp://guest:secret@127.0.0.1:1/%2f").unwrap(), "test");
    let limit = Duration::from_millis(500);
    assert_eq!(publisher.publish_patiently(vec![job("a")], limit).await, Err(PublishError::TimedOut(limit)));
    let error = publisher.connected(limit).await.unwrap_err();
    assert!(error.contains("127.0.0.1:1") && !error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_of_the_list_is_tried() {
    let vhost = Vhost::create().unwrap();
    let urls = RabbitUrls::parse(&format!("amqp://guest:guest@127.0.0.1:1/%2f,{}", vhost.url())).unwrap();
    let publisher = Publisher::start(urls, "test");
    publisher.connected(SOON).await.unwrap();
    publisher.publish(job("a")).await.unwrap();
    let message = vhost.get("periodic", 1).unwrap().remove(0);
    assert_eq!(message.headers["id"], json!("a"));
}
