//! What the fake Kite knows, and how it answers from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::book::{KiteBook, ORDERS};
use crate::fake_http::{Answer, Limit, Request};

/// The books, the logins and the rules.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By access token.
    pub(super) books: BTreeMap<String, KiteBook>,
    /// By path, for logins without a book of their own.
    pub(super) told: BTreeMap<&'static str, Answer>,
    /// Access tokens.
    pub(super) expired: BTreeSet<String>,
    pub(super) limit: Option<Limit>,
    pub(super) refused: usize,
    /// Of all answers about orders.
    pub(super) headers: Vec<(String, String)>,
    /// Of all answers about orders.
    pub(super) delay: Duration,
}

impl State {
    /// The answer from the books, or the error in its place.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let answer = self.checked(request).unwrap_or_else(|refusal| refusal);
        if !is_orders(request) {
            return answer;
        }
        let headers = self.headers.iter();
        headers.fold(answer.after(self.delay), |answer, (name, value)| answer.header(name, value))
    }

    fn checked(&mut self, request: &Request) -> Result<Answer, Answer> {
        let nothing = KiteBook::default();
        let known = nothing.data(&request.path).filter(|_| request.method == "GET");
        let empty = known.ok_or_else(|| error(404, "GeneralException", "Route not found"))?;
        if request.header("x-kite-version") != Some("3") {
            return Err(error(400, "InputException", "Missing or invalid `X-Kite-Version` header."));
        }
        let (api_key, access_token) = login(request).ok_or_else(login_refused)?;
        if self.limit.as_mut().is_some_and(|limit| !limit.admits(api_key, request.at)) {
            self.refused += 1;
            return Err(error(429, "NetworkException", "Too many requests"));
        }
        if self.expired.contains(access_token) {
            return Err(login_refused());
        }
        let path = request.path.as_str();
        let own = self.books.get(access_token).and_then(|book| book.data(path));
        Ok(match (own, self.told.get(path)) {
            (Some(data), _) => success(&data),
            (None, Some(told)) => told.clone(),
            (None, None) => success(&empty),
        })
    }
}

/// Whether a request asks for the order book.
pub(super) fn is_orders(request: &Request) -> bool {
    request.method == "GET" && request.path == ORDERS
}

/// API key and access token of `Authorization: token <api_key>:<access_token>`.
fn login(request: &Request) -> Option<(&str, &str)> {
    let (api_key, access_token) = request.header("authorization")?.strip_prefix("token ")?.split_once(':')?;
    (!api_key.is_empty() && !access_token.is_empty()).then_some((api_key, access_token))
}

fn login_refused() -> Answer {
    error(403, "TokenException", "Incorrect `api_key` or `access_token`.")
}

/// As text, for [`json!`] would sort the fields: as Kite writes them, the status is the first.
fn success(data: &Value) -> Answer {
    let body = format!(r#"{{"status":"success","data":{data}}}"#);
    Answer::bytes(200, "application/json", body)
}

fn error(status: u16, error_type: &str, message: &str) -> Answer {
    Answer::json(status, json!({ "status": "error", "message": message, "error_type": error_type }))
}
