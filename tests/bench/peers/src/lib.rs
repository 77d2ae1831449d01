//! What the peers and limits share: a quorum queue full of jobs, and a clock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::json;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Messages whose confirms are awaited together; as the product's publisher has it.
pub const WINDOW: usize = 256;

/// Connects and opens a channel with confirms.
pub async fn channel(url: &str) -> Result<(Connection, Channel), Error> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// An empty quorum queue of that name.
pub async fn empty(channel: &Channel, queue: &str) -> Result<(), Error> {
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, quorum()).await?;
    Ok(())
}

pub fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// Publishes `count` persistent jobs and awaits the confirm of each.
pub async fn publish(channel: &Channel, queue: &str, count: usize) -> Result<(), Error> {
    let mut left = count;
    while left > 0 {
        let batch = left.min(WINDOW);
        let mut confirms = Vec::with_capacity(batch);
        for number in 0..batch {
            let (body, properties) = job(left - number);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = channel.basic_publish("".into(), queue.into(), options, &body, properties);
            confirms.push(sent.await?);
        }
        for confirm in confirms {
            match confirm.await? {
                Confirmation::Ack(None) => {}
                other => return Err(format!("a job that was not taken: {other:?}").into()),
            }
        }
        left -= batch;
    }
    Ok(())
}

/// A job in Celery's protocol 2, with every header that Celery's producers and the product's beat send.
pub fn job(number: usize) -> (Vec<u8>, BasicProperties) {
    let id = uuid::Uuid::new_v4().to_string();
    let account = format!("acct-{number:06}");
    let task = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
    let arguments = json!([["org1", account, false, false], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]);
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("lang", "py"),
        ("task", task),
        ("id", &id),
        ("root_id", &id),
        ("argsrepr", &format!("('org1', '{account}', False, False)")),
        ("kwargsrepr", "{}"),
        ("origin", "peers@bench"),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    for name in ["shadow", "eta", "expires", "group", "group_index", "parent_id", "stamped_headers"] {
        headers.insert(name.into(), AMQPValue::Void);
    }
    let mut limits = FieldArray::default();
    limits.push(AMQPValue::Void);
    limits.push(AMQPValue::Void);
    headers.insert("timelimit".into(), AMQPValue::FieldArray(limits));
    headers.insert("stamps".into(), AMQPValue::FieldTable(FieldTable::default()));
    headers.insert("replaced_task_nesting".into(), AMQPValue::LongInt(0));
    headers.insert("retries".into(), AMQPValue::LongInt(0));
    headers.insert("ignore_result".into(), AMQPValue::Boolean(true));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_correlation_id(id.as_str().into())
        .with_message_id(id.as_str().into())
        .with_delivery_mode(2)
        .with_headers(headers);
    (arguments.to_string().into_bytes(), properties)
}

static BEGUN: OnceLock<Instant> = OnceLock::new();
static DONE: AtomicUsize = AtomicUsize::new(0);

/// Notes that a job is done; the clock runs from the first one.
pub fn done() {
    BEGUN.get_or_init(Instant::now);
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// Waits until so many are done, and prints how many a second.
pub async fn until_done(count: usize) {
    while DONE.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let begun = BEGUN.get().copied().unwrap_or_else(Instant::now);
    print_rate(count, begun);
}

pub fn print_rate(count: usize, begun: Instant) {
    println!("{}", json!({ "per_second": count as f64 / begun.elapsed().as_secs_f64() }));
}

/// URL and count from the command line.
pub fn arguments() -> Result<(String, usize), Error> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(count)) = (words.next(), words.next()) else {
        return Err("wanted: URL COUNT".into());
    };
    Ok((url, count.parse()?))
}
