//! Looking at dead letters, and making them jobs again.
//!
//! # What a look costs
//!
//! AMQP cannot read without taking: a look gets every letter, unacked, and gives all back at its end, also when it is cut short,
//! since RabbitMQ takes back what a lost connection held. Each time RabbitMQ counts one more return, and version 4 silently drops
//! what was returned 20 times. So a letter that was returned ten times is *renewed*: a copy, which is counted anew, is confirmed,
//! then the original acked. The order stays, as all letters were looked at equally often, or nearly so.
//!
//! One reader at a time: two would see half the letters each. The lock is a queue that only its own connection may use, and that
//! goes when that connection does.
//!
//! # Ids
//!
//! A letter's id is its `message_id`, which no two different letters share after a look: one without, or with that of
//! another letter, is renewed under an id of its own. Equal letters of one id are one that was written twice (a worker died, or a look
//! was cut short, between confirm and ack): they are listed once, and go together.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use celery::Envelope;
use chrono::{DateTime, Utc};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use serde_json::{Map, Value};
use tracing::warn;

use crate::batch::{BATCH, publish_batch};
use crate::connection::{Link, RabbitUrls};
use crate::topology::{self, DEAD_QUEUE, WorkQueue};
use crate::{Message, QueueError, copy, headers, returns};

/// The queue that whoever looks at the dead letters holds as a lock.
pub const READER_QUEUE: &str = "syncfleet.dead.reader";
/// How long RabbitMQ is waited for until it has taken the letters back, so that whoever looks next finds them.
const RETURN_LIMIT: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile.
const RETURN_POLL: Duration = Duration::from_millis(20);

/// One dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its id: the `message_id`.
    pub id: String,
    /// The task's name, where the message says one.
    pub task: Option<String>,
    /// Why it ended here, as a stable word such as `retries_exhausted`.
    pub reason: Option<String>,
    /// The last error.
    pub error: Option<String>,
    /// Attempts that were made; 0 of what could not be run at all.
    pub attempts: Option<u64>,
    /// When it failed first.
    pub first_failed_at: Option<DateTime<Utc>>,
    /// When it failed last.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// The queue it came from, to which it is replayed.
    pub queue: WorkQueue,
    /// Its content type.
    pub content_type: Option<String>,
    /// All its headers.
    pub headers: Map<String, Value>,
    /// Its body, as it came.
    pub body: Vec<u8>,
    /// Its arguments by position, empty where they cannot be read.
    pub args: Vec<Value>,
    /// Its arguments by name.
    pub kwargs: Map<String, Value>,
}

/// What a replay did.
#[derive(Debug)]
pub struct Replay {
    /// The ids of the letters that are jobs again.
    pub ids: Vec<String>,
    /// What failed and ended it early: the others are still dead letters.
    pub error: Option<QueueError>,
}

/// All dead letters, held by us alone until [`Self::close`], or until this is dropped.
pub struct DeadLetters {
    link: Link,
    channel: Channel,
    letters: Vec<DeadLetter>,
    /// The deliveries of each letter: the first one, and those that are the same written again.
    held: HashMap<String, Vec<Delivery>>,
}

impl DeadLetters {
    /// Takes all dead letters that there are now.
    ///
    /// # Errors
    /// [`QueueError::Busy`] while somebody else looks, else when no server answers. Nothing is lost either way.
    pub async fn open(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        let link = Link::connect_any(urls, client).await?;
        topology::declare(&link).await?;
        let channel = link.channel().await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let locked = channel.queue_declare(READER_QUEUE.into(), options, FieldTable::default());
        if let Err(error) = link.timed("lock the dead letters", locked).await {
            let error = if topology::is_locked(&error) { QueueError::Busy } else { error };
            link.close().await;
            return Err(error);
        }
        link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let mut letters = Self { link, channel, letters: Vec::new(), held: HashMap::new() };
        letters.take().await?;
        Ok(letters)
    }

    /// The letters, in the order of their queue.
    pub fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// Publishes the letters of these ids as jobs, each to its own queue; when that is confirmed they are letters no more.
    ///
    /// `now` is PostgreSQL's, since outcomes are compared with it. Ids without a letter are passed over. A lost connection
    /// may leave a letter whose job was published: it would run twice, and never not at all.
    pub async fn replay(&mut self, ids: &HashSet<String>, now: DateTime<Utc>) -> Replay {
        self.replay_while(ids, now, |_| true).await
    }

