use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::Channel;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{BATCH, publish_batch};
use crate::connection::Link;
use crate::publisher::Request;
use crate::{Message, PublishError, telemetry};

/// Batches that are under way at the same time, each on a channel of its own.
pub(crate) const LANES: usize = 4;
/// How often an idle publisher looks whether its connection is there: the next message should not be what finds out.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Channels that RabbitMQ may close over a message: one of a whole batch, then three on which it was alone.
const CLOSINGS_MAX: u32 = 4;
/// A session in which a queue has refused messages for so long is built anew: RabbitMQ tells a channel of a limit that is
/// reached, and of messages that are gone since, but not of a limit that was lifted (3.10, quorum queues).
const REFUSED_LIMIT: Duration = Duration::from_secs(10);

/// How long the other batches have when one of them ends the session.
const LANDING: Duration = Duration::from_secs(1);

/// A batch whose outcomes are known, or that must be sent again.
struct Landed<'a> {
    channel: &'a Channel,
    batch: Vec<Request>,
    outcomes: Result<Vec<Result<(), PublishError>>, String>,
}

/// Publishes batch after batch, as many at a time as there are channels. `Err` when the session is over; `waiting` then
/// holds what must be sent again.
pub(crate) async fn publish_all(
    link: &Link,
    channels: &[Channel],
    requests: &mut mpsc::Receiver<Request>,
    waiting: &mut Vec<Request>,
) -> Result<(), String> {
    let mut health = tokio::time::interval(LOOK_EVERY);
    let mut refused_since: Option<Instant> = None;
    let (over, mut idle) = (CancellationToken::new(), channels.iter().collect::<Vec<_>>());
    let mut flying = FuturesUnordered::new();
    let ended = loop {
        waiting.retain(|request| !request.answer.is_closed());
        while !waiting.is_empty()
            && let Some(channel) = idle.pop()
        {
            flying.push(fly(link, channel, next_batch(waiting), &over));
        }
        let landed = tokio::select! {
            Some(landed) = flying.next() => landed,
            received = requests.recv_many(waiting, BATCH), if waiting.is_empty() && !idle.is_empty() => {
                match received {
                    // Nobody sends any more; what is under way lands first.
                    0 => match flying.next().await {
                        Some(landed) => landed,
                        None => return Ok(()),
                    },
                    _ => continue,
                }
            }
            _ = health.tick() => {
                if !link.is_connected() && flying.is_empty() {
                    break "closed while idle".to_owned();
                }
                continue;
            }
        };
        idle.push(landed.channel);
        match land(link, landed, waiting) {
            Ok(false) => {}
            Ok(true) => {
                if refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSED_LIMIT {
                    break format!("messages are refused for {REFUSED_LIMIT:?}");
                }
            }
            Err(error) => break error,
        }
    };
    // Where the connection is well the others are told of theirs soon. What is not is sent again.
    if link.is_connected() {
        let landing = async {
            while let Some(landed) = flying.next().await {
                let _ = land(link, landed, waiting);
            }
        };
        let _ = tokio::time::timeout(LANDING, landing).await;
    }
    over.cancel();
    while let Some(landed) = flying.next().await {
        let _ = land(link, landed, waiting);
    }
    Err(ended)
}

/// Takes the next batch from what waits. One message of them may be what RabbitMQ closes channels over: then each goes
/// alone.
fn next_batch(waiting: &mut Vec<Request>) -> Vec<Request> {
    let is_suspect = waiting.iter().any(|request| request.closings > 0);
    let count = if is_suspect { 1 } else { waiting.len().min(BATCH) };
    let rest = waiting.split_off(count);
    std::mem::replace(waiting, rest)
}

/// Publishes a batch until it is confirmed, or the session is over.
async fn fly<'a>(
    link: &Link,
    channel: &'a Channel,
    batch: Vec<Request>,
    over: &CancellationToken,
) -> Landed<'a> {
    let messages: Vec<&Message> = batch.iter().map(|request| &*request.message).collect();
    let begun = Instant::now();
    let outcomes = tokio::select! {
        biased;
        outcomes = publish_batch(link, channel, &messages) => outcomes,
        () = over.cancelled() => Err("another channel failed".to_owned()),
    };
    if outcomes.is_ok() {
        telemetry::confirmed(begun.elapsed());
    }
    Landed { channel, batch, outcomes }
}

/// Answers for a batch; says whether a queue of ours refused some of it. `Err` when its session is over: it waits again then.
fn land(link: &Link, landed: Landed<'_>, waiting: &mut Vec<Request>) -> Result<bool, String> {
    let Landed { channel, mut batch, outcomes } = landed;
    match outcomes {
        Ok(outcomes) => {
            let mut is_refused = false;
            for (request, outcome) in batch.into_iter().zip(outcomes) {
                is_refused |= outcome == Err(PublishError::Nacked) && request.message.destination.is_ours();
                let _ = request.answer.send(outcome);
            }
            Ok(is_refused)
        }
        Err(error) => {
            if link.is_connected() && !channel.status().connected() {
                blame(&mut batch, &error);
            }
            // They came before those that wait.
            waiting.splice(..0, batch);
            Err(error)
        }
    }
}

/// RabbitMQ has closed the channel alone, over one of these: that one would be published, and close it, for ever.
fn blame(batch: &mut Vec<Request>, error: &str) {
    let alone = batch.len() == 1;
    for request in &mut *batch {
        request.closings = if alone { request.closings + 1 } else { request.closings.max(1) };
    }
    if alone && batch[0].closings >= CLOSINGS_MAX {
        let request = batch.remove(0);
        let why = format!("RabbitMQ closes the channel over it: {error}");
        let _ = request.answer.send(Err(PublishError::Unsendable(why)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Map;
    use tokio::sync::oneshot;

    use super::*;
    use crate::Destination;

    type Answer = oneshot::Receiver<Result<(), PublishError>>;

    fn requests(count: usize) -> (Vec<Request>, Vec<Answer>) {
        let request = |id: usize| {
            let message = Message::json(Destination::Dead, id.to_string(), &Map::new(), Vec::new());
            let (answer, answered) = oneshot::channel();
            (Request { message: Arc::new(message), answer, closings: 0 }, answered)
        };
        (0..count).map(request).unzip()
    }

    fn ids(batch: &[Request]) -> Vec<&str> {
        batch.iter().map(|request| request.message.message_id.as_str()).collect()
    }

    #[test]
    fn what_waits_goes_in_batches_and_one_by_one_once_a_channel_was_closed_over_some_of_it() {
        let (mut waiting, _answers) = requests(BATCH + 2);
        assert_eq!(next_batch(&mut waiting).len(), BATCH);
        waiting[1].closings = 1;
        assert_eq!(ids(&next_batch(&mut waiting)), [BATCH.to_string()]);
        assert_eq!(ids(&next_batch(&mut waiting)), [(BATCH + 1).to_string()]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_message_that_channels_are_closed_over_is_given_up_and_none_that_was_only_beside_it() {
        let (mut batch, mut answers) = requests(2);
        for _ in 0..2 * CLOSINGS_MAX {
            blame(&mut batch, "406");
        }
        assert_eq!(batch.iter().map(|request| request.closings).collect::<Vec<_>>(), [1, 1]);
        let mut alone = vec![batch.remove(0)];
        for _ in 1..CLOSINGS_MAX {
            assert_eq!(ids(&alone), ["0"]);
            blame(&mut alone, "406");
        }
        assert!(alone.is_empty());
        assert!(
            matches!(answers[0].try_recv(), Ok(Err(PublishError::Unsendable(why))) if why.contains("406"))
        );
    }
}
