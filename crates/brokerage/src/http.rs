//! One bounded GET: time, size and redirects are limited here, what an answer means is for each brokerage to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, redirect};
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span, field, info_span};
use url::Url;

use crate::answer::Answer;
use crate::{BrokerageError, retry_after};

/// The largest answer or file that is read: 16 MiB, some ten thousand orders.
pub const ANSWER_LIMIT: usize = 16 << 20;

/// Of a host larger answers come in a few at a time, since a worker may look at more than a hundred books at once. Whoever asked
/// takes one apart as soon as it is there.
const LARGE: usize = 1 << 20;
/// So many.
const LARGE_AT_ONCE: usize = 8;

/// How long to wait for a brokerage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Duration,
    /// For one request, from connecting to the last byte.
    pub request: Duration,
    /// For both tries and the pause between them.
    pub total: Duration,
    /// Between the first try and the second.
    pub pause: Duration,
}

impl Default for Timeouts {
    /// 7 s a request (what Kite's own clients wait) and 10 s in all.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            request: Duration::from_secs(7),
            total: Duration::from_secs(10),
            pause: Duration::from_millis(250),
        }
    }
}

/// An HTTP client with its connection pool. Cloning shares the pool, so one can serve every account of a process.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    /// For each host, a permit for each large answer.
    large: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    pub(crate) timeouts: Timeouts,
}

impl Http {
    /// A client with a pool of its own. Loads the system's root certificates: do it once.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Transient`] if TLS cannot be set up, for instance without root certificates.
    ///
    /// # Panics
    ///
    /// If the process has installed no rustls crypto provider.
    pub fn new(timeouts: Timeouts) -> Result<Self, BrokerageError> {
        let client = Client::builder()
            .user_agent(concat!("syncfleet/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            // A redirect could carry the login elsewhere, and no brokerage's API has one.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| BrokerageError::Transient {
                message: "cannot set up TLS".to_owned(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self { client, large: Arc::default(), timeouts })
    }

    /// Fetches `url` within `limit`.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Transient`] for everything below HTTP, [`BrokerageError::Malformed`] for an answer over
    /// [`ANSWER_LIMIT`]. A status is no error here.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<Answer, BrokerageError> {
        let host = url.host_str().unwrap_or_default();
        let exchange = async {
            let request = self.client.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| broken(host, error))?;
            self.read(host, response).await
        };
        let span = span_of(url);
        let outcome = match tokio::time::timeout(limit, exchange).instrument(span.clone()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let seconds = limit.as_secs_f64();
                Err(BrokerageError::transient(format!("no answer from {host} within {seconds:.1} s")))
            }
        };
        if !span.is_disabled() {
            tell_trace(&span, &outcome);
        }
        outcome
    }

    pub(crate) fn large_of(&self, host: &str) -> Arc<Semaphore> {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let places = large.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(LARGE_AT_ONCE)));
        Arc::clone(places)
    }

    async fn read(&self, host: &str, mut response: Response) -> Result<Answer, BrokerageError> {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header(CONTENT_TYPE).map(str::to_owned);
        let retry_after =
            header(RETRY_AFTER).and_then(|wait| retry_after::parse(wait, header(DATE), Utc::now()));
        let status = response.status();
        let places = self.large_of(host);
        let (mut body, mut large) = (Vec::new(), None);
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(host, error))? {
            let size = body.len() + chunk.len();
            if size > ANSWER_LIMIT {
                return Err(BrokerageError::malformed(format!("an answer of over {ANSWER_LIMIT} bytes")));
            }
            if size > LARGE && large.is_none() {
                large = places.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, content_type, retry_after, body })
    }
}

/// A request in the trace of its job (its target makes it part of that, and of no log). The query may hold what nobody else
/// should know, and no header is told.
fn span_of(url: &Url) -> Span {
    info_span!(
        target: "otel", "GET",
        otel.kind = "client", otel.name = format!("GET {}", url.path()), otel.status_description = field::Empty,
        http.request.method = "GET", http.response.status_code = field::Empty,
        server.address = url.host_str(), server.port = url.port_or_known_default().map(i64::from),
        url.scheme = url.scheme(), url.path = url.path(),
    )
}

fn tell_trace(span: &Span, outcome: &Result<Answer, BrokerageError>) {
    match outcome {
        Ok(answer) => {
            span.record("http.response.status_code", i64::from(answer.status.as_u16()));
            if !answer.status.is_success() {
                span.record("otel.status_description", answer.status.to_string());
            }
        }
        Err(error) => {
            span.record("otel.status_description", error.to_string());
        }
    }
}

/// The fault without its URL: where it happened is said by the host alone.
fn broken(host: &str, error: reqwest::Error) -> BrokerageError {
    let message = if error.is_connect() {
        format!("cannot connect to {host}")
    } else {
        format!("the connection to {host} broke off")
    };
    BrokerageError::Transient { message, source: Some(Box::new(error.without_url())) }
}
