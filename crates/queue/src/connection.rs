use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus};
use tls::Certificates;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::greeting::Greeting;
use crate::{QueueError, wire};

/// How long a connection may take to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long RabbitMQ may take to answer anything else.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Seconds between heartbeats unless the URL says otherwise; a silent peer is noticed after twice that.
const HEARTBEAT_SECONDS: u16 = 10;
/// The largest frame unless the URL says otherwise: RabbitMQ's own default. lapin has room for 32 of them each way; room that
/// is known before the connection opens takes no memory until it is used, room that is added then does, all of it.
const FRAME_BYTES_MAX: u32 = 128 * 1024;

/// The servers of one RabbitMQ cluster. `Debug` and `Display` show hosts only, never a password.
#[derive(Clone)]
pub struct RabbitUrls {
    uris: Arc<[AMQPUri]>,
    certificates: Certificates,
}

impl RabbitUrls {
    /// Parses a comma-separated list of `amqp://` or `amqps://` URLs.
    ///
    /// No path, `//` and `/%2f` mean the virtual host `/`; a lone `/` means the one with the empty name.
    ///
    /// # Errors
    /// [`QueueError::BadUrl`] says what is wrong, without repeating the URL, which holds a password.
    pub fn parse(text: &str) -> Result<Self, QueueError> {
        let bad = |what: &str| QueueError::BadUrl(what.to_owned());
        let mut uris = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let url = Url::parse(part).map_err(|error| bad(&format!("not a URL ({error})")))?;
            if !matches!(url.scheme(), "amqp" | "amqps") {
                return Err(bad("the scheme must be amqp or amqps"));
            }
            if url.host_str().is_none_or(str::is_empty) {
                return Err(bad("no host"));
            }
            let mut uri: AMQPUri = part.parse().map_err(|error: String| bad(&error))?;
            if url.path() == "//" {
                uri.vhost = "/".to_owned();
            }
            uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
            uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
            uris.push(uri);
        }
        if uris.is_empty() {
            return Err(bad("no URL given"));
        }
        Ok(Self { uris: uris.into(), certificates: Certificates::default() })
    }

    /// With `amqps`, checks the servers by these certificates.
    #[must_use]
    pub fn with_certificates(self, certificates: Certificates) -> Self {
        Self { certificates, ..self }
    }

    /// How many servers the list has.
    pub(crate) fn count(&self) -> usize {
        self.uris.len()
    }

    /// The server of one try: the next of the list each time.
    fn pick(&self, attempt: usize) -> &AMQPUri {
        &self.uris[attempt % self.uris.len()]
    }
}

fn server(uri: &AMQPUri) -> String {
    format!("{}:{}", uri.authority.host, uri.authority.port)
}

impl fmt::Display for RabbitUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uris.iter().map(server).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for RabbitUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitUrls({self})")
    }
}

/// One open connection, of which every wait has a time limit.
pub(crate) struct Link {
    connection: Connection,
    server: String,
    uri: AMQPUri,
    greeting: Arc<Greeting>,
    /// Told the time of each answer.
    got_on: Option<watch::Sender<Instant>>,
}

