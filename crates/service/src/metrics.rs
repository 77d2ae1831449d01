//! Metrics for Prometheus and health for supervisors, over plain HTTP.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, info};

use crate::{Fatal, Probe};

/// How long a client may take to send its request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How long gauges that must be asked for may take before the others are told without them.
const REFRESH_LIMIT: Duration = Duration::from_secs(2);
/// How often histograms are added up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long the servers may take to say whether they are there.
const READY_LIMIT: Duration = Duration::from_secs(3);
/// Clients at the same time; more wait.
const CLIENTS_MAX: usize = 16;
/// The buckets of every histogram. All of ours are seconds: of a request, of a job, of a tick that is late.
const BUCKETS: [f64; 17] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// Where metrics are told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Where /metrics, /health/live and /health/ready answer, such as 127.0.0.1:9464; a port alone: on 127.0.0.1;
    /// empty: nowhere. Whoever reaches it can read it
    #[arg(long, env = "METRICS_ADDR", value_name = "[HOST:]PORT", default_value = "", value_parser = parse_address)]
    pub metrics_addr: MetricsAddress,
    /// Asks the program that runs with this METRICS_ADDR how it is, and ends: 0 well, 1 not (for health checks)
    #[arg(long, value_name = "WHAT")]
    pub probe: Option<Probe>,
}

/// An address, or none.
#[derive(Debug, Clone, Copy)]
pub struct MetricsAddress(Option<SocketAddr>);

impl MetricsAddress {
    pub(crate) fn get(self) -> Option<SocketAddr> {
        self.0
    }
}

fn parse_address(text: &str) -> Result<MetricsAddress, String> {
    if text.is_empty() {
        return Ok(MetricsAddress(None));
    }
    // Other machines are let in only by an address that says so.
    let port = text.strip_prefix(':').unwrap_or(text).parse().ok();
    let local = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local.or_else(|| SocketAddr::from_str(text).ok()).map(|address| MetricsAddress(Some(address))).ok_or_else(
        || "expected an IP address and a port, such as 127.0.0.1:9464, a port, or nothing".to_owned(),
    )
}

/// What a program tells of itself when it is asked.
pub trait Told: Send + Sync + 'static {
    /// Sets gauges that somebody else knows, and returns what else is to be told: lines in Prometheus's text format. Both are
    /// done without when it takes too long.
    fn refresh(&self) -> impl Future<Output = String> + Send;

    /// Whether the program can do its work.
    ///
    /// # Errors
    /// Why not, in one line without secrets.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// The program's metrics, kept from its start on so that nothing of it is missing, and told once it can be asked.
#[derive(Debug)]
pub struct Metrics(Option<(SocketAddr, PrometheusHandle)>);

impl Metrics {
    /// Begins to keep metrics, if they are wanted; else nothing is kept. Once a process, before anything is counted.
    ///
    /// # Errors
    /// They are kept already.
    pub fn keep(arguments: &MetricsArgs, program: &'static str) -> Result<Self, Fatal> {
        let Some(address) = arguments.metrics_addr.0 else { return Ok(Self(None)) };
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)
            .map_err(|_| Fatal::setting("METRICS_ADDR", "metrics are kept already"))?;
        describe_gauge!("syncfleet_build_info", "1, with the program and its version");
        gauge!("syncfleet_build_info", "program" => program, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(Some((address, handle))))
    }

    /// Begins to tell them and the program's health.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn tell(self, told: impl Told) -> Result<(), Fatal> {
        let Some((address, handle)) = self.0 else { return Ok(()) };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Fatal::setting("METRICS_ADDR", format!("cannot listen on {address}: {error}"))
        })?;
        info!("metrics: http://{address}/metrics");
        if !address.ip().is_loopback() {
            info!("metrics: whoever reaches {address} can read them, there is no login");
        }
        tokio::spawn(upkeep(handle.clone()));
        tokio::spawn(serve(listener, handle, Arc::new(told)));
        Ok(())
    }
}

/// Without buckets a histogram would be told as quantiles, which cannot be added up over processes.
fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("only an empty list is refused");
    builder.build_recorder()
}

/// What histograms are given is put away one by one until somebody adds it up. Nobody may ever ask: then it would pile up.
async fn upkeep(handle: PrometheusHandle) {
    let mut turns = tokio::time::interval(UPKEEP_EVERY);
    loop {
        turns.tick().await;
        handle.run_upkeep();
    }
}

