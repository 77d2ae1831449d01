//! What an answer means: `{"status": "success", "data": …}` or `{"status": "error", "message", "error_type"}`.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::BrokerageError;
use crate::http::Answer;

/// The `data` of a successful answer.
///
/// # Errors
///
/// Everything that is not a success with data. A 200 whose body names an error is an error, HTML and other foreign
/// content is a gateway's page and transient, `data: null` is no empty list.
pub(super) fn open(answer: Answer) -> Result<Value, BrokerageError> {
    let status = answer.status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(BrokerageError::RateLimited { retry_after: answer.retry_after });
    }
    let mut envelope = match parse(&answer) {
        Ok(envelope) => envelope,
        // Without words of its own an answer is judged by its status.
        Err(_) if is_login(status) => return Err(failure(status, None, format!("HTTP {status}"))),
        Err(BrokerageError::Malformed { .. }) if !status.is_success() => {
            return Err(failure(status, None, format!("HTTP {status}")));
        }
        Err(error) => return Err(error),
    };
    let (word, error_type) = (text(&envelope, "status"), text(&envelope, "error_type"));
    if status.is_success() && word.is_none() && error_type.is_none() {
        return Err(BrokerageError::malformed("an answer without a status"));
    }
    if !status.is_success() || error_type.is_some() || word.as_deref() != Some("success") {
        let said = text(&envelope, "message").unwrap_or_else(|| "no message".to_owned());
        let kind = error_type.clone().unwrap_or_else(|| format!("HTTP {status}"));
        return Err(failure(status, error_type.as_deref(), format!("{said} ({kind})")));
    }
    match envelope.remove("data") {
        Some(Value::Null) | None => Err(BrokerageError::malformed("a success without data")),
        Some(data) => Ok(data),
    }
}

/// The elements of what must be a list, and is called so.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] for anything else: what is no list is never an empty one.
pub(super) fn list(data: Value, name: &str) -> Result<Vec<Value>, BrokerageError> {
    match data {
        Value::Array(elements) => Ok(elements),
        _ => Err(BrokerageError::malformed(format!("{name} is not a list"))),
    }
}

fn parse(answer: &Answer) -> Result<Map<String, Value>, BrokerageError> {
    let declared_json = answer.content_type.as_deref().is_none_or(|declared| {
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    });
    let looks_like_markup = answer.body.trim_ascii_start().starts_with(b"<");
    if !declared_json || looks_like_markup {
        let declared = answer.content_type.as_deref().unwrap_or("markup");
        let message = format!("HTTP {} with {declared} instead of JSON", answer.status);
        return Err(BrokerageError::transient(message));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(envelope)) => Ok(envelope),
        Ok(_) => Err(BrokerageError::malformed("the answer is not a JSON object")),
        Err(error) => Err(BrokerageError::malformed(format!("the answer is not JSON: {error}"))),
    }
}

/// Sorts a refusal by Kite's own word for it, and by the status where Kite has none or a new one.
fn failure(status: StatusCode, error_type: Option<&str>, message: String) -> BrokerageError {
    match error_type {
        Some("TokenException" | "UserException" | "TwoFAException" | "PermissionException") => {
            BrokerageError::Auth { message }
        }
        Some("NetworkException" | "DataException" | "GeneralException") => BrokerageError::transient(message),
        Some("InputException" | "OrderException" | "MarginException" | "HoldingException") => {
            BrokerageError::Rejected { message }
        }
        _ if is_login(status) => BrokerageError::Auth { message },
        _ if status.is_server_error() || status.is_redirection() => BrokerageError::transient(message),
        _ if status == StatusCode::REQUEST_TIMEOUT => BrokerageError::transient(message),
        _ => BrokerageError::Rejected { message },
    }
}

fn is_login(status: StatusCode) -> bool {
    status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED
}

fn text(envelope: &Map<String, Value>, name: &str) -> Option<String> {
    envelope.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(status: u16, content_type: &str, body: &str) -> String {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: Some(content_type.to_owned()).filter(|declared| !declared.is_empty()),
            retry_after: None,
            body: body.as_bytes().to_vec(),
        };
        match open(answer).and_then(|data| list(data, "data")) {
            Ok(elements) => format!("{} elements", elements.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_success_with_a_list_is_a_list() {
        for content_type in ["application/json", "application/json; charset=utf-8", ""] {
            assert_eq!(opened(200, content_type, r#"{"status": "success", "data": []}"#), "0 elements");
        }
        assert_eq!(opened(200, "application/json", r#"{"status": "success", "data": [1, 2]}"#), "2 elements");
    }

    #[test]
    fn what_is_no_list_is_never_an_empty_one() {
        for (body, expected) in [
            (r#"{"status": "success", "data": null}"#, "a success without data"),
            (r#"{"status": "success"}"#, "a success without data"),
            (r#"{"status": "success", "data": {}}"#, "data is not a list"),
            (r#"{"data": []}"#, "an answer without a status"),
            ("{}", "an answer without a status"),
            ("[]", "the answer is not a JSON object"),
            ("", "the answer is not JSON: EOF while parsing a value at line 1 column 0"),
            (
                r#"{"status": "success", "data": [{"#,
                "the answer is not JSON: EOF while parsing an object at line 1 column 32",
            ),
        ] {
            assert_eq!(opened(200, "application/json", body), format!("answer not understood: {expected}"));
        }
    }

    #[test]
    fn an_error_is_sorted_by_its_type_whatever_the_status() {
        for (status, error_type, expected) in [
            (403, "TokenException", "login refused"),
            (200, "TokenException", "login refused"),
            (403, "PermissionException", "login refused"),
            (400, "InputException", "request refused"),
            (503, "NetworkException", "brokerage unavailable"),
            (200, "NetworkException", "brokerage unavailable"),
            (500, "GeneralException", "brokerage unavailable"),
            (502, "DataException", "brokerage unavailable"),
            (403, "NewException", "login refused"),
            (500, "NewException", "brokerage unavailable"),
            (400, "NewException", "request refused"),
        ] {
            let body = format!(
                r#"{{"status": "error", "message": "Why.", "error_type": "{error_type}", "data": null}}"#
            );
            assert_eq!(opened(status, "application/json", &body), format!("{expected}: Why. ({error_type})"));
        }
        let success =
            r#"{"status": "success", "data": [], "error_type": "DataException", "message": "Why."}"#;
        assert_eq!(opened(200, "application/json", success), "brokerage unavailable: Why. (DataException)");
        let untyped = r#"{"status": "error", "message": "Why."}"#;
        assert_eq!(opened(200, "application/json", untyped), "request refused: Why. (HTTP 200 OK)");
    }

    #[test]
    fn foreign_content_is_a_gateways_page() {
        for (status, content_type, body) in [
            (200, "text/html", "<html>"),
            (200, "", "\n<!DOCTYPE html>"),
            (200, "application/json", "<html>"),
            (502, "text/plain", "bad gateway"),
            (404, "text/html", "<html>"),
            (302, "", ""),
            (503, "application/json", "{"),
        ] {
            let text = opened(status, content_type, body);
            assert!(text.starts_with("brokerage unavailable: HTTP "), "{status} {content_type}: {text}");
        }
        assert_eq!(opened(403, "text/html", "<html>"), "login refused: HTTP 403 Forbidden");
        assert_eq!(opened(400, "application/json", "{"), "request refused: HTTP 400 Bad Request");
        assert_eq!(opened(429, "text/html", "<html>"), "too many requests");
    }
}