    /// As [`Self::replay`], asking `goes_on` before each of its batches, with how many letters are jobs again by then; at
    /// `false` the others stay letters.
    pub async fn replay_while(
        &mut self,
        ids: &HashSet<String>,
        now: DateTime<Utc>,
        mut goes_on: impl FnMut(usize) -> bool,
    ) -> Replay {
        let mut replay = Replay { ids: Vec::new(), error: None };
        let wanted: Vec<(String, WorkQueue)> = (self.letters.iter())
            .filter(|letter| ids.contains(&letter.id))
            .map(|letter| (letter.id.clone(), letter.queue))
            .collect();
        for batch in wanted.chunks(BATCH) {
            if !goes_on(replay.ids.len()) {
                break;
            }
            if let Err(error) = self.replay_batch(batch, now, &mut replay.ids).await {
                replay.error = Some(error);
                break;
            }
        }
        self.forget();
        replay
    }

    async fn replay_batch(
        &mut self,
        batch: &[(String, WorkQueue)],
        now: DateTime<Utc>,
        done: &mut Vec<String>,
    ) -> Result<(), QueueError> {
        let (ids, copies): (Vec<&String>, Vec<Message>) = (batch.iter())
            .filter_map(|(id, queue)| {
                let delivery = self.held.get(id)?.first()?;
                Some((id, copy::replayed(delivery, *queue, now)))
            })
            .unzip();
        let published = publish_batch(&self.link, &self.channel, &copies.iter().collect::<Vec<_>>()).await;
        let outcomes = published.map_err(|what| self.lost(what))?;
        let mut failed = None;
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    done.push(id.clone());
                    self.discard(id).await?;
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), |error| Err(QueueError::Unpublished(error)))
    }

    /// Deletes the letters of these ids, for good; ids without a letter are passed over.
    ///
    /// # Errors
    /// When the connection is lost: some may still be there.
    pub async fn purge(&mut self, ids: &HashSet<String>) -> Result<Vec<String>, QueueError> {
        let wanted: Vec<String> = (self.letters.iter())
            .map(|letter| letter.id.clone())
            .filter(|id| ids.contains(id) && self.held.contains_key(id))
            .collect();
        for id in &wanted {
            self.discard(id).await?;
        }
        self.forget();
        // What was sent before this answer has arrived.
        self.depth().await?;
        Ok(wanted)
    }

    /// Gives all letters back that are still held, and waits until RabbitMQ has them.
    ///
    /// # Errors
    /// When the connection is lost, which gives them back as well; an ack just sent may not have arrived then.
    pub async fn close(self) -> Result<(), QueueError> {
        let returned = self.give_back().await;
        self.link.close().await;
        returned
    }

    async fn give_back(&self) -> Result<(), QueueError> {
        let count = self.held.values().map(Vec::len).sum::<usize>();
        if count > 0 {
            let options = BasicNackOptions { multiple: true, requeue: true };
            // The tag 0 means every message that is held.
            self.link.timed("give the dead letters back", self.channel.basic_nack(0, options)).await?;
        }
        let returned = async {
            while (self.depth().await? as usize) < count {
                tokio::time::sleep(RETURN_POLL).await;
            }
            Ok::<(), QueueError>(())
        };
        match tokio::time::timeout(RETURN_LIMIT, returned).await {
            Ok(returned) => returned?,
            Err(_) => warn!("RabbitMQ has not taken all dead letters back yet; it will"),
        }
        let unlocked = self.channel.queue_delete(READER_QUEUE.into(), QueueDeleteOptions::default());
        self.link.timed("unlock the dead letters", unlocked).await.map(|_| ())
    }

    /// Gets every letter that there is now; renews those that need it, and gets the copies instead.
    async fn take(&mut self) -> Result<(), QueueError> {
        let mut left = self.depth().await?;
        while left > 0 {
            let getting = self.channel.basic_get(DEAD_QUEUE.into(), BasicGetOptions::default());
            let Some(got) = self.link.timed("get a dead letter", getting).await? else { break };
            left -= 1;
            let delivery = got.delivery;
            match self.place(&delivery) {
                Place::New(id) => {
                    self.letters.push(read(id.clone(), &delivery));
                    self.held.insert(id, vec![delivery]);
                }
                Place::Again(id) => self.held.entry(id).or_default().push(delivery),
                Place::Renew => {
                    self.renew(&delivery, None).await?;
                    left += 1;
                }
                Place::Rename => {
                    self.renew(&delivery, Some(uuid::Uuid::new_v4().to_string())).await?;
                    left += 1;
                }
            }
        }
        Ok(())
    }

    fn place(&self, delivery: &Delivery) -> Place {
        let id = delivery.properties.message_id().as_ref().map(ShortString::as_str);
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Place::Renew };
        if returns::is_returned_often(delivery) {
            return Place::Renew;
        }
        match self.held.get(id).and_then(|same| same.first()) {
            None => Place::New(id.to_owned()),
            Some(first) if is_same(first, delivery) => Place::Again(id.to_owned()),
            Some(_) => Place::Rename,
        }
    }

    async fn renew(&self, delivery: &Delivery, id: Option<String>) -> Result<(), QueueError> {
        let mut copy = copy::letter(delivery);
        if let Some(id) = id {
            copy.message_id = id;
        }
        let published = publish_batch(&self.link, &self.channel, &[&copy]).await;
        let outcomes = published.map_err(|what| self.lost(what))?;
        outcomes.into_iter().collect::<Result<(), _>>().map_err(QueueError::Unpublished)?;
        self.ack(delivery).await
    }

    /// Acks a letter, however often it is there.
    async fn discard(&mut self, id: &str) -> Result<(), QueueError> {
        for delivery in self.held.remove(id).unwrap_or_default() {
            self.ack(&delivery).await?;
        }
        Ok(())
    }

    /// Forgets the letters that are no more.
    fn forget(&mut self) {
        let held = &self.held;
        self.letters.retain(|letter| held.contains_key(&letter.id));
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), QueueError> {
        let sent = self.link.timed("ack", delivery.acker.ack(BasicAckOptions::default())).await?;
        // `false`: the channel is dead and nothing was sent.
        if sent { Ok(()) } else { Err(self.lost("an ack could not be sent".to_owned())) }
    }

    /// How many letters RabbitMQ has that we do not hold.
    async fn depth(&self) -> Result<u32, QueueError> {
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(DEAD_QUEUE.into(), options, FieldTable::default());
        Ok(self.link.timed("count the dead letters", declared).await?.message_count())
    }

    fn lost(&self, what: String) -> QueueError {
        QueueError::Lost { server: self.link.server().to_owned(), what }
    }
}

