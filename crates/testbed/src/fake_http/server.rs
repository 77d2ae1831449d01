//! The server itself: accepts, reads, logs, answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::answer::Manner;
use super::connections::Connections;
use super::log::Log;
use super::reader::{Came, Reader};
use super::script::Script;
use super::{Answer, Request, lock};
use crate::Error;

/// After a failed accept, such as for want of file handles.
const RECOVERY: Duration = Duration::from_millis(20);

/// A server that answers as a function tells it; ends on drop.
pub(crate) struct FakeHttp {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    respond: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
    log: Mutex<Log>,
    script: Mutex<Script>,
    connections: Arc<Connections>,
}

impl FakeHttp {
    /// Starts to listen; `name` is for the error.
    pub(crate) fn start(
        name: &str,
        respond: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        // Its port needs no reservation: it is bound here and kept.
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io(format!("listen for {name}")))?;
        let address = listener.local_addr().map_err(Error::io(format!("find the port of {name}")))?;
        let shared = Arc::new(Shared {
            respond: Box::new(respond),
            log: Mutex::default(),
            script: Mutex::default(),
            connections: Arc::default(),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests to this path get these answers in turn.
    pub(crate) fn next(&self, path: &str, answers: Vec<Answer>) {
        lock(&self.shared.script).next(path, answers);
    }

    /// All requests to this path get this answer, until it is taken back with `None`.
    pub(crate) fn always(&self, path: &str, answer: Option<Answer>) {
        lock(&self.shared.script).always(path, answer);
    }

    /// The requests so far, at most the latest 100,000.
    pub(crate) fn log(&self) -> Vec<Request> {
        lock(&self.shared.log).requests().cloned().collect()
    }

    /// How many of the logged requests are such.
    pub(crate) fn count(&self, of: impl Fn(&Request) -> bool) -> usize {
        lock(&self.shared.log).requests().filter(|request| of(request)).count()
    }

    /// The latest of the logged requests that is such.
    pub(crate) fn last(&self, of: impl Fn(&Request) -> bool) -> Option<Request> {
        lock(&self.shared.log).requests().rfind(|request| of(request)).cloned()
    }

    /// The largest number of such requests within any window of this length.
    pub(crate) fn most_within(&self, window: Duration, of: impl Fn(&Request) -> bool) -> usize {
        lock(&self.shared.log).most_within(window, of)
    }
}

impl std::fmt::Debug for FakeHttp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FakeHttp").field(&self.address).finish()
    }
}

impl Drop for FakeHttp {
    fn drop(&mut self) {
        self.shared.connections.end();
        // Wakes the acceptor, which then sees the end.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.connections.is_ending() {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(RECOVERY);
            continue;
        };
        let Some(place) = shared.connections.enter(&stream) else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            serve(stream, &shared);
            drop(place);
        });
    }
}

/// Answers the requests of one connection. A client that leaves while it is answered is no matter of ours.
fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = Reader::new(stream);
    loop {
        let (answer, stays) = match reader.next() {
            Came::Request(request, stays) => (answer(request, shared), stays),
            Came::Unusable(status) => (Answer::html(status), false),
            Came::End => return,
        };
        shared.connections.pause(answer.delay);
        match answer.manner {
            Manner::Whole | Manner::Cut(_) => {}
            Manner::Silence => return reader.outlast(),
            Manner::HangUp => return,
        }
        let stays = stays && answer.manner == Manner::Whole && shared.connections.may_stay();
        if answer.write(&mut reader.writer(), stays).is_err() || !stays {
            return;
        }
    }
}

fn answer(request: Request, shared: &Shared) -> Answer {
    let scripted = lock(&shared.script).take(&request.path);
    let answer = scripted.unwrap_or_else(|| (shared.respond)(&request));
    // Before the answer is written: who has it finds the request logged.
    lock(&shared.log).push(request);
    answer
}
