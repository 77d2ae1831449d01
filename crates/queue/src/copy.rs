use chrono::{DateTime, Utc};
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::delay::DelayStep;
use crate::headers::is_too_deep;
use crate::message::{Destination, Lineage, Message};
use crate::topology::WorkQueue;
use crate::trace;

/// The header frame of a copy stays under this: RabbitMQ closes the connection at 128 KiB (`frame_max`).
const HEADER_BYTES_MAX: usize = 96 * 1024;
/// Longest error text in a header.
const ERROR_BYTES_MAX: usize = 2 * 1024;

/// Headers that say when a job is to run.
const TIMES: [&str; 2] = ["eta", "expires"];

pub(crate) const LAST_ERROR: &str = "syncfleet-error";
pub(crate) const RENEWALS: &str = "syncfleet-renewals";
pub(crate) const FIRST_FAILED_AT: &str = "syncfleet-first-failed-at";
pub(crate) const LAST_FAILED_AT: &str = "syncfleet-last-failed-at";
pub(crate) const REASON: &str = "syncfleet-reason";
pub(crate) const ATTEMPTS: &str = "syncfleet-attempts";
const WORKER: &str = "syncfleet-worker";
pub(crate) const WORK_QUEUE: &str = "syncfleet-queue";
/// What we write about a job that did not end well.
const STORY: [&str; 8] =
    [LAST_ERROR, RENEWALS, FIRST_FAILED_AT, LAST_FAILED_AT, REASON, ATTEMPTS, WORKER, WORK_QUEUE];

/// What changes about a job that is to come back.
pub(crate) enum Again<'a> {
    /// Nothing.
    Unchanged,
    /// It is not to run before.
    At(DateTime<Utc>),
    /// It is counted anew by RabbitMQ, so often by now.
    Renewed(u32),
    /// It failed, and is tried once more.
    Retry {
        /// Retries including this one.
        retries: u32,
        /// When.
        due: DateTime<Utc>,
        /// What failed.
        error: &'a str,
        /// When it failed.
        now: DateTime<Utc>,
    },
}

/// The same job to come back after a delay step.
pub(crate) fn delayed(delivery: &Delivery, queue: WorkQueue, step: DelayStep, again: &Again<'_>) -> Message {
    let mut copy = plain(delivery, Destination::Delay(step, queue));
    match again {
        Again::Unchanged => {}
        Again::Renewed(renewals) => {
            set(
                &mut copy.headers,
                RENEWALS,
                AMQPValue::LongInt(i32::try_from(*renewals).unwrap_or(i32::MAX)),
            );
        }
        Again::At(due) => set_text(&mut copy.headers, "eta", &celery::format_time(*due)),
        Again::Retry { retries, due, error, now } => {
            set(
                &mut copy.headers,
                "retries",
                AMQPValue::LongInt(i32::try_from(*retries).unwrap_or(i32::MAX)),
            );
            set_text(&mut copy.headers, "eta", &celery::format_time(*due));
            mark_failure(&mut copy.headers, error, *now);
        }
    }
    bound(&mut copy.headers);
    copy
}

/// The message as a dead letter with its reason.
pub(crate) fn dead(
    delivery: &Delivery,
    queue: WorkQueue,
    reason: &str,
    error: &str,
    attempts: u32,
    worker: &str,
    now: DateTime<Utc>,
) -> Message {
    let mut copy = plain(delivery, Destination::Dead);
    mark_failure(&mut copy.headers, error, now);
    for (name, text) in [(REASON, reason), (WORKER, worker), (WORK_QUEUE, queue.name())] {
        set_text(&mut copy.headers, name, text);
    }
    let attempts = AMQPValue::LongInt(i32::try_from(attempts).unwrap_or(i32::MAX));
    set(&mut copy.headers, ATTEMPTS, attempts);
    bound(&mut copy.headers);
    copy
}