/// Where a letter just got belongs.
enum Place {
    /// Among the others, under this id.
    New(String),
    /// It is the letter of this id once more.
    Again(String),
    /// It is to be replaced by a copy.
    Renew,
    /// It is to be replaced by a copy with another id.
    Rename,
}

/// Whether two letters of one id are one that was written twice: its story may differ, the job may not.
fn is_same(one: &Delivery, other: &Delivery) -> bool {
    let job = |delivery: &Delivery| {
        let headers = delivery.properties.headers().as_ref().map(headers::to_json).unwrap_or_default();
        ["id", "task"].map(|name| headers.get(name).cloned())
    };
    one.data == other.data && job(one) == job(other)
}

fn read(id: String, delivery: &Delivery) -> DeadLetter {
    let properties = &delivery.properties;
    let content_type = properties.content_type().as_ref().map(ToString::to_string);
    let headers = properties.headers().as_ref().map(headers::to_json).unwrap_or_default();
    let text = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
    let time = |name: &str| text(name).as_deref().and_then(celery::parse_time);
    let (task, args, kwargs) = content(&headers, content_type.as_deref(), &delivery.data);
    DeadLetter {
        id,
        task: text("task").or(task),
        reason: text(copy::REASON),
        error: text(copy::LAST_ERROR),
        attempts: headers.get(copy::ATTEMPTS).and_then(Value::as_u64),
        first_failed_at: time(copy::FIRST_FAILED_AT),
        last_failed_at: time(copy::LAST_FAILED_AT),
        queue: text(copy::WORK_QUEUE).and_then(|name| WorkQueue::parse(&name)).unwrap_or(WorkQueue::Periodic),
        content_type,
        body: delivery.data.clone(),
        headers,
        args,
        kwargs,
    }
}

/// Task and arguments, as far as they can be read: a letter may be here because they cannot.
fn content(
    headers: &Map<String, Value>,
    content_type: Option<&str>,
    body: &[u8],
) -> (Option<String>, Vec<Value>, Map<String, Value>) {
    let envelope = Envelope { content_type, content_encoding: None, correlation_id: None, headers, body };
    if let Ok(task) = celery::decode(&envelope) {
        return (Some(task.task), task.args, task.kwargs);
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    // The body of a letter may be anything, and of any size.
    match celery::read_json(body).unwrap_or(Value::Null) {
        // Protocol 2: `[args, kwargs, embed]`.
        Value::Array(parts) => {
            (None, parts.first().map(list).unwrap_or_default(), parts.get(1).map(object).unwrap_or_default())
        }
        // Protocol 1.
        body => (body["task"].as_str().map(str::to_owned), list(&body["args"]), object(&body["kwargs"])),
    }
}
