//! Zerodha's Kite Connect v3.
//!
//! The API knows only the current day: the order book is emptied overnight and cannot be asked for later. It is
//! limited to 10 requests a second per API key, over all accounts that share the key.

mod envelope;
mod field;
mod order;
mod quote;
mod time;

use std::fmt;
use std::time::Duration;

use ledger::{Quote, ReportedOrder};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::{Brokerage, BrokerageError, Http, OrdersFuture, Quotes, QuotesFuture, Timeouts, tries};

/// Where the real Kite answers.
pub const BASE_URL: &str = "https://api.kite.trade";

/// One account at Kite: an API key with the access token of today's login, which dies about 06:00 IST.
pub struct Kite {
    http: Http,
    orders_url: Url,
    positions_url: Url,
    holdings_url: Url,
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
        Ok(Self {
            http,
            orders_url: endpoint(&base_url, &["orders"])?,
            positions_url: endpoint(&base_url, &["portfolio", "positions"])?,
            holdings_url: endpoint(&base_url, &["portfolio", "holdings"])?,
            headers,
            api_key,
            access_token,
        })
    }

    async fn fetch_orders(&self) -> Result<Vec<ReportedOrder>, BrokerageError> {
        let data = self.fetch(&self.orders_url, &self.http.timeouts).await;
        let book = data.and_then(|data| envelope::list(data, "data")).and_then(order::read_book);
        book.map_err(|error| self.cleaned(error))
    }

    /// Positions first: what they say of an instrument goes before what holdings say.
    async fn fetch_quotes(&self, within: Duration) -> Quotes {
        type Read = fn(Value) -> Result<Vec<Quote>, BrokerageError>;
        let asked: [(&Url, Read); 2] =
            [(&self.positions_url, quote::read_positions), (&self.holdings_url, quote::read_holdings)];
        let begun = Instant::now();
        let (mut told, mut missing) = (Vec::new(), Vec::new());
        for (url, read) in asked {
            let left = within.saturating_sub(begun.elapsed());
            let timeouts = Timeouts { total: left.min(self.http.timeouts.total), ..self.http.timeouts };
            match self.fetch(url, &timeouts).await.and_then(read) {
                Ok(quotes) => told.extend(quotes),
                Err(error) => {
                    let is_for_all =
                        matches!(error, BrokerageError::Auth { .. } | BrokerageError::RateLimited { .. });
                    missing.push(self.cleaned(error));
                    if is_for_all {
                        break;
                    }
                }
            }
        }
        Quotes::new(told, missing)
    }

    async fn fetch(&self, url: &Url, timeouts: &Timeouts) -> Result<Value, BrokerageError> {
        let answer = tries::twice(timeouts, |limit| async move {
            envelope::open(self.http.get(url, &self.headers, limit).await?)
        });
        answer.await
    }

    fn cleaned(&self, error: BrokerageError) -> BrokerageError {
        error.cleaned(&[self.api_key.expose_secret().trim(), self.access_token.expose_secret().trim()])
    }
}

impl Brokerage for Kite {
    fn name(&self) -> &'static str {
        "kite"
    }

    fn orders(&self) -> OrdersFuture<'_> {
        Box::pin(self.fetch_orders())
    }

    fn quotes(&self, within: Duration) -> QuotesFuture<'_> {
        Box::pin(self.fetch_quotes(within))
    }
}

impl fmt::Debug for Kite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kite").field("orders_url", &self.orders_url.as_str()).finish_non_exhaustive()
    }
}

fn endpoint(base_url: &Url, path: &[&str]) -> Result<Url, BrokerageError> {
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
    let mut url = base_url.clone();
    url.path_segments_mut()
        .map_err(|()| rejected("the base URL must have a host"))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
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
