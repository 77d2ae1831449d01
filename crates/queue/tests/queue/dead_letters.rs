use std::collections::HashSet;

use chrono::{DateTime, Utc};
use queue::{
    ConsumerSettings, DEAD_QUEUE, DeadLetters, Destination, Message, QueueError, READER_QUEUE, RetryPolicy,
    WorkQueue,
};
use serde_json::{Map, Value, json};
use testbed::{Vhost, wait_until};

use crate::support::{Bed, SOON, Script, TASK, Worker, failed, finished, job_for, quick, settings, urls};

/// A letter as a worker writes one.
fn letter(id: &str) -> Message {
    let headers = json!({"id": id, "task": TASK, "retries": 5, "eta": "2026-01-01T00:00:00+00:00",
                         "expires": "2026-01-01T00:05:00+00:00", "root_id": id, "syncfleet-reason": "retries_exhausted",
                         "syncfleet-error": "boom", "syncfleet-attempts": 6, "syncfleet-worker": "w",
                         "syncfleet-queue": "adhoc", "syncfleet-renewals": 2,
                         "syncfleet-first-failed-at": "2026-01-01T00:00:00+00:00",
                         "syncfleet-last-failed-at": "2026-01-01T00:04:00+00:00"});
    let body = json!([["org", "Raghu"], {}, {}]).to_string().into_bytes();
    Message::json(Destination::Dead, id.to_owned(), headers.as_object().unwrap(), body)
}

async fn bed_with(ids: &[&str]) -> Bed {
    let bed = Bed::new().await;
    for id in ids {
        bed.publisher.publish(letter(id)).await.unwrap();
    }
    bed
}

async fn open(vhost: &Vhost) -> DeadLetters {
    DeadLetters::open(&urls(vhost), "reader").await.unwrap()
}

fn ids(dead: &DeadLetters) -> Vec<&str> {
    dead.letters().iter().map(|letter| letter.id.as_str()).collect()
}

