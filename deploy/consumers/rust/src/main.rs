//! Prints each notification of syncfleet once. Made to be copied: put what you do with one into `handle`.
//!
//!     RABBITMQ_URL=amqp://user:password@host:5672/%2f syncfleet-consumer MEMORY QUEUE KEY...
//!     RABBITMQ_URL=... syncfleet-consumer desk.memory positions-desk 'account.*.sync_completed'

mod memory;

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::memory::{Memory, Taken};

const EXCHANGE: &str = "sync_notifications";
/// Messages that RabbitMQ sends ahead of their acks.
const PREFETCH: u16 = 20;
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Between two tries to connect, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What you do with a message. It is done again if the program dies before it has remembered the message. An error ends the
/// program: the message is not acked and comes back.
fn handle(taken: &Taken, sequence: Option<i64>, body: &Value) -> Result<()> {
    let (organization, account) = &taken.account;
    let what = if body["type"] == "sync_completed" {
        taken.message.1.clone()
    } else {
        let field = |name: &str| body["order"][name].to_string().replace('"', "");
        let fields = ["trade_type", "quantity", "exchange", "symbol"].map(field);
        format!("external order {}", fields.join(" "))
    };
    let sequence = sequence.map_or("None".to_owned(), |sequence| sequence.to_string());
    println!("{organization}/{account} {what} sequence={sequence} {}", taken.message.0);
    Ok(())
}

/// What the message is, with its sequence and body; an error where nobody can tell.
fn read(delivery: &Delivery) -> Result<(Taken, Option<i64>, Value)> {
    let body: Value = serde_json::from_slice(&delivery.data)?;
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let organization = match headers.inner().get("organization_id") {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        _ => bail!("no organization_id"),
    };
    let sequence = match headers.inner().get("sequence") {
        Some(AMQPValue::LongLongInt(sequence)) => Some(*sequence),
        Some(AMQPValue::LongInt(sequence)) => Some(i64::from(*sequence)),
        _ => None,
    };
    let is_outcome = match body["type"].as_str() {
        Some("sync_completed") => true,
        Some("external_order_detected") => false,
        other => bail!("the type {other:?}"),
    };
    let id = delivery.properties.message_id().as_ref().context("no message_id")?.to_string();
    let status = body["summary"]["status"].as_str().unwrap_or_default().to_owned();
    let account = body["account"].as_str().context("no account")?.to_owned();
    let message = (id, status);
    let counts = sequence.filter(|_| is_outcome);
    Ok((Taken { message, account: (organization, account), sequence: counts }, sequence, body))
}

fn take(memory: &mut Memory, delivery: &Delivery) -> Result<()> {
    let (taken, sequence, body) = match read(delivery) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("dropped, not understood: {error:#}");
            return Ok(());
        }
    };
    match memory.no_news(&taken) {
        Some(reason) => eprintln!("dropped, {reason}: {}", taken.message.0),
        None => {
            handle(&taken, sequence, &body)?;
            memory.remember(taken).context("the memory cannot be written")?;
        }
    }
    Ok(())
}

/// Connects, declares and binds what is needed, and asks for messages.
async fn open(url: &str, queue: &str, keys: &[String]) -> lapin::Result<(Connection, Consumer)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, options, FieldTable::default()).await?;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, quorum).await?;
    for key in keys {
        let options = QueueBindOptions::default();
        let binding = channel.queue_bind(
            queue.into(),
            EXCHANGE.into(),
            key.as_str().into(),
            options,
            FieldTable::default(),
        );
        binding.await?;
    }
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let messages = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    Ok((connection, messages))
}

/// Takes messages until the connection is lost. What was not acked then comes back.
async fn consume(memory: &mut Memory, messages: &mut Consumer) -> Result<lapin::Error> {
    loop {
        let delivery = match messages.next().await {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Ok(error),
            None => return Ok(lapin::ErrorKind::FutureCompleted.into()),
        };
        take(memory, &delivery)?;
        if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
            return Ok(error);
        }
    }
}

/// One connection, from the first try to its end. Dropping it in between loses nothing.
async fn session(url: &str, memory: &mut Memory, queue: &str, keys: &[String]) -> Result<lapin::Error> {
    let opened = tokio::time::timeout(CONNECT_LIMIT, open(url, queue, keys)).await;
    match opened {
        Ok(Ok((_connection, mut messages))) => {
            eprintln!("consuming {queue}");
            consume(memory, &mut messages).await
        }
        Ok(Err(error)) => Ok(error),
        Err(_) => Ok(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, queue, keys @ ..] = arguments.as_slice() else { bail!("usage: MEMORY QUEUE KEY...") };
    let urls = std::env::var("RABBITMQ_URL").unwrap_or("amqp://guest:guest@localhost:5672/%2f".to_owned());
    let urls: Vec<&str> = urls.split(',').map(str::trim).collect();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut stop = pin!(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    });
    let mut memory = Memory::open(Path::new(file)).context("the memory cannot be read")?;
    let mut tries: u32 = 0;
    loop {
        let begun = Instant::now();
        let url = urls[tries as usize % urls.len()];
        // A message is taken between two points at which this may end, so none is half done.
        let error = tokio::select! {
            () = &mut stop => return Ok(()),
            ended = session(url, &mut memory, queue, keys) => ended?,
        };
        // What worked for a while is tried again soon.
        tries = if begun.elapsed() > LONGEST_PAUSE { 1 } else { tries + 1 };
        let pause = LONGEST_PAUSE.min(Duration::from_secs(1 << tries.min(8))).mul_f64(jitter());
        eprintln!("no connection, again in {pause:.1?}: {error}");
        tokio::select! { () = &mut stop => return Ok(()), () = sleep(pause) => {} }
    }
}

/// 0.1 to 1, so that many consumers do not come back at once.
fn jitter() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    0.1 + 0.9 * f64::from(now.subsec_micros() % 1000) / 1000.0
}
