//! Enqueues syncs at an even pace and times each until its notification. `pace URL COUNT PER_SECOND ACCOUNTS`
//!
//! Accounts are taken in turn, so that no sync waits for another one of its account, unless a stall outlasts a turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use peers::{Error, arguments, channel, job};
use serde_json::json;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (url, count) = arguments()?;
    let word = |number| std::env::args().nth(number).ok_or("wanted: URL COUNT PER_SECOND ACCOUNTS");
    let (rate, accounts): (f64, usize) = (word(3)?.parse()?, word(4)?.parse()?);
    let (connection, publishing) = channel(&url).await?;
    let consuming = connection.create_channel().await?;
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = consuming.queue_declare("".into(), options, FieldTable::default()).await?;
    let name = queue.name().clone();
    let bind = consuming.queue_bind(
        name.clone(),
        "sync_notifications".into(),
        "account.*.sync_completed".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut told = consuming.basic_consume(name, "".into(), options, FieldTable::default()).await?;

    let (sent, mut sendings) = mpsc::unbounded_channel::<(String, Instant)>();
    let pacing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        for number in 0..count {
            ticks.tick().await;
            let account = 1 + number % accounts;
            let (body, properties) = job(account);
            let id = properties.message_id().as_ref().ok_or("a job without an id")?.to_string();
            // Before it is sent, and confirms are not awaited here: they would slow the pace.
            sent.send((id, Instant::now()))?;
            let options = BasicPublishOptions::default();
            let published =
                publishing.basic_publish("".into(), "periodic".into(), options, &body, properties);
            drop(published.await?);
        }
        Ok::<_, Error>(())
    });

    let mut waiting: HashMap<String, Instant> = HashMap::new();
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        let next = tokio::time::timeout(PATIENCE, told.next()).await;
        let delivery = next.map_err(|_| "no notification in time")?.ok_or("the channel is gone")??;
        let now = Instant::now();
        while let Ok((id, at)) = sendings.try_recv() {
            waiting.insert(id, at);
        }
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        if let Some(at) = id.and_then(|id| waiting.remove(&id)) {
            times.push((now - at).as_secs_f64() * 1000.0);
        }
    }
    pacing.await??;
    times.sort_by(f64::total_cmp);
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{}", json!({ "p50": percentile(50), "p99": percentile(99), "max": times[times.len() - 1] }));
    Ok(())
}
