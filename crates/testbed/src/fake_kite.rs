//! A stand-in for the Kite Connect v3 API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Error;

const POSITIONS: &str = "/portfolio/positions";
const HOLDINGS: &str = "/portfolio/holdings";

/// A small HTTP/1.1 server on a free port of 127.0.0.1 that answers `GET /orders` and the two paths of the
/// portfolio as it is told to.
///
/// It begins with no orders, no positions and no holdings. Every other path is answered with 404. It closes each connection after
/// one answer, and ends on drop.
#[derive(Debug)]
pub struct FakeKite {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    status: u16,
    content_type: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    portfolio: BTreeMap<&'static str, (u16, Vec<u8>)>,
    delay: Duration,
    requests: usize,
    authorization: Option<String>,
    version: Option<String>,
}

impl FakeKite {
    /// Starts to listen.
    pub fn start() -> Result<Self, Error> {
        // Its port needs no reservation: it is bound here and kept.
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listen for FakeKite"))?;
        let address = listener.local_addr().map_err(Error::io("find the port of FakeKite"))?;
        let state = Arc::new(Mutex::new(State {
            status: 200,
            content_type: "application/json".into(),
            headers: Vec::new(),
            body: br#"{"status":"success","data":[]}"#.to_vec(),
            portfolio: BTreeMap::from([
                (POSITIONS, (200, br#"{"status":"success","data":{"net":[],"day":[]}}"#.to_vec())),
                (HOLDINGS, (200, br#"{"status":"success","data":[]}"#.to_vec())),
            ]),
            delay: Duration::ZERO,
            requests: 0,
            authorization: None,
            version: None,
        }));
        let ending = Arc::new(AtomicBool::new(false));
        let acceptor = std::thread::spawn({
            let (state, ending) = (Arc::clone(&state), Arc::clone(&ending));
            move || accept(&listener, &state, &ending)
        });
        Ok(Self { address, state, ending, acceptor: Some(acceptor) })
    }

    /// `http://127.0.0.1:<port>`
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `GET /orders` is answered with this status and JSON body.
    pub fn respond(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.respond_as(status, "application/json", body);
    }

    /// As [`FakeKite::respond`], with another content type: Kite's proxies answer in HTML when it is down.
    pub fn respond_as(&self, status: u16, content_type: &str, body: impl Into<Vec<u8>>) {
        let mut state = self.state();
        (state.status, state.body) = (status, body.into());
        content_type.clone_into(&mut state.content_type);
    }

    /// From now on `GET /portfolio/positions` is answered with this status and JSON body.
    pub fn respond_positions(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.state().portfolio.insert(POSITIONS, (status, body.into()));
    }

    /// From now on `GET /portfolio/holdings` is answered with this status and JSON body.
    pub fn respond_holdings(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.state().portfolio.insert(HOLDINGS, (status, body.into()));
    }

    /// From now on every answer about orders also carries this header, such as `Retry-After`.
    pub fn add_header(&self, name: &str, value: &str) {
        self.state().headers.push((name.into(), value.into()));
    }

    /// From now on every answer about orders comes this much later.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// How many times orders were asked for.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// The `Authorization` header of the last request for orders.
    pub fn last_authorization(&self) -> Option<String> {
        self.state().authorization.clone()
    }

    /// The `X-Kite-Version` header of the last request for orders.
    pub fn last_kite_version(&self) -> Option<String> {
        self.state().version.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for FakeKite {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>, ending: &AtomicBool) {
    for stream in listener.incoming() {
        if ending.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        // A client that goes away while it is being answered is no matter of ours.
        std::thread::spawn(move || drop(answer(stream, &state)));
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).take(64 * 1024).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());

    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let is_get = request.starts_with("GET ");
    let portfolio = lock(state).portfolio.get(path).filter(|_| is_get).cloned();
    if let Some((status, body)) = portfolio {
        return write(stream, status, "application/json", &[], &body);
    }
    if !is_get || path != "/orders" {
        let body = br#"{"status":"error","message":"Route not found","error_type":"GeneralException"}"#;
        return write(stream, 404, "application/json", &[], body);
    }
    let (status, content_type, extra, body, delay) = {
        let mut state = lock(state);
        state.requests += 1;
        state.authorization = header("authorization");
        state.version = header("x-kite-version");
        (state.status, state.content_type.clone(), state.headers.clone(), state.body.clone(), state.delay)
    };
    std::thread::sleep(delay);
    write(stream, status, &content_type, &extra, &body)
}

fn write(
    mut stream: TcpStream,
    status: u16,
    content_type: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let mut head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
