use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use celery::{
    ANSWER_EXCHANGE, AnswerTo, BATCH_ROUTING_KEY, CONTROL_EXCHANGE, EVENT_EXCHANGE, Envelope, Event,
    HEARTBEAT_SECONDS, Stamp, WorkerIs, WorkerLoad,
};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Consumer, ExchangeKind};
use serde_json::{Map, Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Control, Link, stats};
use crate::{QueueError, headers, telemetry, topology};

/// Requests that are held at a time; with their size this bounds what a flood of them takes.
const PREFETCH: u16 = 16;
/// How long task events are gathered, to be sent in one message.
const GATHER: Duration = Duration::from_millis(100);
/// Task events in one message.
const BATCH: usize = 500;
/// How long RabbitMQ keeps requests to a worker, and the queue of one that is gone: as Celery's workers declare it.
const REQUEST_TTL_MS: i32 = 300_000;
const QUEUE_EXPIRES_MS: i32 = 10_000;

/// One connection for remote control.
pub(super) struct Session {
    pub(super) link: Link,
    channel: Channel,
    /// Answers have a channel of their own: the exchange may be gone, which closes it.
    answers: Channel,
    requests: Consumer,
    /// What other workers answer to the greeting.
    greetings: Consumer,
    ticket: String,
}

impl Control {
    /// Connects, declares what Celery's workers declare, and begins to consume.
    pub(super) async fn open(&self, attempt: usize) -> Result<Session, QueueError> {
        let name = &self.worker;
        let link = Link::connect(&self.urls, attempt, &format!("{name} control")).await?;
        let channel = link.channel().await?;
        link.timed("set QoS", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        declare_exchanges(&link, &channel).await?;
        let queue = queue_name(name);
        let requests = consume(&link, &channel, &queue, CONTROL_EXCHANGE, "").await?;
        let ticket = uuid::Uuid::new_v4().to_string();
        let queue = format!("{ticket}.{ANSWER_EXCHANGE}");
        let greetings = consume(&link, &channel, &queue, ANSWER_EXCHANGE, &ticket).await?;
        let answers = link.channel().await?;
        Ok(Session { link, channel, answers, requests, greetings, ticket })
    }

    /// Serves one session. `Ok` when it is done for good.
    pub(super) async fn serve(
        &mut self,
        mut session: Session,
        stop: &CancellationToken,
        done: &CancellationToken,
    ) -> Result<(), String> {
        self.tell_of_worker(&session, WorkerIs::Online).await?;
        self.greet(&session).await?;
        let mut heartbeats = tokio::time::interval(Duration::from_secs_f64(HEARTBEAT_SECONDS));
        let mut gathered = tokio::time::interval(GATHER);
        for interval in [&mut heartbeats, &mut gathered] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = done.cancelled() => {
                    self.send_events(&session).await?;
                    self.tell_of_worker(&session, WorkerIs::Offline).await?;
                    session.link.close().await;
                    return Ok(());
                }
                request = session.requests.next() => {
                    let delivery = item(request)?;
                    self.carry_out(&mut session, &delivery, stop).await?;
                    acknowledge(&delivery).await?;
                }
                greeting = session.greetings.next() => {
                    let delivery = item(greeting)?;
                    self.be_greeted(&delivery);
                    acknowledge(&delivery).await?;
                }
                _ = heartbeats.tick() => self.tell_of_worker(&session, WorkerIs::Alive).await?,
                _ = gathered.tick() => self.send_events(&session).await?,
            }
        }
    }

    /// Decodes a request, carries it out and answers.
    async fn carry_out(
        &self,
        session: &mut Session,
        delivery: &Delivery,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let header_map = header_map(delivery);
        let request = match celery::decode_control(&envelope(delivery, &header_map), &self.worker) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                telemetry::count_control("refused");
                warn!("a remote-control request is refused: {error}");
                return Ok(());
            }
        };
        self.clock.adjust(request.clock);
        // As a run's panic ends the run, one here ends the request: control would be gone for good, unnoticed.
        let answering = AssertUnwindSafe(|| self.answer(&request, session.link.uri(), stop));
        let payload = catch_unwind(answering).unwrap_or_else(|_| Some(json!({"error": "it panicked"})));
        let is_refused = payload.as_ref().is_some_and(|payload| payload["error"].is_string());
        telemetry::count_control(if is_refused { "refused" } else { "done" });
        if is_refused {
            warn!(
                method = request.method,
                "a remote-control request is refused: {}",
                payload.clone().unwrap_or_default()
            );
        } else {
            debug!(method = request.method, "a remote-control request is done");
        }
        if request.method == "heartbeat" {
            self.tell_of_worker(session, WorkerIs::Alive).await?;
        }
        let (Some(payload), Some(answer_to)) = (payload, request.answer_to) else { return Ok(()) };
        self.send_answer(session, &answer_to, &payload).await
    }

    async fn send_answer(
        &self,
        session: &mut Session,
        answer_to: &AnswerTo,
        payload: &Value,
    ) -> Result<(), String> {
        if !session.answers.status().connected() {
            session.answers = session.link.channel().await.map_err(|error| error.to_string())?;
        }
        let mut answer_headers = Map::new();
        answer_headers.insert("ticket".to_owned(), json!(answer_to.ticket));
        answer_headers.insert("clock".to_owned(), json!(self.clock.forward()));
        let body = celery::encode_answer(&self.worker, payload);
        let sent = publish(
            &session.link,
            &session.answers,
            (ANSWER_EXCHANGE, &answer_to.routing_key),
            &answer_headers,
            &body,
        );
        // A channel that its answer has closed is none of the session's troubles.
        let _ = sent.await;
        Ok(())
    }

    /// Asks the other workers what was revoked before this one was there.
    async fn greet(&self, session: &Session) -> Result<(), String> {
        let answer_to = AnswerTo { routing_key: session.ticket.clone(), ticket: session.ticket.clone() };
        let arguments = json!({"from_node": self.worker, "revoked": self.roster.revoked()});
        let body = celery::encode_control("hello", &arguments, None, Some(&answer_to));
        let mut request_headers = Map::new();
        request_headers.insert("clock".to_owned(), json!(self.clock.forward()));
        request_headers.insert("expires".to_owned(), json!(0));
        publish(&session.link, &session.channel, (CONTROL_EXCHANGE, ""), &request_headers, &body).await
    }

    fn be_greeted(&self, delivery: &Delivery) {
        let header_map = header_map(delivery);
        let Ok(nodes) = celery::decode_answer(&envelope(delivery, &header_map)) else { return };
        for (node, greeting) in nodes {
            self.clock.adjust(greeting["clock"].as_u64());
            let revoked = self.take_revoked(&greeting["revoked"]);
            if revoked > 0 {
                info!(node, "{revoked} revoked tasks known from {node}");
            }
        }
    }

    async fn tell_of_worker(&self, session: &Session, is: WorkerIs) -> Result<(), String> {
        let (active, processed) = self.roster.counts();
        let load = WorkerLoad { active, processed, load_average: stats::load_average() };
        let event = Event::worker(is, &load);
        let body = self.stamped(&event, Utc::now());
        self.send_event(session, &event.routing_key(), &body).await
    }

    /// Sends what has gathered, in messages of many.
    async fn send_events(&mut self, session: &Session) -> Result<(), String> {
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Ok(told) = self.outbox.try_recv()
            {
                batch.push(told);
            }
            match &batch[..] {
                [] => return Ok(()),
                [(event, at)] => {
                    self.send_event(session, &event.routing_key(), &self.stamped(event, *at)).await?;
                }
                many => {
                    let body = many.iter().map(|(event, at)| self.stamped(event, *at)).collect();
                    self.send_event(session, BATCH_ROUTING_KEY, &body).await?;
                }
            }
        }
    }

    async fn send_event(&self, session: &Session, routing_key: &str, body: &Value) -> Result<(), String> {
        let mut event_headers = Map::new();
        event_headers.insert("hostname".to_owned(), json!(self.worker));
        let body = body.to_string().into_bytes();
        publish(&session.link, &session.channel, (EVENT_EXCHANGE, routing_key), &event_headers, &body).await
    }

    fn stamped(&self, event: &Event, at: DateTime<Utc>) -> Value {
        let clock = self.clock.forward();
        let stamp = Stamp { hostname: &self.worker, pid: std::process::id(), clock, at };
        event.to_json(&stamp)
    }
}

