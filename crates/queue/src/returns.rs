//! How often RabbitMQ has taken a message back.
//!
//! RabbitMQ 4 drops a message of a quorum queue silently after 20 returns, and each shutdown, lost connection and death of a
//! worker returns all that it held, the innocent too. So a message is replaced by a copy of itself, which is counted anew,
//! long before. It is told by the bare properties: a message that kills its decoder must not get that far.

use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::copy::RENEWALS;

/// Returns after which a message is renewed.
const RETURNS_MAX: i64 = 10;

/// How often the message was renewed before, if it is time to do so again.
pub(crate) fn renewals_due(delivery: &Delivery) -> Option<u32> {
    let headers = delivery.properties.headers().as_ref().filter(|_| is_returned_often(delivery))?;
    let renewals = number(headers, RENEWALS).and_then(|number| u32::try_from(number).ok());
    Some(renewals.unwrap_or(0))
}

/// Whether a message was returned so often that it is to be replaced by a copy.
pub(crate) fn is_returned_often(delivery: &Delivery) -> bool {
    // On a first delivery the count would be one that somebody wrote into the message.
    let headers = delivery.properties.headers().as_ref().filter(|_| delivery.redelivered);
    let count = headers.and_then(|headers| {
        number(headers, "x-acquired-count").or_else(|| number(headers, "x-delivery-count"))
    });
    count.is_some_and(|count| count >= RETURNS_MAX)
}

fn number(headers: &FieldTable, name: &str) -> Option<i64> {
    match headers.inner().get(name)? {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}
