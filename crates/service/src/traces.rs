//! Traces: spans of jobs, sent to an OpenTelemetry collector (OTLP over HTTP) where one is set.
//!
//! A span belongs to a trace if its target is `otel`, and to the logs if it is not: neither sees the other's. Without a
//! collector nothing looks at those targets, so such a span costs the test of one flag.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::warn;

use crate::BadSetting;
use crate::collector::Collector;
use crate::pairs::{self, Pairs};
use crate::secret::SecretUrl;
use crate::values;

/// The target of spans that belong to traces.
pub(crate) const TARGET: &str = "otel";

/// How long what is left may take to reach the collector when a program ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Where traces go, and how many of them. The names are OpenTelemetry's; as there, an empty value is none.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TracesArgs {
    /// Collector of traces, such as http://localhost:4318; empty: no traces
    #[arg(long, env = ENDPOINT, hide_env_values = true, value_name = "URL", global = true, default_value = "",
          hide_default_value = true, value_parser = parse_endpoint)]
    pub otel_exporter_otlp_endpoint: CollectorUrl,
    /// Headers for the collector, such as a key: name=value,…
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true, value_name = "HEADERS", global = true,
          default_value = "", hide_default_value = true, value_parser = pairs::headers)]
    pub otel_exporter_otlp_headers: Pairs,
    /// How the collector is spoken to: http/protobuf, nothing else
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", value_name = "PROTOCOL", global = true, default_value = "",
          hide_default_value = true, value_parser = parse_protocol)]
    pub otel_exporter_otlp_protocol: Protocol,
    /// PEM file of the authorities that the collector's certificate must be from [default: the machine's]
    #[arg(long, env = CERTIFICATE, value_name = "FILE", global = true, default_value = "", hide_default_value = true)]
    pub otel_exporter_otlp_certificate: String,
    /// The program's name in traces [default: syncfleet-beat, syncfleet-worker or syncfleet]
    #[arg(long, env = SERVICE_NAME, value_name = "NAME", global = true, default_value = "", hide_default_value = true)]
    pub otel_service_name: String,
    /// Further attributes of the program in traces: name=value,…
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "ATTRIBUTES", global = true, default_value = "",
          hide_default_value = true, value_parser = pairs::attributes)]
    pub otel_resource_attributes: Pairs,
    /// Which traces are kept: always_on, always_off, traceidratio, or one of them behind parentbased_ [default:
    /// parentbased_always_on]
    #[arg(long, env = "OTEL_TRACES_SAMPLER", value_name = "SAMPLER", global = true, default_value = "",
          hide_default_value = true, value_parser = parse_sampler)]
    pub otel_traces_sampler: SamplerKind,
    /// The share of traces that traceidratio keeps, from 0 to 1 [default: 1]
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE", global = true, default_value = "",
          hide_default_value = true, value_parser = parse_share)]
    pub otel_traces_sampler_arg: Share,
}

/// A collector, or none.
#[derive(Debug, Clone)]
pub struct CollectorUrl(Option<SecretUrl>);

/// The one protocol that is spoken.
#[derive(Debug, Clone, Copy)]
pub struct Protocol;

/// How it is decided which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplerKind {
    /// Whoever began a trace elsewhere has decided.
    follows_parent: bool,
    root: RootSampler,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RootSampler {
    All,
    None,
    Share,
}

/// From 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

/// Who tells of itself in traces.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// The program: `service.name`.
    pub program: &'static str,
    /// Which of them: `service.instance.id`, unique in the fleet.
    pub instance: &'a str,
}

/// The traces of this process, perhaps none.
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins to collect spans, if that is wanted. Inside a tokio runtime; connects to nothing yet.
    ///
    /// # Errors
    /// The setting to mend.
    pub(crate) fn begin(arguments: &TracesArgs, teller: Teller<'_>) -> Result<Self, BadSetting> {
        let Some(url) = &arguments.otel_exporter_otlp_endpoint.0 else { return Ok(Self(None)) };
        let authorities = match arguments.otel_exporter_otlp_certificate.as_str() {
            "" => None,
            file => Some(std::fs::read(file).map_err(|error| BadSetting {
                variable: CERTIFICATE,
                text: format!("cannot read {file}: {error}"),
            })?),
        };
        let collector = Collector::new(url, &arguments.otel_exporter_otlp_headers, authorities)
            .map_err(|text| BadSetting { variable: CERTIFICATE, text })?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            // The client knows where to send; this one may be told in errors.
            .with_endpoint(url.to_string())
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .build()
            .map_err(|error| BadSetting { variable: ENDPOINT, text: error.to_string() })?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(arguments.otel_traces_sampler.sampler(arguments.otel_traces_sampler_arg))
            .with_resource(resource(arguments, teller))
            .build();
        // What reads and writes `traceparent` asks for it by this.
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(Some(provider)))
    }

    /// What makes spans of this process, if any are made.
    pub(crate) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("syncfleet"))
    }

    /// Sends what is left, within a limit.
    pub(crate) async fn end(self) {
        let Some(provider) = self.0 else { return };
        // It waits for its own thread, which waits for the runtime's.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT));
        if !matches!(tokio::time::timeout(FLUSH_LIMIT, ended).await, Ok(Ok(Ok(())))) {
            warn!("the last traces did not reach the collector within {FLUSH_LIMIT:?}");
        }
    }
}

