//! Zerodha's Kite Connect v3.
//!
//! The API knows only the current day: the order book is emptied overnight and cannot be asked for later. It is
//! limited to 10 requests a second per API key, over all accounts that share the key.

mod envelope;
mod field;
mod order;
mod time;

use std::fmt;

use ledger::ReportedOrder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{Brokerage, BrokerageError, Http, OrdersFuture, Timeouts, tries};

/// Where the real Kite answers.
pub const BASE_URL: &str = "https://api.kite.trade";

/// One account at Kite: an API key with the access token of today's login, which dies about 06:00 IST.
pub struct Kite {
    http: Http,
    orders_url: Url,
    headers: HeaderMap,
    api_key: SecretString,
    access_token: SecretString,
}

impl Kite {
    /// A client of its own pool. For many accounts make one [`Http`] and use [`Kite::with_http`].
    ///
    /// # Errors
    ///
    /// As [`Http::new`] and [`Kite::with_http`].
    pub fn new(
        base_url: Url,
        api_key: SecretString,
        access_token: SecretString,
        timeouts: Timeouts,
    ) -> Result<Self, BrokerageError> {
        Self::with_http(Http::new(timeouts)?, base_url, api_key, access_token)
    }

    /// A client that shares a connection pool. Nothing is sent yet. Blanks around key and token are dropped.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Rejected`] for a base URL that is not plain `http(s)://host[:port][/path]`,
    /// [`BrokerageError::Auth`] for a key or token that is empty or cannot be sent in a header.
    pub fn with_http(
        http: Http,
        base_url: Url,
        api_key: SecretString,
        access_token: SecretString,
    ) -> Result<Self, BrokerageError> {
        let headers = headers(api_key.expose_secret().trim(), access_token.expose_secret().trim())?;
        Ok(Self { http, orders_url: endpoint(base_url, "orders")?, headers, api_key, access_token })
    }

    async fn fetch_orders(&self) -> Result<Vec<ReportedOrder>, BrokerageError> {
        let book = tries::twice(&self.http.timeouts, |limit| async move {
            envelope::open(self.http.get(&self.orders_url, &self.headers, limit).await?)
        });
        let orders = book.await.and_then(order::read_book);
        orders.map_err(|error| {
            error.cleaned(&[self.api_key.expose_secret().trim(), self.access_token.expose_secret().trim()])
        })
    }
}

impl Brokerage for Kite {
    fn name(&self) -> &'static str {
        "kite"
    }

    fn orders(&self) -> OrdersFuture<'_> {
        Box::pin(self.fetch_orders())
    }
}

impl fmt::Debug for Kite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kite").field("orders_url", &self.orders_url.as_str()).finish_non_exhaustive()
    }
}

fn endpoint(mut base_url: Url, name: &str) -> Result<Url, BrokerageError> {
    let rejected = |message: &str| BrokerageError::Rejected { message: message.to_owned() };
    if !matches!(base_url.scheme(), "http" | "https") {
        return Err(rejected("the base URL must begin with http:// or https://"));
    }
    // They would end up in logs, and none of them means anything to Kite.
    let plain = base_url.username().is_empty()
        && base_url.password().is_none()
        && base_url.query().is_none()
        && base_url.fragment().is_none();
    if !plain {
        return Err(rejected("the base URL must have no user name, query or fragment"));
    }
    base_url
        .path_segments_mut()
        .map_err(|()| rejected("the base URL must have a host"))?
        .pop_if_empty()
        .push(name);
    Ok(base_url)
}

fn headers(api_key: &str, access_token: &str) -> Result<HeaderMap, BrokerageError> {
    let auth = |message: &str| BrokerageError::Auth { message: message.to_owned() };
    if api_key.is_empty() || access_token.is_empty() {
        return Err(auth("no API key or no access token"));
    }
    let mut login = HeaderValue::from_str(&format!("token {api_key}:{access_token}"))
        .map_err(|_| auth("the API key or access token has characters that no header can hold"))?;
    login.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("X-Kite-Version", HeaderValue::from_static("3"));
    headers.insert(AUTHORIZATION, login);
    Ok(headers)
}

#[cfg(test)]
mod tests;