impl Link {
    /// Opens a connection to one server of the list; `client` is what RabbitMQ shows as its name.
    pub(crate) async fn connect(urls: &RabbitUrls, attempt: usize, client: &str) -> Result<Self, QueueError> {
        let uri = urls.pick(attempt).clone();
        let server = server(&uri);
        let properties = ConnectionProperties::default().with_connection_name(client.into());
        let greeting = Arc::new(Greeting::default());
        let connecting =
            wire::connect(uri.clone(), properties, urls.certificates.clone(), Arc::clone(&greeting));
        match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(connection)) => Ok(Self { connection, server, uri, greeting, got_on: None }),
            Ok(Err(source)) => match tls::refusal(&source.to_string()) {
                Some(refusal) => Err(QueueError::Untrusted { server, refusal }),
                None => Err(QueueError::Unavailable { server, source }),
            },
            Err(_) => Err(QueueError::TimedOut { server, what: "open a connection", limit: CONNECT_LIMIT }),
        }
    }

    /// Opens a connection to the first server of the list that answers.
    pub(crate) async fn connect_any(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        let mut attempt = 0;
        loop {
            match Self::connect(urls, attempt, client).await {
                Err(_) if attempt + 1 < urls.count() => attempt += 1,
                result => return result,
            }
        }
    }

    /// Opens a connection to whichever server of the list answers first; all are tried together.
    pub(crate) async fn connect_first(urls: &RabbitUrls, client: &str) -> Result<Self, QueueError> {
        let tries = (0..urls.count()).map(|attempt| Box::pin(Self::connect(urls, attempt, client)));
        Ok(select_ok(tries).await?.0)
    }

    /// Tells the time of each answer, also of one that did not come in time: whoever waits here is alive.
    #[must_use]
    pub(crate) fn telling(self, got_on: watch::Sender<Instant>) -> Self {
        Self { got_on: Some(got_on), ..self }
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, QueueError> {
        self.timed("open a channel", self.connection.create_channel()).await
    }

    /// Waits for an answer, but not for ever.
    pub(crate) async fn timed<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, QueueError> {
        let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await;
        if let Some(got_on) = &self.got_on {
            got_on.send_replace(Instant::now());
        }
        match answer {
            Ok(answer) => {
                answer.map_err(|source| QueueError::Unavailable { server: self.server.clone(), source })
            }
            Err(_) => Err(QueueError::TimedOut { server: self.server.clone(), what, limit: ANSWER_LIMIT }),
        }
    }

    /// Whether RabbitMQ has asked us to stop publishing (memory or disk alarm).
    pub(crate) fn is_blocked(&self) -> bool {
        self.liveness().is_blocked()
    }

    /// What others may know of the connection.
    pub(crate) fn liveness(&self) -> Liveness {
        Liveness(self.connection.status().clone())
    }

    /// Whether the connection is known to be usable.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// The server we are connected to.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// RabbitMQ's version, as it greeted us.
    pub(crate) fn version(&self) -> Option<&str> {
        self.greeting.version()
    }

    /// How it was reached; holds the password.
    pub(crate) fn uri(&self) -> &AMQPUri {
        &self.uri
    }

    /// Closes the connection, waiting two seconds at most.
    pub(crate) async fn close(self) {
        let closing = self.connection.close(200, "bye".into());
        let _ = tokio::time::timeout(Duration::from_secs(2), closing).await;
    }
}

/// The state of an open connection, for those who do not own it.
#[derive(Clone)]
pub(crate) struct Liveness(ConnectionStatus);

impl Liveness {
    /// See [`Link::is_blocked`].
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.blocked()
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Liveness").field("blocked", &self.is_blocked()).finish()
    }
}

/// The pause before connection try `attempt`: 0.2 s doubling to 5 s, jittered, so that a fleet does not knock at once.
pub(crate) fn reconnect_pause(attempt: usize) -> Duration {
    crate::RetryPolicy {
        initial: Duration::from_millis(200),
        max: Duration::from_secs(5),
        ..crate::RetryPolicy::default()
    }
    .delay(u32::try_from(attempt).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_default_vhost_means_slash() {
        for url in ["amqp://u:p@h:5672", "amqp://u:p@h:5672//", "amqp://u:p@h:5672/%2f"] {
            assert_eq!(RabbitUrls::parse(url).unwrap().uris[0].vhost, "/", "{url}");
        }
    }

    #[test]
    fn a_list_is_tried_in_turn_and_has_our_heartbeat() {
        let urls = RabbitUrls::parse("amqp://a:1,amqp://b:2?heartbeat=30").unwrap();
        assert_eq!((server(urls.pick(0)), server(urls.pick(3))), ("a:1".into(), "b:2".into()));
        assert_eq!((urls.uris[0].query.heartbeat, urls.uris[1].query.heartbeat), (Some(10), Some(30)));
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        for url in ["", "http://u:secret@h", "amqp://", "amqp://u:secret@h:99999", "nonsense"] {
            let error = RabbitUrls::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let urls = RabbitUrls::parse("amqp://u:secret@h:5672/%2f").unwrap();
        assert_eq!(format!("{urls:?} {urls}"), "RabbitUrls(h:5672) h:5672");
    }
}
