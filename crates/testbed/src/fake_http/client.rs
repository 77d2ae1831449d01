//! The client of the tests: one connection, read answer by answer.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer that has not come by then fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection to a fake.
pub(crate) struct Client(BufReader<TcpStream>);

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// As much of it as came.
    pub(crate) body: String,
    /// As much as was declared.
    pub(crate) length: usize,
}

impl Client {
    pub(crate) fn connect(base_url: &str) -> Self {
        let stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Asks by GET; `headers` as lines that end with `\r\n`.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: fake\r\n{headers}\r\n"));
        self.reply().expect("an answer")
    }

    /// The next answer; none when the connection was closed without one.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).unwrap() == 0 {
                assert_eq!(head, "", "closed within a head");
                return None;
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let length = length.parse().unwrap();
        let mut body = String::new();
        (&mut self.0).take(u64::try_from(length).unwrap()).read_to_string(&mut body).unwrap();
        Some(Reply { status, head, body, length })
    }

    /// Whether nothing comes for a moment, and the connection is open.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.0.get_ref().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let quiet = self
            .0
            .fill_buf()
            .is_err_and(|error| [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()));
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        quiet
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