fn only(id: &str) -> HashSet<String> {
    HashSet::from([id.to_owned()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_changes_nothing_and_keeps_the_order() {
    let bed = bed_with(&["a", "b", "c"]).await;
    for _ in 0..3 {
        let dead = open(&bed.vhost).await;
        assert_eq!(ids(&dead), ["a", "b", "c"]);
        let first = &dead.letters()[0];
        assert_eq!((first.task.as_deref(), first.reason.as_deref()), (Some(TASK), Some("retries_exhausted")));
        assert_eq!((first.error.as_deref(), first.attempts), (Some("boom"), Some(6)));
        assert_eq!((first.queue, &first.args), (WorkQueue::Adhoc, &vec![json!("org"), json!("Raghu")]));
        assert_eq!(first.last_failed_at, celery::parse_time("2026-01-01T00:04:00Z"));
        dead.close().await.unwrap();
    }
    let letters = bed.dead_letters(3);
    let found: Vec<_> = letters.iter().map(|letter| letter.properties["message_id"].clone()).collect();
    assert_eq!(json!(found), json!(["a", "b", "c"]));
    assert_eq!(letters[0].headers["syncfleet-renewals"], 2);
    assert!(!bed.vhost.queues().unwrap().contains(&READER_QUEUE.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_again_and_again_loses_nothing_and_never_counts_up_to_a_limit() {
    let bed = bed_with(&["a", "b", "c"]).await;
    // As RabbitMQ 4 has it by itself, only sooner: beyond it a message is dropped.
    let policy = json!({"pattern": ".*", "definition": {"delivery-limit": 12}, "apply-to": "queues"});
    let path = format!("/api/policies/{}/limit", bed.vhost.name());
    bed.vhost.api("PUT", &path, Some(&policy)).unwrap();
    for look in 0..25 {
        let dead = open(&bed.vhost).await;
        assert_eq!(ids(&dead), ["a", "b", "c"], "look {look}");
        dead.close().await.unwrap();
    }
    for letter in bed.dead_letters(3) {
        assert!(letter.headers["x-delivery-count"].as_i64().unwrap() <= 10, "{}", letter.headers);
        assert_eq!(
            (&letter.headers["syncfleet-attempts"], &letter.headers["id"]),
            (&json!(6), &letter.properties["message_id"])
        );
        assert_eq!(letter.properties["delivery_mode"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reader_is_refused_until_the_first_has_ended() {
    let bed = bed_with(&["a"]).await;
    let first = open(&bed.vhost).await;
    let refused = DeadLetters::open(&urls(&bed.vhost), "second").await.err().unwrap();
    assert!(matches!(refused, QueueError::Busy), "{refused}");
    first.close().await.unwrap();
    let second = open(&bed.vhost).await;
    assert_eq!(ids(&second), ["a"]);
    second.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_connection_dies_in_the_middle_loses_nothing() {
    let bed = bed_with(&["a", "b", "c"]).await;
    let mut dead = open(&bed.vhost).await;
    let replay = dead.replay(&only("b"), Utc::now()).await;
    assert_eq!(replay.ids, ["b"]);
    // The ack has arrived once a further answer has come.
    assert_eq!(dead.purge(&HashSet::new()).await.unwrap(), Vec::<String>::new());
    wait_until("its connections are known", SOON, || bed.vhost.connections().unwrap().len() >= 2);
    bed.vhost.close_all_connections().unwrap();
    let all = HashSet::from(["a".to_owned(), "c".to_owned()]);
    let replay = dead.replay(&all, Utc::now()).await;
    assert!(replay.ids.is_empty() && replay.error.is_some(), "{replay:?}");
    assert!(dead.close().await.is_err());
    bed.wait_for_depth(DEAD_QUEUE, (2, 0));
    let dead = open(&bed.vhost).await;
    assert_eq!(ids(&dead), ["a", "c"]);
    dead.close().await.unwrap();
    bed.wait_for_depth("adhoc", (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_dropped_gives_everything_back() {
    let bed = bed_with(&["a", "b"]).await;
    drop(open(&bed.vhost).await);
    bed.wait_for_depth(DEAD_QUEUE, (2, 0));
    assert_eq!(bed.dead_letters(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_letter_is_a_fresh_job_on_its_own_queue_and_a_letter_no_more() {
    let bed = bed_with(&["a", "b"]).await;
    let now: DateTime<Utc> = "2026-11-27T10:00:00.5Z".parse().unwrap();
    let mut dead = open(&bed.vhost).await;
    let replay = dead.replay(&HashSet::from(["b".to_owned(), "unknown".to_owned()]), now).await;
    assert_eq!((replay.ids, replay.error.is_none()), (vec!["b".to_owned()], true));
    assert_eq!(ids(&dead), ["a"]);
    dead.close().await.unwrap();
    bed.wait_for_depth("adhoc", (1, 0));
    let job = bed.vhost.get("adhoc", 1).unwrap().remove(0);
    let at = json!(celery::format_time(now));
    let mut headers = job.headers.as_object().unwrap().clone();
    headers.remove("x-delivery-count");
    assert_eq!(
        Value::Object(headers),
        json!({"id": "b", "task": TASK, "root_id": "b", "retries": 0, "syncfleet-enqueued-at": at,
               "syncfleet-replayed-at": at})
    );
    assert_eq!((&job.properties["message_id"], &job.properties["delivery_mode"]), (&json!("b"), &json!(2)));
    assert_eq!(job.payload, json!([["org", "Raghu"], {}, {}]).to_string().into_bytes());
    assert_eq!(bed.dead_letters(1)[0].properties["message_id"], "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_failed_to_the_end_runs_again_when_replayed_and_has_all_its_retries() {
    let bed = Bed::new().await;
    bed.publisher.publish(job_for(WorkQueue::Periodic, "a")).await.unwrap();
    let settings =
        || ConsumerSettings { policy: RetryPolicy { retries: 1, ..quick() }, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings(), Script::new(|_, _| failed("boom")));
    bed.wait_for_depth(DEAD_QUEUE, (1, 0));
    bed.done(worker).await;
    let mut dead = open(&bed.vhost).await;
    let before = Utc::now();
    assert_eq!(dead.replay(&only("a"), before).await.ids, ["a"]);
    dead.close().await.unwrap();
    let script = Script::new(|attempt, before| {
        assert!(attempt.task.replayed_at.is_some() && attempt.task.expires.is_none());
        if before == 0 { failed("once more") } else { finished() }
    });
    let worker = Worker::start(&bed, settings(), script);
    worker.script.wait_for_runs(2);
    let runs = bed.done(worker).await.runs();
    assert_eq!(runs.iter().map(|run| run.retries).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(runs[0].last_error, None);
    assert!(bed.dead_letters(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_letter_is_gone_and_the_others_stay() {
    let bed = bed_with(&["a", "b", "c"]).await;
    let mut dead = open(&bed.vhost).await;
    assert_eq!(dead.purge(&only("b")).await.unwrap(), ["b"]);
    dead.close().await.unwrap();
    let dead = open(&bed.vhost).await;
    assert_eq!(ids(&dead), ["a", "c"]);
    dead.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_written_twice_is_one_and_another_of_its_id_gets_its_own() {
    let bed = bed_with(&["a", "a"]).await;
    let mut other = letter("a");
    other.body = b"rubbish".to_vec();
    bed.publisher.publish(other).await.unwrap();
    // As somebody else may have put it there.
    assert!(bed.vhost.publish("", DEAD_QUEUE, &json!({}), b"\xff").unwrap());
    let dead = open(&bed.vhost).await;
    let all: HashSet<String> = dead.letters().iter().map(|letter| letter.id.clone()).collect();
    assert_eq!((all.len(), dead.letters().len()), (3, 3));
    let bodies: Vec<_> = dead.letters().iter().map(|letter| letter.body.clone()).collect();
    assert_eq!(bodies[1..], [b"rubbish".to_vec(), b"\xff".to_vec()]);
    assert_eq!((&dead.letters()[2].task, dead.letters()[2].queue), (&None, WorkQueue::Periodic));
    dead.close().await.unwrap();
    let mut dead = open(&bed.vhost).await;
    assert!(dead.letters().iter().all(|letter| all.contains(&letter.id)), "ids stay");
    assert_eq!(dead.replay(&only("a"), Utc::now()).await.ids, ["a"]);
    dead.close().await.unwrap();
    bed.wait_for_depth(DEAD_QUEUE, (2, 0));
    bed.wait_for_depth("adhoc", (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_protocol_1_replays_without_the_time_in_its_body() {
    let bed = Bed::new().await;
    let body = json!({"task": TASK, "id": "old", "args": ["org", "Raghu"], "kwargs": {}, "retries": 3,
                      "expires": "2026-01-01T00:00:00+00:00"});
    let body = body.to_string().into_bytes();
    let message = Message::json(Destination::Dead, "old".into(), &Map::new(), body);
    bed.publisher.publish(message).await.unwrap();
    let mut dead = open(&bed.vhost).await;
    assert_eq!(dead.letters()[0].task.as_deref(), Some(TASK));
    assert_eq!(dead.replay(&only("old"), Utc::now()).await.ids, ["old"]);
    dead.close().await.unwrap();
    let worker = bed.worker(1, Script::new(|_, _| finished()));
    worker.script.wait_for_runs(1);
    let runs = bed.done(worker).await.runs();
    assert_eq!((runs[0].id.as_str(), runs[0].retries), ("old", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_told_to_stop_leaves_the_others_as_letters() {
    let bed = Bed::new().await;
    let all: Vec<String> = (0..600).map(|number| format!("letter-{number}")).collect();
    bed.publisher.publish_all(all.iter().map(|id| letter(id)).collect()).await.unwrap();
    let mut dead = open(&bed.vhost).await;
    // In the order of their queue, which need not be that of a batch.
    let order: Vec<String> = ids(&dead).into_iter().map(str::to_owned).collect();
    let mut told = Vec::new();
    let wanted = all.iter().cloned().collect();
    let replay = dead
        .replay_while(&wanted, Utc::now(), |done| {
            told.push(done);
            done == 0
        })
        .await;
    let done = replay.ids.len();
    assert!(replay.error.is_none() && (1..600).contains(&done), "{replay:?}");
    assert_eq!(told, [0, done]);
    assert_eq!(replay.ids, order[..done]);
    assert_eq!(ids(&dead), order[done..]);
    dead.close().await.unwrap();
    bed.wait_for_depth("adhoc", (done as u64, 0));
    bed.wait_for_depth(DEAD_QUEUE, (600 - done as u64, 0));
}
