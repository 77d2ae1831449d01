use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Checkup, Declared, Found, words};
use crate::QueueError;
use crate::delay::DelayStep;
use crate::topology::{self, passive_queue};

/// How long a canary stays in its step: long enough to be seen there, whatever the step holds others for.
const CANARY_EXPIRATION_MS: &str = "200";
/// The private queue outlives us for as long as a canary may be late, so that none is stuck on its way to it.
const LATE_MS: i32 = 20 * 60 * 1000;
/// How long it may take, after the canaries' time, to see why some are late and to tidy up.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// The canary that goes straight to the private queue: it is named after the exchange that it takes.
const DIRECT: &str = "";

/// What became of messages that were sent for trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    /// Whether RabbitMQ confirmed one that went straight to a queue; if not, why.
    pub confirmed: Result<(), String>,
    /// Each delay step that there is, with how long it holds a message, and its canary.
    pub steps: Vec<(String, Duration, Canary)>,
}

/// What became of the canary of a delay step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// It came back, after so long.
    Back(Duration),
    /// Messages wait there, behind which it would not pass.
    InUse,
    /// It did not come back in time, or was refused; why.
    Lost(String),
}

/// One that was sent.
struct Flight {
    name: String,
    /// Whether RabbitMQ has said that it has it.
    is_confirmed: bool,
    /// Why it is surely nowhere. One without confirm may be on its way all the same.
    refused: Option<String>,
    back: Option<Duration>,
}

impl Flight {
    fn is_over(&self) -> bool {
        self.refused.is_some() || self.back.is_some()
    }
}

impl Checkup {
    /// Sends a message straight to a private queue and one through each delay step that is empty, all at once, and waits until
    /// they are there or the time is over.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn canaries(&self, declared: &[Declared], limit: Duration) -> Result<Canaries, QueueError> {
        let deadline = Instant::now() + limit;
        let late = |what| QueueError::TimedOut { server: self.link.server().to_owned(), what, limit };
        let nest = timeout_at(deadline, self.nest()).await;
        let (channel, queue, mut deliveries) = nest.map_err(|_| late("consume a private queue"))??;
        let mut steps: Vec<(String, Duration, Canary)> = Vec::new();
        let mut flights = vec![Flight::of(DIRECT)];
        for step in DelayStep::all() {
            let name = step.name();
            let found = declared.iter().find(|found| found.is_queue && found.name == name);
            match found {
                Some(queue) if queue.found == Found::Missing => continue,
                Some(queue) if queue.ready > 0 => {}
                _ => flights.push(Flight::of(&name)),
            }
            steps.push((name, step.duration(), Canary::InUse));
        }
        self.fly(&mut flights, &queue, &mut deliveries, deadline).await?;
        let is_tidy = flights.iter().all(Flight::is_over);
        let _ = timeout(AFTERWARDS, async {
            // One that is still on its way would find no queue, and stay in its step.
            if is_tidy {
                let deleting = channel.queue_delete(queue, QueueDeleteOptions::default());
                let _ = self.link.timed("delete a queue", deleting).await;
            }
            topology::close(&channel).await;
        })
        .await;
        let direct = flights.remove(0);
        let confirmed = match (direct.is_confirmed, direct.refused) {
            (true, _) => Ok(()),
            (false, Some(why)) => Err(why),
            (false, None) => Err(format!("no answer within {} s", limit.as_secs())),
        };
        let judged = join_all(flights.into_iter().map(|flight| self.judge(flight, limit))).await;
        for (name, canary) in judged {
            if let Some(step) = steps.iter_mut().find(|(step, ..)| *step == name) {
                step.2 = canary;
            }
        }
        Ok(Canaries { confirmed, steps })
    }

    /// A private queue and its consumer. Durable, since RabbitMQ 4 refuses any other that is not one connection's alone, and a
    /// canary must find it after the connection is gone.
    async fn nest(&self) -> Result<(Channel, ShortString, Consumer), QueueError> {
        let channel = self.link.channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(LATE_MS));
        // Whatever the virtual host's default is.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declaring = channel.queue_declare("".into(), options, arguments);
        let queue = self.link.timed("declare a queue", declaring).await?.name().clone();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default());
        let deliveries = self.link.timed("consume", consuming).await?;
        Ok((channel, queue, deliveries))
    }

    /// Sends all, and waits for all.
    async fn fly(
        &self,
        flights: &mut [Flight],
        queue: &ShortString,
        deliveries: &mut Consumer,
        deadline: Instant,
    ) -> Result<(), QueueError> {
        let begun = Instant::now();
        let names: Vec<String> = flights.iter().map(|flight| flight.name.clone()).collect();
        let mut sending: FuturesUnordered<_> = (names.iter().enumerate())
            .map(async |(index, name)| (index, self.send(name, queue).await))
            .collect();
        while !flights.iter().all(Flight::is_over) {
            tokio::select! {
                Some((index, sent)) = sending.next() => match sent? {
                    Ok(is_confirmed) => flights[index].is_confirmed = is_confirmed,
                    Err(refused) => flights[index].refused = Some(refused),
                },
                Some(Ok(delivery)) = deliveries.next() => {
                    let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
                    let id = id.unwrap_or_default();
                    if let Some(flight) = flights.iter_mut().find(|flight| flight.name == id) {
                        flight.back = Some(begun.elapsed());
                    }
                }
                () = sleep_until(deadline) => break,
            }
        }
        // What has come back was confirmed, or is about to be.
        while let Ok(Some((index, sent))) = timeout_at(deadline, sending.next()).await {
            flights[index].is_confirmed |= sent?.unwrap_or(false);
        }
        Ok(())
    }

    /// Sends one, over a channel of its own: one that is refused closes it. Whether it was confirmed, or why it was refused.
    async fn send(&self, name: &str, queue: &ShortString) -> Result<Result<bool, String>, QueueError> {
        let channel = self.link.channel().await?;
        self.link.timed("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_expiration(CANARY_EXPIRATION_MS.into())
            .with_message_id(name.into())
            .with_app_id("syncfleet".into())
            .with_type("canary".into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing = async {
            channel.basic_publish(name.into(), queue.clone(), options, b"canary", properties).await?.await
        };
        let confirmation = match self.link.timed("confirm a message", publishing).await {
            Ok(confirmation) => confirmation,
            Err(QueueError::TimedOut { .. }) => return Ok(Ok(false)),
            Err(error) if self.link.is_connected() => return Ok(Err(words(&error))),
            Err(error) => return Err(error),
        };
        topology::close(&channel).await;
        let is_taken = confirmation.is_ack() && confirmation.take_message().is_none();
        Ok(if is_taken { Ok(true) } else { Err("RabbitMQ refused it, or had no queue for it".to_owned()) })
    }

    async fn judge(&self, flight: Flight, limit: Duration) -> (String, Canary) {
        let Flight { name, is_confirmed, refused, back } = flight;
        if let Some(after) = back {
            return (name, Canary::Back(after));
        }
        if let Some(why) = refused {
            return (name, Canary::Lost(why));
        }
        // Somebody's message may have got there first.
        let depth = timeout(AFTERWARDS, passive_queue(&self.link, &name)).await;
        if depth.is_ok_and(|queue| queue.is_ok_and(|queue| queue.message_count() > 1)) {
            return (name, Canary::InUse);
        }
        let what = if is_confirmed { "come back" } else { "come back, nor was it confirmed," };
        (name, Canary::Lost(format!("it did not {what} within {} s", limit.as_secs())))
    }
}

impl Flight {
    fn of(name: &str) -> Self {
        Self { name: name.to_owned(), is_confirmed: false, refused: None, back: None }
    }
}
