use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, redirect};
use tls::Certificates;
use tokio::runtime::Handle;
use tracing::{info, warn};
use url::Url;

use crate::pairs::Pairs;
use crate::secret::SecretUrl;

/// How long the collector may take over a batch of spans; those that come meanwhile wait, and are dropped when they are too
/// many. Nothing else waits for it.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// What is read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Brings batches of spans to the collector. That it is away is logged once, and once that it is back.
#[derive(Clone)]
pub(crate) struct Collector(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    /// Its name in the logs.
    shown: String,
    headers: HeaderMap,
    /// Batches come from a thread that has no runtime.
    runtime: Handle,
    is_away: AtomicBool,
}

impl Collector {
    /// A client for the collector at `url`, whose certificate must be from these authorities (PEM) or the machine's.
    ///
    /// # Errors
    /// Text when there is no authority, and one is needed.
    pub(crate) fn new(
        url: &SecretUrl,
        headers: &Pairs,
        authorities: Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let shown = url.to_string();
        let mut url = Url::parse(url.expose()).map_err(|error| error.to_string())?;
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let client = Client::builder()
            .user_agent(concat!("syncfleet/", env!("CARGO_PKG_VERSION")))
            .timeout(REQUEST_LIMIT)
            // A redirect could carry the headers elsewhere.
            .redirect(redirect::Policy::none());
        let client = if url.scheme() == "https" {
            let mut certificates = Certificates::default();
            if let Some(authorities) = authorities {
                certificates.trust(authorities).map_err(|error| error.to_string())?;
            }
            client.tls_backend_preconfigured(certificates.client_config()?)
        } else {
            client.tls_certs_only([])
        };
        let client = client.build().map_err(|error| error.to_string())?;
        let headers = headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        let (headers, runtime) = (headers.collect(), Handle::current());
        Ok(Self(Arc::new(Inner { client, url, shown, headers, runtime, is_away: AtomicBool::new(false) })))
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let inner = Arc::clone(&self.0);
        self.0.runtime.spawn(async move { inner.send(request).await }).await?
    }
}

impl Inner {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = request.headers().get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let sending = self.client.post(self.url.clone()).headers(headers).body(request.into_body());
        let answer = match sending.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = error.without_url();
                self.note(Some(&chain(&error)));
                return Err(error.into());
            }
        };
        let status = answer.status();
        self.note((!status.is_success()).then(|| format!("it answers {status}")).as_deref());
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        let body = match answer.content_length() {
            Some(length) if length <= ANSWER_BYTES_MAX => answer.bytes().await.unwrap_or_default(),
            // Nothing in it that anybody here could use.
            _ => Bytes::new(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        Ok(response)
    }

    /// Logs the first failure of many, and the first success after them.
    fn note(&self, error: Option<&str>) {
        let was_away = self.is_away.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_away => {
                warn!(error, "traces do not reach the collector {}: {error}; jobs go on without", self.shown);
            }
            None if was_away => info!("traces reach the collector {} again", self.shown),
            _ => {}
        }
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collector").field(&self.0.shown).finish()
    }
}
