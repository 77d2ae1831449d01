//! A server that answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ACCESS_TOKEN, API_KEY, sample};
use crate::BrokerageError;
use crate::kite::{Kite, Timeouts};

#[derive(Clone)]
pub(super) enum Reply {
    /// Sends these bytes and closes.
    Raw(String),
    /// Never answers.
    Silence,
}

pub(super) fn reply(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))
}

pub(super) fn json_reply(status: &str, body: &Value) -> Reply {
    reply(status, "content-type: application/json\r\n", &body.to_string())
}

pub(super) fn book() -> Reply {
    json_reply("200 OK", &json!({"status": "success", "data": [sample()]}))
}

/// Serves the replies in turn, the last one for ever, and keeps what was asked.
pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
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

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn kite(&self) -> Kite {
        kite(&format!("http://{}", self.address))
    }
}

/// The head of the request; a GET has nothing else.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

pub(super) fn kite(base_url: &str) -> Kite {
    let timeouts = Timeouts { pause: Duration::from_millis(10), ..Timeouts::default() };
    new(base_url, API_KEY, ACCESS_TOKEN, timeouts).unwrap()
}

pub(super) fn new(
    base_url: &str,
    api_key: &str,
    access_token: &str,
    timeouts: Timeouts,
) -> Result<Kite, BrokerageError> {
    // The first test to come installs it, for all of them.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Kite::new(base_url.parse().unwrap(), api_key.into(), access_token.into(), timeouts)
}