/// A queue name is a short string.
pub(super) fn queue_name(worker: &str) -> String {
    let worker = &worker[..worker.floor_char_boundary(200)];
    format!("{worker}.{CONTROL_EXCHANGE}")
}

/// As Celery declares them: any other property is a 406 for one of us.
pub(super) async fn declare_exchanges(link: &Link, channel: &Channel) -> Result<(), QueueError> {
    for (name, kind, durable) in [
        (CONTROL_EXCHANGE, ExchangeKind::Fanout, false),
        (ANSWER_EXCHANGE, ExchangeKind::Direct, false),
        (EVENT_EXCHANGE, ExchangeKind::Topic, true),
    ] {
        let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
        let declared = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        link.timed("declare an exchange", declared).await?;
    }
    Ok(())
}

/// A queue of our own that vanishes with us, bound and consumed.
pub(super) async fn consume(
    link: &Link,
    channel: &Channel,
    queue: &str,
    exchange: &str,
    routing_key: &str,
) -> Result<Consumer, QueueError> {
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(QUEUE_EXPIRES_MS));
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(REQUEST_TTL_MS));
    link.timed("declare a queue", channel.queue_declare(queue.into(), options, arguments)).await?;
    topology::bind_on(link, channel, queue, exchange, routing_key).await?;
    let consuming =
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    link.timed("consume", consuming).await
}

