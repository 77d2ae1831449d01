//! The fake AutoTrader as a test holds it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::book::AutoTraderBook;
use super::state::State;
use crate::Error;
use crate::fake_http::{Answer, FakeHttp, Limit, Request, lock};

/// A server on a free port of 127.0.0.1 that answers the reads of AutoTrader Web: `/trading/readPlatformOrders`,
/// `…Positions`, `…Holdings` and `…Margins`, by GET with a query or by POST with a form.
///
/// It knows the accounts that were given a book. As with the real one, a failure about an account is `status: false` with
/// HTTP 200, and a wrong key is 403. It ends on drop.
#[derive(Debug)]
pub struct FakeAutoTrader {
    http: FakeHttp,
    state: Arc<Mutex<State>>,
}

impl FakeAutoTrader {
    /// Starts to listen; this key is good for all accounts.
    pub fn start(api_key: &str) -> Result<Self, Error> {
        let state = Arc::<Mutex<State>>::default();
        let http = FakeHttp::start("FakeAutoTrader", {
            let state = Arc::clone(&state);
            move |request| lock(&state).answer(request)
        })?;
        let fake = Self { http, state };
        fake.renew_key(api_key);
        Ok(fake)
    }

    /// `http://127.0.0.1:<port>`
    pub fn base_url(&self) -> String {
        self.http.base_url()
    }

    /// From now on there is this account with this book.
    pub fn set_book(&self, pseudo_account: &str, book: AutoTraderBook) {
        self.state().books.insert(pseudo_account.into(), book);
    }

    /// Changes the book of this account, an empty one when there was no such account.
    pub fn with_book<T>(&self, pseudo_account: &str, change: impl FnOnce(&mut AutoTraderBook) -> T) -> T {
        change(self.state().books.entry(pseudo_account.into()).or_default())
    }

    /// From now on reads of this account fail with this message, until it is taken back with `None`.
    pub fn fail(&self, pseudo_account: &str, message: Option<&str>) {
        let failures = &mut self.state().failures;
        match message {
            Some(message) => failures.insert(pseudo_account.into(), message.into()),
            None => failures.remove(pseudo_account),
        };
    }

    /// From now on this key is refused.
    pub fn expire_key(&self, api_key: &str) {
        self.state().keys.remove(api_key);
    }

    /// From now on this key is good, again or as one more.
    pub fn renew_key(&self, api_key: &str) {
        self.state().keys.insert(api_key.into());
    }

    /// From now on more requests about one account within any such window are refused with 429.
    pub fn limit_account(&self, requests: usize, window: Duration) {
        self.state().account_limit = Some(Limit::new(requests, window));
    }

    /// From now on more requests with one key within any such window are refused with 429.
    pub fn limit_key(&self, requests: usize, window: Duration) {
        self.state().key_limit = Some(Limit::new(requests, window));
    }

    /// How many requests were beyond a limit.
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// The next requests to this path, whatever account, get these answers in turn, and the ones after them as before.
    pub fn next(&self, path: &str, answers: Vec<Answer>) {
        self.http.next(path, answers);
    }

    /// All requests to this path, whatever account, get this answer, until it is taken back with `None`.
    pub fn always(&self, path: &str, answer: Option<Answer>) {
        self.http.always(path, answer);
    }

    /// All requests so far, at most the latest 100,000.
    pub fn log(&self) -> Vec<Request> {
        self.http.log()
    }

    /// The largest number of such requests within any window of this length.
    pub fn most_within(&self, window: Duration, of: impl Fn(&Request) -> bool) -> usize {
        self.http.most_within(window, of)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
