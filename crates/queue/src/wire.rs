//! The way from RabbitMQ to lapin, on which frames are made readable (`clean.rs`).

use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio, TokioRuntime};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use futures_util::future::join;
use lapin::tcp::RustlsConnector;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tls::Certificates;
use tokio::sync::watch;

use crate::clean::Cleaner;
use crate::greeting::Greeting;

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 16 * 1024;

/// Connects as lapin does, with every frame cleaned behind the TLS and before the parser.
///
/// The TLS is ours to set up: lapin's own would trust the machine's authorities beside those that we are told of.
pub(crate) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    certificates: Certificates,
    greeting: Arc<Greeting>,
) -> lapin::Result<Connection> {
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Wire(Tokio::current())));
    let (waited_for, waits) = watch::channel(false);
    let open = async move |uri: AMQPUri, _: Runtime<_>| {
        // An error says that whoever connects has given up, and hears nothing of what follows either way.
        let _ = waits.clone().wait_for(|waits| *waits).await;
        let host = uri.authority.host;
        let tokio = TokioRuntime::tokio_current();
        let addresses = tokio.to_socket_addrs((host.clone(), uri.authority.port));
        let stream = AsyncTcpStream::connect(&tokio, addresses).await?;
        let stream = match uri.scheme {
            AMQPScheme::AMQP => stream,
            AMQPScheme::AMQPS => {
                let config = certificates.client_config().map_err(io::Error::other)?;
                stream.into_rustls(&RustlsConnector::from(config), name_of(&host)).await?
            }
        };
        Ok(AsyncTcpStream::Plain(Cleaned::new(stream).telling(Arc::clone(&greeting))))
    };
    // lapin 4.12 loses a failure that its I/O thread has before the future is there to be told, and waits for ever: nothing
    // is opened before the future has been polled, which takes it as far as that.
    let connecting = Connection::connector(uri, runtime, open, properties);
    let polled = async { waited_for.send_replace(true) };
    join(connecting, polled).await.0
}

/// The host as certificates name it: an IPv6 address has no brackets there.
fn name_of(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

type TokioStream = <Tokio as Reactor>::TcpStream;

/// tokio's reactor, whose streams are clean.
#[derive(Debug, Clone)]
struct Wire(Tokio);

impl Reactor for Wire {
    type TcpStream = Cleaned;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Cleaned::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}

/// A connection whose frames are clean when they are read.
struct Cleaned {
    stream: AsyncTcpStream<TokioStream>,
    cleaner: Cleaner,
    buffer: Box<[u8]>,
    /// Where the greeting is kept, until it is.
    greeting: Option<Arc<Greeting>>,
}

impl Cleaned {
    fn new(stream: AsyncTcpStream<TokioStream>) -> Self {
        Self { stream, cleaner: Cleaner::default(), buffer: vec![0; READ_BYTES].into(), greeting: None }
    }

    fn telling(self, greeting: Arc<Greeting>) -> Self {
        Self { greeting: Some(greeting), ..self }
    }
}

impl fmt::Debug for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleaned").finish_non_exhaustive()
    }
}

impl AsyncRead for Cleaned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, cleaner, buffer, greeting } = &mut *self;
        loop {
            let given = cleaner.give(into);
            if given > 0 || into.is_empty() {
                return Poll::Ready(Ok(given));
            }
            match ready!(Pin::new(&mut *stream).poll_read(context, buffer))? {
                0 => {
                    cleaner.end();
                    return Poll::Ready(Ok(cleaner.give(into)));
                }
                count => {
                    if let Some(greeting) = greeting.take() {
                        greeting.hear(&buffer[..count]);
                    }
                    cleaner.take(&buffer[..count]);
                }
            }
        }
    }
}

impl AsyncWrite for Cleaned {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use tracing::field::Field;
    use tracing::subscriber::DefaultGuard;
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};

    use super::*;

    /// Makes a thread slow between lapin's asking whether connecting has failed and its waiting to be told.
    struct Slow;

    impl<S: Subscriber> Layer<S> for Slow {
        fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
            event.record(&mut |_: &Field, said: &dyn fmt::Debug| {
                if format!("{said:?}") == "Sending protocol header to server" {
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
    }

    fn slow() -> DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(Slow))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_is_told_however_early_it_comes() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let uri = format!("amqp://{closed}/%2f").parse().unwrap();
        let refused = tokio::task::spawn_blocking(move || {
            let _slow = slow();
            let connecting =
                connect(uri, ConnectionProperties::default(), Certificates::default(), Arc::default());
            tokio::runtime::Handle::current()
                .block_on(async { tokio::time::timeout(Duration::from_secs(20), connecting).await })
        });
        assert!(refused.await.unwrap().expect("an answer").is_err());
    }
}