/// Publishes without a confirm, unless RabbitMQ takes nothing: then it is dropped.
pub(super) async fn publish(
    link: &Link,
    channel: &Channel,
    (exchange, routing_key): (&str, &str),
    header_map: &Map<String, Value>,
    body: &[u8],
) -> Result<(), String> {
    if link.is_blocked() {
        return Ok(());
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(1)
        .with_priority(0)
        .with_headers(headers::from_json(header_map));
    let sending = channel.basic_publish(
        exchange.into(),
        routing_key.into(),
        BasicPublishOptions::default(),
        body,
        properties,
    );
    let sent = link.timed("publish", sending).await;
    sent.map(drop).map_err(|error| crate::connection_error_text(&error))
}

pub(super) fn header_map(delivery: &Delivery) -> Map<String, Value> {
    delivery.properties.headers().as_ref().map(headers::to_json).unwrap_or_default()
}

pub(super) fn envelope<'a>(delivery: &'a Delivery, headers: &'a Map<String, Value>) -> Envelope<'a> {
    Envelope {
        content_type: delivery.properties.content_type().as_ref().map(|text| text.as_str()),
        content_encoding: delivery.properties.content_encoding().as_ref().map(|text| text.as_str()),
        correlation_id: None,
        headers,
        body: &delivery.data,
    }
}

fn item(item: Option<lapin::Result<Delivery>>) -> Result<Delivery, String> {
    match item {
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("a consumer ended".to_owned()),
    }
}

pub(super) async fn acknowledge(delivery: &Delivery) -> Result<(), String> {
    let acked = tokio::time::timeout(Duration::from_secs(2), delivery.acker.ack(BasicAckOptions::default()));
    match acked.await {
        Ok(Ok(true)) => Ok(()),
        _ => Err("an acknowledgement could not be sent".to_owned()),
    }
}
