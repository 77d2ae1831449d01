//! The fake Kite as a test holds it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::book::{HOLDINGS, KiteBook, ORDERS, POSITIONS};
use super::state::{State, is_orders};
use crate::Error;
use crate::fake_http::{Answer, FakeHttp, Limit, Request, lock};

/// A server on a free port of 127.0.0.1 that answers the reads of Kite Connect v3: orders, trades, positions, holdings
/// and margins.
///
/// Every login begins with the same empty book, which [`FakeKite::respond`] and its like change for all of them;
/// [`FakeKite::set_book`] gives a login its own. As with the real one, a request without `X-Kite-Version: 3` is refused
/// with 400, one without a login with 403, and every other path is answered with 404. It ends on drop.
#[derive(Debug)]
pub struct FakeKite {
    http: FakeHttp,
    state: Arc<Mutex<State>>,
}

impl FakeKite {
    /// Starts to listen.
    pub fn start() -> Result<Self, Error> {
        let state = Arc::<Mutex<State>>::default();
        let http = FakeHttp::start("FakeKite", {
            let state = Arc::clone(&state);
            move |request| lock(&state).answer(request)
        })?;
        Ok(Self { http, state })
    }

    /// `http://127.0.0.1:<port>`
    pub fn base_url(&self) -> String {
        self.http.base_url()
    }

    /// From now on this login has a book of its own, this one.
    pub fn set_book(&self, access_token: &str, book: KiteBook) {
        self.state().books.insert(access_token.into(), book);
    }

    /// Changes the own book of this login, an empty one when it had none.
    pub fn with_book<T>(&self, access_token: &str, change: impl FnOnce(&mut KiteBook) -> T) -> T {
        change(self.state().books.entry(access_token.into()).or_default())
    }

    /// From now on every request of this login is refused as after six in the morning.
    pub fn expire_login(&self, access_token: &str) {
        self.state().expired.insert(access_token.into());
    }

    /// From now on this login is good again.
    pub fn renew_login(&self, access_token: &str) {
        self.state().expired.remove(access_token);
    }

    /// From now on more requests of one API key within any such window are refused with 429.
    pub fn limit(&self, requests: usize, window: Duration) {
        self.state().limit = Some(Limit::new(requests, window));
    }

    /// How many requests were beyond the limit.
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// The next requests to this path, whatever login, get these answers in turn, and the ones after them as before.
    pub fn next(&self, path: &str, answers: Vec<Answer>) {
        self.http.next(path, answers);
    }

    /// All requests to this path, whatever login, get this answer, until it is taken back with `None`.
    pub fn always(&self, path: &str, answer: Option<Answer>) {
        self.http.always(path, answer);
    }

    /// From now on `GET /orders` is answered with this status and JSON body, for logins without a book of their own.
    pub fn respond(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.respond_as(status, "application/json", body);
    }

    /// As [`FakeKite::respond`], with another content type: Kite's proxies answer in HTML when it is down.
    pub fn respond_as(&self, status: u16, content_type: &str, body: impl Into<Vec<u8>>) {
        self.tell(ORDERS, Answer::bytes(status, content_type, body));
    }

    /// As [`FakeKite::respond`], for `GET /portfolio/positions`.
    pub fn respond_positions(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.tell(POSITIONS, Answer::bytes(status, "application/json", body));
    }

    /// As [`FakeKite::respond`], for `GET /portfolio/holdings`.
    pub fn respond_holdings(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.tell(HOLDINGS, Answer::bytes(status, "application/json", body));
    }

    /// From now on every answer about orders that is not scripted also carries this header, such as `Retry-After`.
    pub fn add_header(&self, name: &str, value: &str) {
        self.state().headers.push((name.into(), value.into()));
    }

    /// From now on every answer about orders that is not scripted comes this much later.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// How many times orders were asked for.
    pub fn requests(&self) -> usize {
        self.http.count(is_orders)
    }

    /// The `Authorization` header of the last request for orders.
    pub fn last_authorization(&self) -> Option<String> {
        self.http.last(is_orders)?.header("authorization").map(str::to_owned)
    }

    /// The `X-Kite-Version` header of the last request for orders.
    pub fn last_kite_version(&self) -> Option<String> {
        self.http.last(is_orders)?.header("x-kite-version").map(str::to_owned)
    }

    /// All requests so far, at most the latest 100,000.
    pub fn log(&self) -> Vec<Request> {
        self.http.log()
    }

    /// The largest number of such requests within any window of this length.
    pub fn most_within(&self, window: Duration, of: impl Fn(&Request) -> bool) -> usize {
        self.http.most_within(window, of)
    }

    fn tell(&self, path: &'static str, answer: Answer) {
        self.state().told.insert(path, answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
