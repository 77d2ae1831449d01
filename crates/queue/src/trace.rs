//! Traces across the queue.
//!
//! A job is a trace of its own. It begins where the job is published, with a link to the span that published it (a tick, a
//! command, a job for all accounts): as children of that they would make one trace of millions of spans out of a large tick,
//! kept or dropped as a whole. The message carries the context in the header `traceparent`, as W3C Trace Context has it
//! and Celery's instrumentation sends it. Every delivery of the job is a child of that, and so is every copy, since copies keep their
//! headers. What follows a job, and its notifications, belong to its trace.
//!
//! The names are those of OpenTelemetry's conventions for messaging. The target `otel` is what makes these spans part of
//! traces, and keeps them out of logs.

use std::sync::Arc;

use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, global};
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::message::{Destination, Lineage, Message};
use crate::topology::WorkQueue;

/// Where a message says which span published it.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// What other systems have added to that.
pub(crate) const TRACESTATE: &str = "tracestate";
/// Longer values are nobody's context: they are not read, and go into no message of ours.
const VALUE_BYTES_MAX: usize = 512;
/// Longest error of a span.
const ERROR_BYTES_MAX: usize = 1024;

/// The span of a message's publishing, until its confirm. From now on the message carries its context.
pub(crate) fn publishing(message: &mut Arc<Message>) -> Span {
    if matches!(message.destination, Destination::Answer(_)) {
        return Span::none();
    }
    // What is named here is asked for only where the span is made.
    let span = info_span!(
        target: "otel", "publish",
        otel.kind = "producer", otel.name = format!("publish {}", message.destination.name()), otel.status_description = field::Empty,
        messaging.system = "rabbitmq", messaging.operation.name = "publish", messaging.operation.type = "send",
        messaging.destination.name = %message.destination.name(),
        messaging.rabbitmq.destination.routing_key = message.destination.routing_key(),
        messaging.message.id = message.message_id,
    );
    if span.is_disabled() {
        return span;
    }
    match message.lineage {
        Lineage::Begins => {
            let publisher = Context::current();
            // An error only says that nothing is traced here.
            let _ = span.set_parent(Context::new());
            span.add_link(publisher.span().span_context().clone());
            inject(&span, &mut Arc::make_mut(message).headers);
        }
        Lineage::Follows => inject(&span, &mut Arc::make_mut(message).headers),
        Lineage::Keeps => {}
    }
    span
}

/// The span of a delivery, from its arrival to its ack: a child of what published it. From now on the delivery, and so
/// every copy of it, carries a context also if it had none that can be read.
pub(crate) fn processing(delivery: &mut Delivery, queue: WorkQueue) -> Span {
    let properties = &delivery.properties;
    let id = properties.message_id().as_ref().or(properties.correlation_id().as_ref());
    let span = info_span!(
        target: "otel", "job",
        otel.kind = "consumer", otel.name = format!("process {}", queue.name()),
        otel.status_description = field::Empty,
        messaging.system = "rabbitmq", messaging.operation.name = "process", messaging.operation.type = "process",
        messaging.destination.name = queue.name(),
        messaging.message.id = id.map(ShortString::as_str),
        messaging.message.body.size = number(delivery.data.len()),
        messaging.rabbitmq.message.redelivered = delivery.redelivered,
        syncfleet.task = field::Empty, syncfleet.retries = field::Empty, syncfleet.disposition = field::Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let parent = properties.headers().as_ref().map(extract).unwrap_or_default();
    if parent.span().span_context().is_valid() {
        // An error only says that nothing is traced here.
        let _ = span.set_parent(parent);
    } else {
        let properties = std::mem::take(&mut delivery.properties);
        let mut headers = properties.headers().clone().unwrap_or_default();
        inject(&span, &mut headers);
        delivery.properties = properties.with_headers(headers);
    }
    span
}

/// The span of an ack.
pub(crate) fn acking(queue: WorkQueue) -> Span {
    info_span!(
        target: "otel", "ack",
        otel.kind = "client", otel.name = format!("ack {}", queue.name()), messaging.system = "rabbitmq",
        messaging.operation.name = "ack", messaging.operation.type = "settle",
        messaging.destination.name = queue.name(),
    )
}

/// Says that what the span is about failed.
pub(crate) fn fail(span: &Span, error: &str) {
    if !span.is_disabled() {
        span.record("otel.status_description", &error[..error.floor_char_boundary(ERROR_BYTES_MAX)]);
    }
}

/// A number as attributes have it.
pub(crate) fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn inject(span: &Span, headers: &mut FieldTable) {
    let context = span.context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Headers(headers)));
}

fn extract(headers: &FieldTable) -> Context {
    // Without the parent of this process: there is none.
    let nothing = Context::new();
    global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&nothing, &HeadersRead(headers))
    })
}

struct Headers<'a>(&'a mut FieldTable);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty state is none; one that is too long is passed on to nobody.
        if let Ok(key) = ShortString::try_new(key)
            && !value.is_empty()
            && value.len() <= VALUE_BYTES_MAX
        {
            self.0.insert(key, AMQPValue::LongString(value.into()));
        }
    }
}

struct HeadersRead<'a>(&'a FieldTable);

impl Extractor for HeadersRead<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let bytes = match self.0.inner().get(key)? {
            AMQPValue::LongString(text) => text.as_bytes(),
            AMQPValue::ShortString(text) => text.as_str().as_bytes(),
            _ => return None,
        };
        std::str::from_utf8(bytes).ok().filter(|text| text.len() <= VALUE_BYTES_MAX)
    }

    fn keys(&self) -> Vec<&str> {
        [TRACEPARENT, TRACESTATE].into_iter().filter(|key| self.0.contains_key(key)).collect()
    }
}
