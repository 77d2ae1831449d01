//! What the fake AutoTrader knows, and how it answers from it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::book::{AutoTraderBook, Read};
use crate::fake_http::{Answer, Limit, Request};

/// The books, the keys and the rules.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By pseudo account.
    pub(super) books: BTreeMap<String, AutoTraderBook>,
    /// Messages by pseudo account.
    pub(super) failures: BTreeMap<String, String>,
    /// The good ones; any of them reads all accounts.
    pub(super) keys: BTreeSet<String>,
    pub(super) key_limit: Option<Limit>,
    pub(super) account_limit: Option<Limit>,
    pub(super) refused: usize,
}

impl State {
    /// The answer from the books, or the error in its place.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        self.checked(request).unwrap_or_else(|refusal| refusal)
    }

    fn checked(&mut self, request: &Request) -> Result<Answer, Answer> {
        let known = Read::of(&request.path).filter(|_| ["GET", "POST"].contains(&request.method.as_str()));
        let read = known.ok_or_else(|| failure(404, "Not found"))?;
        let key = request.header("api-key").filter(|key| self.keys.contains(*key));
        let key = key.ok_or_else(|| failure(403, "Access is denied. Please check your API key."))?;
        let account = request.parameter("pseudoAccount");
        let account = account.ok_or_else(|| failure(400, "Parameter 'pseudoAccount' is missing"))?;
        let within = |limit: &mut Option<Limit>, caller| {
            limit.as_mut().is_none_or(|limit| limit.admits(caller, request.at))
        };
        if !(within(&mut self.key_limit, key) && within(&mut self.account_limit, account)) {
            self.refused += 1;
            return Err(failure(429, "Too many requests"));
        }
        if let Some(message) = self.failures.get(account) {
            return Err(failure(200, message));
        }
        let book = self.books.get(account);
        let book = book.ok_or_else(|| failure(200, &format!("Pseudo account {account} does not exist")))?;
        Ok(envelope(200, &book.result(read, account), None))
    }
}

fn failure(status: u16, message: &str) -> Answer {
    envelope(status, &Value::Null, Some(message))
}

fn envelope(status: u16, result: &Value, failure: Option<&str>) -> Answer {
    let body =
        json!({ "result": result, "message": failure, "status": failure.is_none(), "commandId": null });
    Answer::json(status, body)
}