/// The same dead letter anew: counted from nothing by RabbitMQ, and with an id if it had none.
pub(crate) fn letter(delivery: &Delivery) -> Message {
    let mut copy = plain(delivery, Destination::Dead);
    bound(&mut copy.headers);
    copy
}

/// A dead letter as a job again, as if it had just been enqueued for the first time.
pub(crate) fn replayed(delivery: &Delivery, queue: WorkQueue, now: DateTime<Utc>) -> Message {
    let mut copy = plain(delivery, Destination::Work(queue));
    let mut kept = copy.headers.inner().clone();
    kept.retain(|name, _| !STORY.contains(&name.as_str()) && !TIMES.contains(&name.as_str()));
    copy.headers = kept.into();
    set(&mut copy.headers, "retries", AMQPValue::LongInt(0));
    if !copy.headers.contains_key("task") {
        // A message of protocol 1 has them in its body, where only a header can undo them.
        TIMES.into_iter().for_each(|name| set(&mut copy.headers, name, AMQPValue::Void));
    }
    for name in [celery::ENQUEUED_AT, celery::REPLAYED_AT] {
        set_text(&mut copy.headers, name, &celery::format_time(now));
    }
    bound(&mut copy.headers);
    copy
}

/// A copy that keeps what is Celery's and drops what would act again: an expiration would delete the copy, `user_id`
/// would be refused, CC and BCC would send it to further queues, and RabbitMQ's own marks would be believed.
fn plain(delivery: &Delivery, destination: Destination) -> Message {
    let properties = &delivery.properties;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let mut headers = FieldTable::default();
    if let Some(original) = properties.headers() {
        for (key, value) in original.inner() {
            if !is_dropped(key.as_str()) && !is_too_deep(value) {
                headers.insert(key.clone(), value.clone());
            }
        }
    }
    if let Some(user) = text(properties.user_id()) {
        set_text(&mut headers, "syncfleet-user-id", &user);
    }
    Message {
        destination,
        message_id: text(properties.message_id())
            .or_else(|| text(properties.correlation_id()))
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        kind: text(properties.kind()),
        app_id: text(properties.app_id()),
        timestamp: *properties.timestamp(),
        expiration_ms: None,
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        priority: *properties.priority(),
        headers,
        lineage: Lineage::Keeps,
        body: delivery.data.clone(),
    }
}

fn is_dropped(header: &str) -> bool {
    matches!(header, "CC" | "BCC" | "x-death" | "x-delivery-count" | "x-acquired-count")
        || header.starts_with("x-first-death-")
        || header.starts_with("x-last-death-")
}

fn mark_failure(headers: &mut FieldTable, error: &str, now: DateTime<Utc>) {
    let now = celery::format_time(now);
    set_text(headers, LAST_ERROR, cut(error, ERROR_BYTES_MAX));
    if !headers.contains_key(FIRST_FAILED_AT) {
        set_text(headers, FIRST_FAILED_AT, &now);
    }
    set_text(headers, LAST_FAILED_AT, &now);
}

fn set(headers: &mut FieldTable, name: &'static str, value: AMQPValue) {
    headers.insert(ShortString::from(name), value);
}

fn set_text(headers: &mut FieldTable, name: &'static str, text: &str) {
    set(headers, name, AMQPValue::LongString(text.into()));
}

/// Keeps the header frame small enough: first the reprs go, which are for people, then the largest of what is neither
/// the job's identity nor ours, and at last whatever is too long to be either.
fn bound(headers: &mut FieldTable) {
    for repr in ["argsrepr", "kwargsrepr"] {
        if size(headers) > HEADER_BYTES_MAX && headers.contains_key(repr) {
            set_text(headers, repr, "…");
        }
    }
    let mut left = size(headers);
    if left <= HEADER_BYTES_MAX {
        return;
    }
    // A frame holds tens of thousands of headers, so each is weighed once.
    let weights = headers.inner().iter().map(|(key, value)| {
        let is_kept = is_identity(key.as_str()) && value_size(value) <= ERROR_BYTES_MAX + 16;
        (is_kept, std::cmp::Reverse(entry_size(key, value)), key.clone())
    });
    let mut weights: Vec<_> = weights.collect();
    weights.sort();
    let mut kept = headers.inner().clone();
    for (is_kept, std::cmp::Reverse(bytes), key) in weights {
        if is_kept || left <= HEADER_BYTES_MAX {
            break;
        }
        kept.remove(&key);
        left -= bytes;
    }
    *headers = kept.into();
}

