//! What an answer means: `{"result", "message", "status", "commandId"}`, where `status: false` under HTTP 200 is the
//! ordinary way to say that something failed, with the brokerage's own words in `message`.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::BrokerageError;
use crate::answer::{Answer, judge};

/// The `result` of a successful answer.
///
/// # Errors
///
/// Everything that is not a success with a result ([`Answer::object`]): `result: null` is no empty list, and a success
/// that names an error is a failure.
pub(super) fn open(answer: Answer) -> Result<Value, BrokerageError> {
    let (status, retry_after) = (answer.status, answer.retry_after);
    let mut envelope = answer.object()?;
    if status != StatusCode::OK {
        let message = said(&envelope).unwrap_or_else(|| "no message".to_owned());
        return Err(judge(status, format!("{message} (HTTP {status})")));
    }
    match envelope.get("status") {
        Some(Value::Bool(true)) if !names_an_error(&envelope) => {}
        Some(Value::Bool(_)) => {
            return Err(match classify(&envelope) {
                BrokerageError::RateLimited { .. } => BrokerageError::RateLimited { retry_after },
                failure => failure,
            });
        }
        None | Some(Value::Null) => return Err(BrokerageError::malformed("an answer without a status")),
        Some(_) => return Err(BrokerageError::malformed("the status is neither true nor false")),
    }
    match envelope.remove("result") {
        Some(Value::Null) | None => Err(BrokerageError::malformed("a success without a result")),
        Some(result) => Ok(result),
    }
}

/// Phrases that clearly say what is wrong: the first row of which all words occur decides. Everything else may be over
/// soon, such as "Unable to connect": asking again costs little, and nobody is called for nothing.
const PHRASES: &[(&[&str], Failure)] = &[
    (&["too many"], Failure::RateLimited),
    (&["rate limit"], Failure::RateLimited),
    (&["throttl"], Failure::RateLimited),
    (&["limit", "exceed"], Failure::RateLimited),
    (&["limit", "reached"], Failure::RateLimited),
    (&["limit", "request"], Failure::RateLimited),
    (&["login"], Failure::Auth),
    (&["log in"], Failure::Auth),
    (&["logged"], Failure::Auth),
    (&["session", "expired"], Failure::Auth),
    (&["session", "invalid"], Failure::Auth),
    (&["session", "time"], Failure::Auth),
    (&["session", "not found"], Failure::Auth),
    (&["session", "terminated"], Failure::Auth),
    (&["no session"], Failure::Auth),
    (&["token", "expired"], Failure::Auth),
    (&["token", "access"], Failure::Auth),
    (&["invalid token"], Failure::Auth),
    (&["token is invalid"], Failure::Auth),
    (&["api key"], Failure::Auth),
    (&["apikey"], Failure::Auth),
    (&["key", "invalid"], Failure::Auth),
    (&["unauthori"], Failure::Auth),
    (&["not authori"], Failure::Auth),
    (&["authentication"], Failure::Auth),
    (&["password"], Failure::Auth),
    (&["access denied"], Failure::Auth),
    (&["forbidden"], Failure::Auth),
    (&["pseudo", "not"], Failure::Rejected),
    (&["pseudo", "invalid"], Failure::Rejected),
    (&["pseudo", "unknown"], Failure::Rejected),
    (&["account", "not found"], Failure::Rejected),
    (&["account", "not exist"], Failure::Rejected),
    (&["account", "disabled"], Failure::Rejected),
    (&["subscription"], Failure::Rejected),
    (&["not supported"], Failure::Rejected),
    (&["unsupported"], Failure::Rejected),
    (&["not permitted"], Failure::Rejected),
    (&["not allowed"], Failure::Rejected),
    (&["bad request"], Failure::Rejected),
    (&["invalid input"], Failure::Rejected),
    (&["invalid parameter"], Failure::Rejected),
];

#[derive(Clone, Copy)]
enum Failure {
    RateLimited,
    Auth,
    Rejected,
}

fn classify(envelope: &Map<String, Value>) -> BrokerageError {
    let message = said(envelope).unwrap_or_else(|| "no message".to_owned());
    let code = text(envelope, "errorCode");
    if let Some(status) = code.as_deref().and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok())
        && (status.is_client_error() || status.is_server_error())
    {
        return match status {
            StatusCode::TOO_MANY_REQUESTS => BrokerageError::RateLimited { retry_after: None },
            status => judge(status, message),
        };
    }
    let words = format!("{message} {}", code.unwrap_or_default()).to_lowercase().replace(['_', '-'], " ");
    let clear = PHRASES.iter().find(|(phrase, _)| phrase.iter().all(|word| words.contains(word)));
    match clear {
        Some((_, Failure::RateLimited)) => BrokerageError::RateLimited { retry_after: None },
        Some((_, Failure::Auth)) => BrokerageError::Auth { message },
        Some((_, Failure::Rejected)) => BrokerageError::Rejected { message },
        None => BrokerageError::transient(message),
    }
}

/// The message and, where it is a text and another one, the error.
fn said(envelope: &Map<String, Value>) -> Option<String> {
    match (text(envelope, "message"), text(envelope, "error")) {
        (Some(message), Some(error)) if error != message => Some(format!("{message} ({error})")),
        (message, error) => message.or(error),
    }
}

