//! A server that answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ACCESS_TOKEN, API_KEY, PSEUDO_ACCOUNT, http};
use crate::{Access, Brokerage, Gate, Kind, Timeouts};

#[derive(Clone)]
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Raw(String),
    /// Never answers.
    Silence,
}

pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))
}

pub(crate) fn json_reply(status: &str, body: &Value) -> Reply {
    reply(status, "content-type: application/json\r\n", &body.to_string())
}

/// Serves the replies in turn, the last one for ever, and keeps what was asked.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = request(&mut stream).await;
                kept.lock().unwrap().push(head);
                match &replies[turn.min(replies.len() - 1)] {
                    // A client that has seen enough may be gone before the end.
                    Reply::Raw(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
                    Reply::Silence => connections.push(stream),
                }
            }
        });
        Self { address, requests }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A client of this server, impatient between two tries.
    pub(crate) fn open(&self, kind: Kind) -> Box<dyn Brokerage> {
        let timeouts = Timeouts { pause: Duration::from_millis(10), ..Timeouts::default() };
        self.open_with(kind, timeouts, Gate::open())
    }

    pub(crate) fn open_with(&self, kind: Kind, timeouts: Timeouts, gate: Gate) -> Box<dyn Brokerage> {
        open(kind, &format!("http://{}", self.address), timeouts, gate)
    }
}

/// A client of whatever is at the base URL.
pub(crate) fn open(kind: Kind, base_url: &str, timeouts: Timeouts, gate: Gate) -> Box<dyn Brokerage> {
    let access = Access {
        base_url: base_url.parse().unwrap(),
        pseudo_account: PSEUDO_ACCOUNT.to_owned(),
        api_key: API_KEY.into(),
        access_token: ACCESS_TOKEN.into(),
        gate,
    };
    kind.open(Some(&http(timeouts)), access).unwrap()
}

/// The head of the request; a GET has nothing else.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