/// Whether a header tells which job it is, or what became of it with us. That somebody's header begins as ours do says
/// nothing: a frame full of those could not be published, and the message came back for ever.
fn is_identity(header: &str) -> bool {
    matches!(
        header,
        "id" | "task"
            | "retries"
            | "eta"
            | "expires"
            | celery::ENQUEUED_AT
            | celery::REPLAYED_AT
            | trace::TRACEPARENT
    ) || STORY.contains(&header)
}

/// About how many bytes a header table takes on the wire.
pub(crate) fn size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(key, value)| entry_size(key, value)).sum()
}

fn entry_size(key: &ShortString, value: &AMQPValue) -> usize {
    key.as_str().len() + 2 + value_size(value)
}

fn value_size(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => text.len() + 5,
        AMQPValue::ShortString(text) => text.as_str().len() + 2,
        AMQPValue::ByteArray(bytes) => bytes.len() + 5,
        AMQPValue::FieldArray(values) => 5 + values.as_slice().iter().map(value_size).sum::<usize>(),
        AMQPValue::FieldTable(table) => 5 + size(table),
        _ => 9,
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cut_at_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }

    #[test]
    fn oversized_headers_shrink_until_they_fit_and_keep_id_and_task() {
        let mut headers = FieldTable::default();
        set_text(&mut headers, "id", "x");
        set_text(&mut headers, "task", "t");
        set_text(&mut headers, "argsrepr", &"a".repeat(50_000));
        set_text(&mut headers, "tenant", &"b".repeat(60_000));
        set_text(&mut headers, "other", &"c".repeat(70_000));
        bound(&mut headers);
        assert!(size(&headers) <= HEADER_BYTES_MAX);
        assert!(headers.contains_key("id") && headers.contains_key("task") && headers.contains_key("tenant"));
        assert!(!headers.contains_key("other"));
    }

    #[test]
    fn a_hostile_id_or_header_of_ours_is_dropped_rather_than_closing_the_connection() {
        let mut headers = FieldTable::default();
        set_text(&mut headers, "id", &"x".repeat(100_000));
        set_text(&mut headers, "syncfleet-x", &"y".repeat(100_000));
        set_text(&mut headers, "syncfleet-reason", "bad_headers");
        bound(&mut headers);
        assert!(size(&headers) <= HEADER_BYTES_MAX);
        assert!(headers.contains_key("syncfleet-reason"));
    }

    #[test]
    fn a_frame_full_of_small_headers_is_made_small_at_once_even_if_they_are_named_as_ours_are() {
        let mut headers = FieldTable::default();
        for number in 0..10_000 {
            headers.insert(format!("syncfleet-{number}").into(), AMQPValue::Void);
            headers.insert(format!("x{number}").into(), AMQPValue::Boolean(true));
        }
        set_text(&mut headers, "id", "x");
        set_text(&mut headers, REASON, "no_task");
        let begun = std::time::Instant::now();
        bound(&mut headers);
        assert!(size(&headers) <= HEADER_BYTES_MAX);
        assert!(headers.contains_key("id") && headers.contains_key(REASON));
        assert!(begun.elapsed().as_millis() < 2_000, "{:?}", begun.elapsed());
    }

    #[test]
    fn marks_of_the_broker_are_not_copied() {
        for header in
            ["x-death", "x-first-death-queue", "x-last-death-reason", "x-delivery-count", "CC", "BCC"]
        {
            assert!(is_dropped(header), "{header}");
        }
        assert!(!is_dropped("x-tenant"));
    }
}