fn names_an_error(envelope: &Map<String, Value>) -> bool {
    match envelope.get("error") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    }
}

fn text(envelope: &Map<String, Value>, name: &str) -> Option<String> {
    match envelope.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::answer::list;
    use crate::tests::answer;

    fn opened(status: u16, body: &Value) -> String {
        let opened = open(answer(status, "application/json", &body.to_string()));
        match opened.and_then(|result| list(result, "result")) {
            Ok(elements) => format!("{} elements", elements.len()),
            Err(error) => error.to_string(),
        }
    }

    fn failed(message: &str) -> String {
        opened(200, &json!({"status": false, "message": message, "result": null, "commandId": "7"}))
    }

    #[test]
    fn a_success_with_a_list_is_a_list() {
        assert_eq!(opened(200, &json!({"status": true, "result": [1, 2], "message": null})), "2 elements");
        assert_eq!(
            opened(200, &json!({"status": true, "result": [], "error": null, "errorCode": 0})),
            "0 elements"
        );
    }

    #[test]
    fn what_is_no_list_is_never_an_empty_one() {
        for (body, expected) in [
            (json!({"status": true, "result": null}), "a success without a result"),
            (json!({"status": true}), "a success without a result"),
            (json!({"status": true, "result": {}}), "result is not a list"),
            (json!({"status": true, "result": "none"}), "result is not a list"),
            (json!({"result": []}), "an answer without a status"),
            (json!({"status": "true", "result": []}), "the status is neither true nor false"),
            (json!({"status": 1, "result": []}), "the status is neither true nor false"),
        ] {
            assert_eq!(opened(200, &body), format!("answer not understood: {expected}"));
        }
    }

    #[test]
    fn a_success_that_names_an_error_is_none() {
        let body = json!({"status": true, "result": [], "error": "Broker said no"});
        assert_eq!(opened(200, &body), "brokerage unavailable: Broker said no");
        let body = json!({"status": true, "result": [], "error": {"code": 5}, "message": "Session expired"});
        assert_eq!(opened(200, &body), "login refused: Session expired");
    }

    #[test]
    fn a_failure_is_sorted_by_what_its_words_clearly_say() {
        for (message, expected) in [
            ("Session expired, please relogin", "login refused"),
            ("Session timed out", "login refused"),
            ("User is not logged in", "login refused"),
            ("Please login to your trading account", "login refused"),
            ("Access token is missing", "login refused"),
            ("Token expired", "login refused"),
            ("Invalid API Key", "login refused"),
            ("Your api-key is wrong", "login refused"),
            ("Unauthorized", "login refused"),
            ("Pseudo account XX1 not found", "request refused"),
            ("This function is not supported by your broker", "request refused"),
            ("Your subscription is over", "request refused"),
            ("Unable to connect", "brokerage unavailable"),
            ("Market session has not begun", "brokerage unavailable"),
            ("Symbol token map is being loaded", "brokerage unavailable"),
            ("Read timed out", "brokerage unavailable"),
            ("Etwas ging schief", "brokerage unavailable"),
        ] {
            assert_eq!(failed(message), format!("{expected}: {message}"));
        }
        for message in ["Too many requests", "Rate-limit hit", "Request limit exceeded", "API limit reached"]
        {
            assert_eq!(failed(message), "too many requests", "{message}");
        }
        assert_eq!(failed(""), "brokerage unavailable: no message");
    }

    #[test]
    fn an_error_code_counts_like_a_status_or_a_word() {
        let coded = |code: Value| {
            opened(200, &json!({"status": false, "message": "No.", "errorCode": code, "result": []}))
        };
        assert_eq!(coded(json!(403)), "login refused: No.");
        assert_eq!(coded(json!("429")), "too many requests");
        assert_eq!(coded(json!(400)), "request refused: No.");
        assert_eq!(coded(json!("503")), "brokerage unavailable: No.");
        assert_eq!(coded(json!("SESSION_EXPIRED")), "login refused: No.");
        assert_eq!(coded(json!("BAD_REQUEST")), "request refused: No.");
        assert_eq!(coded(json!(17)), "brokerage unavailable: No.");
        assert_eq!(coded(json!(null)), "brokerage unavailable: No.");
    }

    #[test]
    fn a_status_of_http_is_judged_first() {
        let body = json!({"status": true, "result": [], "message": "Text"});
        assert_eq!(opened(403, &body), "login refused: Text (HTTP 403 Forbidden)");
        assert_eq!(opened(401, &body), "login refused: Text (HTTP 401 Unauthorized)");
        assert_eq!(opened(500, &body), "brokerage unavailable: Text (HTTP 500 Internal Server Error)");
        assert_eq!(opened(400, &body), "request refused: Text (HTTP 400 Bad Request)");
        assert_eq!(opened(429, &body), "too many requests");
    }

    #[test]
    fn a_limit_told_in_words_keeps_the_wait_of_the_header() {
        let body = json!({"status": false, "message": "Too many requests", "result": null}).to_string();
        let limited =
            Answer { retry_after: Some(Duration::from_secs(9)), ..answer(200, "application/json", &body) };
        assert_eq!(open(limited).unwrap_err().to_string(), "too many requests, wait 9 s");
    }
}
