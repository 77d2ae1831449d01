//! The few lines of HTTP that the APIs of RabbitMQ and Prometheus need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::Error;

/// The API answers in milliseconds; a frozen node must not hang a test for ever.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One server by its URL `http://user:password@host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    address: String,
    authorization: String,
}

impl Http {
    /// The user's name and password are taken as they are: no percent-decoding.
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let unusable = || Error::Unusable(format!("{url} is not http://user:password@host:port"));
        let rest = url.strip_prefix("http://").ok_or_else(unusable)?.trim_end_matches('/');
        let (user, address) = rest.rsplit_once('@').ok_or_else(unusable)?;
        Ok(Self { address: address.into(), authorization: BASE64_STANDARD.encode(user) })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Error> {
        self.send("GET", path, None)
    }

    /// Sends a request and returns the answer's JSON, `Null` for an empty one; other than 2xx is an error.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let request = format!("{method} {path}");
        let answer =
            self.exchange(&request, body).map_err(Error::io(format!("ask {}: {request}", self.address)))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if !(200..300).contains(&status) {
            return Err(Error::Http { request, status, body: body.into() });
        }
        if body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(body).map_err(|error| Error::Http {
            request,
            status,
            body: format!("{error}: {body}"),
        })
    }

    /// HTTP/1.0 keeps the answer in one piece that ends with the connection.
    fn exchange(&self, request: &str, body: Option<&Value>) -> std::io::Result<String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let (host, authorization, length) = (&self.address, &self.authorization, body.len());
        stream.write_all(
            format!(
                "{request} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Basic {authorization}\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// A name as one segment of a path, such as `%2F` for the default vhost.
pub(crate) fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_user_or_with_another_scheme_is_refused() {
        assert!(Http::new("http://guest:guest@127.0.0.1:15672/").is_ok());
        assert!(Http::new("http://127.0.0.1:15672").is_err());
        assert!(Http::new("https://guest:guest@127.0.0.1:15672").is_err());
    }

    #[test]
    fn a_slash_in_a_name_does_not_split_the_path() {
        assert_eq!(segment("/"), "%2F");
        assert_eq!(segment("periodic.dead-1_a~"), "periodic.dead-1_a~");
        assert_eq!(segment("a b"), "a%20b");
    }
}