async fn serve(listener: TcpListener, handle: PrometheusHandle, told: Arc<impl Told>) {
    let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("a client of the metrics was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (handle, told) = (handle.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            let answering = service_fn(|request: Request<Incoming>| {
                let (handle, told) = (handle.clone(), Arc::clone(&told));
                async move { Ok::<_, Infallible>(answer(&request, &handle, &*told).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answering);
            if let Err(error) = connection.await {
                debug!("a client of the metrics went away: {error}");
            }
            drop(permit);
        });
    }
}

async fn answer(
    request: &Request<Incoming>,
    handle: &PrometheusHandle,
    told: &impl Told,
) -> Response<String> {
    let path = if *request.method() == Method::GET { request.uri().path() } else { "" };
    match path {
        "/metrics" => {
            // The others are told in any case.
            let besides = tokio::time::timeout(REFRESH_LIMIT, told.refresh()).await.unwrap_or_default();
            text(StatusCode::OK, handle.render() + &besides)
        }
        // Whoever answers is alive: what it waits for is a question of readiness.
        "/health/live" => text(StatusCode::OK, "alive\n".to_owned()),
        "/health/ready" => match tokio::time::timeout(READY_LIMIT, told.ready()).await {
            Ok(Ok(())) => text(StatusCode::OK, "ready\n".to_owned()),
            Ok(Err(why)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "a server does not answer\n".to_owned()),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /health/live and /health/ready\n".to_owned()),
    }
}

fn text(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    struct Counted {
        recorder: Arc<PrometheusRecorder>,
        is_ready: AtomicBool,
    }

    impl Told for Arc<Counted> {
        async fn refresh(&self) -> String {
            metrics::with_local_recorder(&*self.recorder, || gauge!("syncfleet_test").increment(1.0));
            "syncfleet_beside 7\n".to_owned()
        }

        async fn ready(&self) -> Result<(), String> {
            match self.is_ready.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err("RabbitMQ is away".to_owned()),
            }
        }
    }

    async fn asked(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_are_told_fresh_and_nothing_else_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let recorder = recorder();
        let handle = recorder.handle();
        let counted = Counted { recorder: Arc::new(recorder), is_ready: AtomicBool::new(true) };
        let counted = Arc::new(counted);
        tokio::spawn(serve(listener, handle, Arc::new(Arc::clone(&counted))));
        for expected in ["syncfleet_test 1", "syncfleet_test 2"] {
            let answer = asked(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.lines().any(|line| line == expected), "{answer}");
            assert!(answer.ends_with("\nsyncfleet_beside 7\n"), "{answer}");
        }
        let health = async |path: &str| {
            asked(address, &format!("GET /health/{path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
        };
        assert!(health("ready").await.starts_with("HTTP/1.1 200"));
        counted.is_ready.store(false, Ordering::Relaxed);
        let unready = health("ready").await;
        assert!(unready.starts_with("HTTP/1.1 503") && unready.ends_with("RabbitMQ is away\n"), "{unready}");
        assert!(health("live").await.starts_with("HTTP/1.1 200"), "it lives all the same");
        for other in ["GET / HTTP/1.1", "POST /metrics HTTP/1.1"] {
            let answer = asked(address, &format!("{other}\r\nhost: x\r\ncontent-length: 0\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        }
    }

    #[test]
    fn a_histogram_is_told_in_buckets_that_add_up() {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, || metrics::histogram!("syncfleet_test").record(0.3));
        let told = recorder.handle().render();
        for line in [r#"syncfleet_test_bucket{le="0.25"} 0"#, r#"syncfleet_test_bucket{le="0.5"} 1"#] {
            assert!(told.lines().any(|told| told == line), "{told}");
        }
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine_and_everybody_is_let_in_only_by_name() {
        assert!(parse_address("").unwrap().0.is_none());
        assert!(parse_address("127.0.0.1:9464").unwrap().0.is_some());
        assert!(parse_address("[::1]:9464").unwrap().0.is_some());
        for text in ["9464", ":9464"] {
            assert_eq!(parse_address(text).unwrap().0.unwrap().to_string(), "127.0.0.1:9464");
        }
        for text in ["94640", "-1", "localhost:9464", "127.0.0.1", "http://127.0.0.1:9464"] {
            assert!(parse_address(text).unwrap_err().contains("127.0.0.1:9464"), "{text}");
        }
    }
}
