//! What a fake answers, and the ways in which it fails to.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

/// One answer of a fake server, good or bad.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    content_type: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How long the client waits for it.
    pub(super) delay: Duration,
    pub(super) manner: Manner,
}

/// How much of an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// The head declares the whole length, only so many bytes of the body follow.
    Cut(usize),
    /// Nothing, and the connection stays open.
    Silence,
    /// Nothing, and the connection is closed.
    HangUp,
}

impl Answer {
    /// An answer in JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self::bytes(status, "application/json", body.to_string())
    }

    /// The page of a gateway that does not reach the API behind it.
    pub fn html(status: u16) -> Self {
        Self::bytes(status, "text/html", format!("<html><body><h1>{status}</h1></body></html>"))
    }

    /// An answer of any type, byte for byte.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: content_type.into(),
            headers: Vec::new(),
            body: body.into(),
            delay: Duration::ZERO,
            manner: Manner::Whole,
        }
    }

    /// No answer: the connection is held until the client leaves or the server is dropped.
    pub fn silence() -> Self {
        Self { manner: Manner::Silence, ..Self::bytes(0, "", "") }
    }

    /// No answer: the connection is closed without a byte.
    pub fn hang_up() -> Self {
        Self { manner: Manner::HangUp, ..Self::bytes(0, "", "") }
    }

    /// With one more header, such as `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// So much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Declares the whole length, sends only so many bytes of the body and closes the connection.
    #[must_use]
    pub fn cut(mut self, bytes: usize) -> Self {
        self.manner = Manner::Cut(bytes);
        self
    }

    /// In one piece: with two, Nagle's algorithm and a delayed ACK cost the client 40 ms.
    pub(super) fn write(&self, to: &mut impl Write, keep_alive: bool) -> std::io::Result<()> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let mut bytes = format!(
            "HTTP/1.1 {} -\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n",
            self.status,
            self.content_type,
            self.body.len()
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        let given = match self.manner {
            Manner::Cut(at) => at.min(self.body.len()),
            _ => self.body.len(),
        };
        bytes.extend_from_slice(&self.body[..given]);
        to.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(answer: &Answer) -> String {
        let mut bytes = Vec::new();
        answer.write(&mut bytes, true).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_answer_is_written_with_its_length_and_headers() {
        let answer = Answer::json(429, json!([1, 2])).header("Retry-After", "7");
        assert_eq!(
            written(&answer),
            "HTTP/1.1 429 -\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\
             Connection: keep-alive\r\nRetry-After: 7\r\n\r\n[1,2]"
        );
    }

    #[test]
    fn a_cut_answer_declares_more_than_it_gives() {
        let text = written(&Answer::bytes(200, "text/plain", "0123456789").cut(4));
        assert!(text.contains("Content-Length: 10\r\n") && text.ends_with("\r\n\r\n0123"), "{text}");
        assert!(written(&Answer::bytes(200, "text/plain", "01").cut(4)).ends_with("\r\n\r\n01"));
    }
}
