//! Zerodha's Kite Connect v3, for reading.
//!
//! The API knows only the current day: order and trade book are emptied overnight and cannot be asked for later. It is
//! limited to 10 requests a second per API key, over all accounts that share the key.
//!
//! What of each answer is read, and where it goes, is listed in the module of each: [`order`], [`trade`],
//! [`position`], [`holding`], [`margin`]. Fields that are not listed are passed over: Kite adds some every year.
//! A list names its type first, `?` what may be absent, null or empty: "text" is at most 200 bytes, "word" a text
//! taken in capitals, "number" a JSON number or a text with one, "time" what [`time::parse`] reads.

mod envelope;
mod holding;
mod margin;
mod order;
mod position;
mod time;
mod trade;

use std::time::Duration;

use ledger::{ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use crate::base_url::endpoint;
use crate::reader::{Reader, secret_header};
use crate::{Access, Brokerage, BrokerageError, Capabilities, Http, Reading};

/// The word for this kind.
pub(crate) const NAME: &str = "kite";

/// Where the real Kite answers.
pub(crate) const BASE_URL: &str = "https://api.kite.trade";

/// What Kite offers.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    book_of_today_only: true,
    trades: true,
    positions: true,
    holdings: true,
    margins: true,
    last_prices: true,
};

/// One account at Kite: an API key with the access token of today's login, which dies about 06:00 IST.
#[derive(Debug)]
pub(crate) struct Kite {
    reader: Reader,
    orders: Url,
    trades: Url,
    positions: Url,
    holdings: Url,
    margins: Url,
}

impl Kite {
    /// # Errors
    ///
    /// As [`Kind::open`](crate::Kind::open).
    pub(crate) fn new(http: Http, access: Access) -> Result<Self, BrokerageError> {
        let Access { base_url, api_key, access_token, gate, .. } = access;
        let headers = headers(api_key.expose_secret().trim(), access_token.expose_secret().trim())?;
        Ok(Self {
            orders: endpoint(&base_url, &["orders"])?,
            trades: endpoint(&base_url, &["trades"])?,
            positions: endpoint(&base_url, &["portfolio", "positions"])?,
            holdings: endpoint(&base_url, &["portfolio", "holdings"])?,
            margins: endpoint(&base_url, &["user", "margins"])?,
            reader: Reader::new(http, gate, headers, vec![api_key, access_token]),
        })
    }
}

impl Brokerage for Kite {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn orders(&self, within: Duration) -> Reading<'_, Vec<ReportedOrder>> {
        Box::pin(self.reader.read(&self.orders, within, envelope::open, order::read))
    }

    fn trades(&self, within: Duration) -> Reading<'_, Vec<ReportedTrade>> {
        Box::pin(self.reader.read(&self.trades, within, envelope::open, trade::read))
    }

    fn positions(&self, within: Duration) -> Reading<'_, Vec<ReportedPosition>> {
        Box::pin(self.reader.read(&self.positions, within, envelope::open, position::read))
    }

    fn holdings(&self, within: Duration) -> Reading<'_, Vec<ReportedHolding>> {
        Box::pin(self.reader.read(&self.holdings, within, envelope::open, holding::read))
    }

    fn margins(&self, within: Duration) -> Reading<'_, Vec<ReportedMargin>> {
        Box::pin(self.reader.read(&self.margins, within, envelope::open, margin::read))
    }
}

fn headers(api_key: &str, access_token: &str) -> Result<HeaderMap, BrokerageError> {
    if api_key.is_empty() || access_token.is_empty() {
        return Err(BrokerageError::Auth { message: "no API key or no access token".to_owned() });
    }
    let login = secret_header(&format!("token {api_key}:{access_token}"), "API key or access token")?;
    let mut headers = HeaderMap::new();
    headers.insert("X-Kite-Version", HeaderValue::from_static("3"));
    headers.insert(AUTHORIZATION, login);
    Ok(headers)
}

#[cfg(test)]
mod tests;