/// What every span says of its program. What somebody set goes before what we know.
fn resource(arguments: &TracesArgs, teller: Teller<'_>) -> Resource {
    let ours = [
        ("service.name", teller.program),
        ("service.instance.id", teller.instance),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
    ];
    let mut attributes: BTreeMap<String, String> =
        ours.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    attributes.extend(arguments.otel_resource_attributes.iter());
    if !arguments.otel_service_name.is_empty() {
        attributes.insert("service.name".to_owned(), arguments.otel_service_name.clone());
    }
    let attributes = attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
    Resource::builder_empty().with_attributes(attributes).build()
}

impl SamplerKind {
    fn sampler(self, share: Share) -> Sampler {
        let root = match self.root {
            RootSampler::All => Sampler::AlwaysOn,
            RootSampler::None => Sampler::AlwaysOff,
            RootSampler::Share => Sampler::TraceIdRatioBased(share.0),
        };
        if self.follows_parent { Sampler::ParentBased(Box::new(root)) } else { root }
    }
}

fn parse_endpoint(text: &str) -> Result<CollectorUrl, String> {
    match text {
        "" => Ok(CollectorUrl(None)),
        text => values::http_url(text).map(|url| CollectorUrl(Some(url))),
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "" | "http/protobuf" => Ok(Protocol),
        _ => Err("expected http/protobuf, the only one that is spoken here".to_owned()),
    }
}

fn parse_sampler(text: &str) -> Result<SamplerKind, String> {
    let text = if text.is_empty() { "parentbased_always_on" } else { text };
    let (follows_parent, root) = match text.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, text),
    };
    let root = match root {
        "always_on" => RootSampler::All,
        "always_off" => RootSampler::None,
        "traceidratio" => RootSampler::Share,
        _ => {
            return Err("expected always_on, always_off, traceidratio, parentbased_always_on, \
                        parentbased_always_off or parentbased_traceidratio"
                .to_owned());
        }
    };
    Ok(SamplerKind { follows_parent, root })
}

fn parse_share(text: &str) -> Result<Share, String> {
    match text {
        "" => Ok(Share(1.0)),
        text => (text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).map(Share))
            .ok_or_else(|| "expected a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        traces: TracesArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<TracesArgs, clap::Error> {
        let arguments = std::iter::once("program").chain(arguments.iter().copied());
        Program::try_parse_from(arguments).map(|program| program.traces)
    }

    #[test]
    fn without_a_collector_there_are_no_traces_and_an_empty_value_is_none() {
        let teller = Teller { program: "syncfleet-beat", instance: "beat@host-1" };
        for arguments in [&[][..], &["--otel-exporter-otlp-endpoint", ""]] {
            let traces = Traces::begin(&parsed(arguments).unwrap(), teller).unwrap();
            assert!(traces.tracer().is_none(), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_no_collector_sampler_or_share_is_refused() {
        for (flag, value, expected) in [
            ("--otel-exporter-otlp-endpoint", "localhost:4318", "http://"),
            ("--otel-exporter-otlp-endpoint", "http://", "http://"),
            ("--otel-exporter-otlp-headers", "no-equals-sign", "name=value"),
            ("--otel-exporter-otlp-protocol", "grpc", "http/protobuf"),
            ("--otel-resource-attributes", "=x", "name=value"),
            ("--otel-traces-sampler", "sometimes", "parentbased_always_on"),
            ("--otel-traces-sampler-arg", "1.5", "from 0 to 1"),
            ("--otel-traces-sampler-arg", "NaN", "from 0 to 1"),
        ] {
            let error = parsed(&[flag, value]).unwrap_err().to_string();
            assert!(error.contains(expected), "{flag} {value}: {error}");
        }
    }

    #[test]
    fn samplers_have_their_standard_names() {
        let sampler = |name, share| parse_sampler(name).unwrap().sampler(parse_share(share).unwrap());
        assert_eq!(format!("{:?}", sampler("", "")), "ParentBased(AlwaysOn)");
        assert_eq!(format!("{:?}", sampler("always_off", "")), "AlwaysOff");
        assert_eq!(
            format!("{:?}", sampler("parentbased_traceidratio", "0.01")),
            "ParentBased(TraceIdRatioBased(0.01))"
        );
    }

    #[test]
    fn what_is_set_about_the_program_goes_before_what_is_known() {
        let teller = Teller { program: "syncfleet-worker", instance: "w@h" };
        let of = |arguments: &[&str], name: &'static str| {
            resource(&parsed(arguments).unwrap(), teller).get(&name.into()).map(|value| value.to_string())
        };
        let attributes =
            ["--otel-resource-attributes", "service.name=a,service.instance.id=b%2Cc, team = x "];
        assert_eq!(of(&[], "service.name").as_deref(), Some("syncfleet-worker"));
        assert_eq!(of(&[], "service.instance.id").as_deref(), Some("w@h"));
        assert_eq!(of(&attributes, "service.name").as_deref(), Some("a"));
        assert_eq!(of(&attributes, "service.instance.id").as_deref(), Some("b,c"));
        assert_eq!(of(&attributes, "team").as_deref(), Some("x"));
        let named = [attributes[0], attributes[1], "--otel-service-name", "mine"];
        assert_eq!(of(&named, "service.name").as_deref(), Some("mine"));
    }
}
