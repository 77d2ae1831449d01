//! What an answer means: `{"status": "success", "data": …}` or `{"status": "error", "message", "error_type"}`.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::BrokerageError;
use crate::answer::{Answer, judge};

/// The `data` of a successful answer.
///
/// # Errors
///
/// Everything that is not a success with data ([`Answer::object`]). A 200 whose body names an error is an error,
/// `data: null` is no empty list.
pub(super) fn open(answer: Answer) -> Result<Value, BrokerageError> {
    let status = answer.status;
    let mut envelope = answer.object()?;
    let (word, error_type) = (text(&envelope, "status"), text(&envelope, "error_type"));
    let fails = error_type.is_some() || envelope.get("error_type").is_some_and(is_odd);
    if status.is_success() && word.is_none() && !fails {
        return Err(BrokerageError::malformed("an answer without a status"));
    }
    if !status.is_success() || fails || word.as_deref() != Some("success") {
        let said = text(&envelope, "message").unwrap_or_else(|| "no message".to_owned());
        let kind = error_type.clone().unwrap_or_else(|| format!("HTTP {status}"));
        return Err(failure(status, error_type.as_deref(), format!("{said} ({kind})")));
    }
    match envelope.remove("data") {
        Some(Value::Null) | None => Err(BrokerageError::malformed("a success without data")),
        Some(data) => Ok(data),
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
        _ => judge(status, message),
    }
}

/// An error type that is there and no text: an error of a kind that is not known.
fn is_odd(error_type: &Value) -> bool {
    !matches!(error_type, Value::Null | Value::String(_))
}

fn text(envelope: &Map<String, Value>, name: &str) -> Option<String> {
    envelope.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::list;
    use crate::tests::answer;

    fn opened(status: u16, body: &str) -> String {
        match open(answer(status, "application/json", body)).and_then(|data| list(data, "data")) {
            Ok(elements) => format!("{} elements", elements.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_success_with_a_list_is_a_list() {
        assert_eq!(opened(200, r#"{"status": "success", "data": []}"#), "0 elements");
        assert_eq!(opened(200, r#"{"status": "success", "data": [1, 2]}"#), "2 elements");
    }

    #[test]
    fn what_is_no_list_is_never_an_empty_one() {
        for (body, expected) in [
            (r#"{"status": "success", "data": null}"#, "a success without data"),
            (r#"{"status": "success"}"#, "a success without data"),
            (r#"{"status": "success", "data": {}}"#, "data is not a list"),
            (r#"{"data": []}"#, "an answer without a status"),
            (r#"{"status": true, "data": []}"#, "an answer without a status"),
            ("{}", "an answer without a status"),
        ] {
            assert_eq!(opened(200, body), format!("answer not understood: {expected}"));
        }
    }

    #[test]
    fn an_error_is_sorted_by_its_type_whatever_the_status() {
        for (status, error_type, expected) in [
            (403, "TokenException", "login refused"),
            (200, "TokenException", "login refused"),
            (403, "PermissionException", "login refused"),
            (403, "UserException", "login refused"),
            (403, "TwoFAException", "login refused"),
            (400, "InputException", "request refused"),
            (400, "OrderException", "request refused"),
            (400, "HoldingException", "request refused"),
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
            assert_eq!(opened(status, &body), format!("{expected}: Why. ({error_type})"));
        }
        let success =
            r#"{"status": "success", "data": [], "error_type": "DataException", "message": "Why."}"#;
        assert_eq!(opened(200, success), "brokerage unavailable: Why. (DataException)");
        let untyped = r#"{"status": "error", "message": "Why."}"#;
        assert_eq!(opened(200, untyped), "request refused: Why. (HTTP 200 OK)");
        let odd = r#"{"status": "success", "data": [], "error_type": 7}"#;
        assert_eq!(opened(200, odd), "request refused: no message (HTTP 200 OK)");
        let none = r#"{"status": "success", "data": [1], "error_type": ""}"#;
        assert_eq!(opened(200, none), "1 elements");
        let odd = r#"{"status": "success", "data": []}"#;
        assert_eq!(opened(500, odd), "brokerage unavailable: no message (HTTP 500 Internal Server Error)");
    }
}
