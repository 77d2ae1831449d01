//! What came back over HTTP, and what it means as far as every brokerage agrees.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::BrokerageError;

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The JSON object that is the body, of a success or of a refusal in the brokerage's own words.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::RateLimited`] for a 429 whatever its body. HTML and other foreign content is a gateway's page
    /// and transient, a refused login included: firewalls refuse in HTML what they let pass a minute later. A refusal without words of its own is judged [by its status](judge), and
    /// a success that is no JSON object, or only a part of one (206), is [`BrokerageError::Malformed`].
    pub(crate) fn object(&self) -> Result<Map<String, Value>, BrokerageError> {
        let status = self.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(BrokerageError::RateLimited { retry_after: self.retry_after });
        }
        if is_login(status) && !self.is_markup() && self.parse().is_err() {
            return Err(judge(status, format!("HTTP {status}")));
        }
        if self.is_foreign() {
            let declared = self.content_type.as_deref().unwrap_or("markup");
            return Err(BrokerageError::transient(format!("HTTP {status} with {declared} instead of JSON")));
        }
        if status.is_success() && status != StatusCode::OK {
            return Err(BrokerageError::malformed(format!("HTTP {status} instead of 200")));
        }
        match self.parse() {
            Err(_) if status != StatusCode::OK => Err(judge(status, format!("HTTP {status}"))),
            outcome => outcome,
        }
    }

    fn is_foreign(&self) -> bool {
        let declared_json = self.content_type.as_deref().is_none_or(|declared| {
            let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            essence == "application/json" || essence.ends_with("+json")
        });
        !declared_json || self.is_markup()
    }

    fn is_markup(&self) -> bool {
        let declared = self.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        declared.contains("html") || self.body.trim_ascii_start().starts_with(b"<")
    }

    fn parse(&self) -> Result<Map<String, Value>, BrokerageError> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(BrokerageError::malformed("the answer is not a JSON object")),
            Err(error) => Err(BrokerageError::malformed(format!("the answer is not JSON: {error}"))),
        }
    }
}

/// Sorts a refusal by its status, where a brokerage has no clearer word for it.
pub(crate) fn judge(status: StatusCode, message: String) -> BrokerageError {
    if is_login(status) {
        BrokerageError::Auth { message }
    } else if status.is_server_error() || status.is_redirection() || status == StatusCode::REQUEST_TIMEOUT {
        BrokerageError::transient(message)
    } else {
        BrokerageError::Rejected { message }
    }
}

/// The elements of what must be a list, and is called so.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] for anything else: what is no list is never an empty one.
pub(crate) fn list(value: Value, name: &str) -> Result<Vec<Value>, BrokerageError> {
    match value {
        Value::Array(elements) => Ok(elements),
        _ => Err(BrokerageError::malformed(format!("{name} is not a list"))),
    }
}

fn is_login(status: StatusCode) -> bool {
    status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED
}

#[cfg(test)]
mod tests {
    use crate::tests::answer;

    fn object(status: u16, content_type: &str, body: &str) -> String {
        match answer(status, content_type, body).object() {
            Ok(object) => format!("{} fields", object.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn json_is_read_under_every_name_it_has() {
        for content_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/problem+json", ""]
        {
            assert_eq!(object(200, content_type, r#"{"a": 1}"#), "1 fields");
        }
        assert_eq!(object(400, "application/json", "{}"), "0 fields", "a refusal has words of its own");
    }

    #[test]
    fn foreign_content_is_a_gateways_page() {
        for (status, content_type, body) in [
            (200, "text/html", "<html>"),
            (200, "text/html", r#"{"a": 1}"#),
            (200, "", "\n<!DOCTYPE html>"),
            (200, "application/json", "<html>"),
            (502, "text/plain", "bad gateway"),
            (404, "text/html", "<html>"),
            (403, "text/html", "<html>"),
        ] {
            let text = object(status, content_type, body);
            assert!(text.starts_with(&format!("brokerage unavailable: HTTP {status}")), "{text}");
            assert!(text.ends_with("instead of JSON"), "{text}");
        }
        assert_eq!(object(403, "", ""), "login refused: HTTP 403 Forbidden", "no firewall says nothing");
        assert_eq!(object(429, "text/html", "<html>"), "too many requests");
    }

    #[test]
    fn a_refusal_without_words_is_judged_by_its_status() {
        assert_eq!(object(302, "", ""), "brokerage unavailable: HTTP 302 Found");
        assert_eq!(object(408, "", ""), "brokerage unavailable: HTTP 408 Request Timeout");
        assert_eq!(
            object(503, "application/json", "{"),
            "brokerage unavailable: HTTP 503 Service Unavailable"
        );
        assert_eq!(object(400, "application/json", "{"), "request refused: HTTP 400 Bad Request");
        assert_eq!(object(401, "application/json", "{"), "login refused: HTTP 401 Unauthorized");
    }

    #[test]
    fn a_success_is_a_whole_json_object() {
        for (status, body, expected) in [
            (200, "[]", "the answer is not a JSON object"),
            (200, "", "the answer is not JSON: EOF while parsing a value at line 1 column 0"),
            (200, "{\"a\": ", "the answer is not JSON: EOF while parsing a value at line 1 column 6"),
            (206, "{}", "HTTP 206 Partial Content instead of 200"),
        ] {
            let text = object(status, "application/json", body);
            assert_eq!(text, format!("answer not understood: {expected}"));
        }
    }
}
