use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span as Sent, span::SpanKind, status::StatusCode};
use prost::Message as _;
use testbed::{FakeCollector, wait_until};

use crate::World;

/// How long spans may take to arrive that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collector of traces, and what its programs have sent it.
pub struct Collector(FakeCollector);

/// A span as it was sent. Ids are in hexadecimal, as headers have them.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// `service.name` of the program it is from.
    pub service: String,
    /// `service.instance.id` of the program it is from.
    pub instance: String,
    /// What it is called.
    pub name: String,
    /// What kind it is, such as `SPAN_KIND_CONSUMER`.
    pub kind: &'static str,
    /// The trace it is in.
    pub trace: String,
    /// Itself.
    pub id: String,
    /// The span it is a part of; empty: its trace begins with it.
    pub parent: String,
    /// The trace and span of each link.
    pub links: Vec<(String, String)>,
    /// What it says, every value as text.
    pub attributes: BTreeMap<String, String>,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
}

impl Span {
    /// What it says under this name; empty: nothing.
    pub fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The header by which a message says that it was published under it.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }

    fn of(service: &str, instance: &str, sent: &Sent) -> Self {
        let status = sent.status.clone().unwrap_or_default();
        Self {
            service: service.to_owned(),
            instance: instance.to_owned(),
            name: sent.name.clone(),
            kind: SpanKind::try_from(sent.kind).expect("a kind of span").as_str_name(),
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            links: sent.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            attributes: sent.attributes.iter().map(pair).collect(),
            error: (status.code == StatusCode::Error as i32).then_some(status.message),
            time: (sent.start_time_unix_nano, sent.end_time_unix_nano),
        }
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector {
    /// A collector that takes everything.
    pub fn new() -> Self {
        Self(FakeCollector::start().expect("a collector"))
    }

    /// Makes programs of a world send their spans here, soon after they have ended.
    #[must_use]
    pub fn of(&self, world: World) -> World {
        let world = world.with("OTEL_EXPORTER_OTLP_ENDPOINT", &self.0.base_url());
        world.with("OTEL_BSP_SCHEDULE_DELAY", "200")
    }

    /// The server, to look at what came, or to make it answer otherwise.
    pub fn server(&self) -> &FakeCollector {
        &self.0
    }

    /// All spans so far, in the order of their beginnings.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for batch in self.0.batches() {
            let batch = ExportTraceServiceRequest::decode(batch.body.as_slice()).expect("spans in protobuf");
            for of_program in batch.resource_spans {
                let told: BTreeMap<String, String> =
                    of_program.resource.unwrap_or_default().attributes.iter().map(pair).collect();
                let (service, instance) = (&told["service.name"], &told["service.instance.id"]);
                for scope in of_program.scope_spans {
                    spans.extend(scope.spans.iter().map(|sent| Span::of(service, instance, sent)));
                }
            }
        }
        spans.sort_by_key(|span| span.time);
        spans
    }

    /// Waits until there are so many spans of this name, and returns them.
    #[track_caller]
    pub fn wait_for(&self, name: &str, count: usize) -> Vec<Span> {
        let of_name = || self.spans().into_iter().filter(|span| span.name == name).collect::<Vec<_>>();
        wait_until(&format!("{count} spans {name}"), PATIENCE, || of_name().len() >= count);
        let spans = of_name();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    /// Waits for a span that is such, and returns the first.
    #[track_caller]
    pub fn wait_for_one(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        let find = || self.spans().into_iter().find(|span| is_it(span));
        wait_until(&format!("a span: {what}"), PATIENCE, || find().is_some());
        find().expect("the span")
    }

    /// All spans of a trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }
}

fn pair(pair: &KeyValue) -> (String, String) {
    (pair.key.clone(), pair.value.as_ref().map(text).unwrap_or_default())
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
