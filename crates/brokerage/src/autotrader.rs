//! AutoTrader Web by Stocks Developer: one API before many brokerages, for reading.
//!
//! One API key belongs to one *user* and covers all pseudo accounts of that user; each reading names one of them. Limits
//! are 60 requests in 5 s and 300 in 5 min per pseudo account, and 600 a minute per user. There is no sandbox and no
//! published sample; the field lists are those of the Python (PyPI 1.5.0), Java and C# clients.
//!
//! What of each answer is read, and where it goes, is listed in the module of each: [`order`], [`position`],
//! [`holding`], [`margin`]. Fields that are not listed are passed over. A list names the type first, `?` what may be
//! absent, null or empty: "text" is at most 200 bytes, "word" a text taken in capitals, "quantity", "price" and
//! "amount" a JSON number or a text with one. Numbers have been 32-bit floats on the way, so prices and amounts are
//! rounded half-even to 4 decimals (12.300000190734863 is 12.3), and a quantity within 1/1000 of a whole number is that
//! one. "time" is seconds or, over 10¹¹, milliseconds since 1970 as a number or a text, or an RFC 3339 text; 0 and less
//! is none.
//!
//! There is no list of trades.

mod envelope;
mod holding;
mod margin;
mod order;
mod position;
mod rows;

use std::time::Duration;

use ledger::{ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition};
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use url::Url;
use url::form_urlencoded::byte_serialize;

use self::rows::Rows;
use crate::base_url::endpoint;
use crate::reader::{Reader, secret_header};
use crate::{Access, Brokerage, BrokerageError, Capabilities, Http, Reading};

/// The word for this kind.
pub(crate) const NAME: &str = "autotrader";

/// Where the real one answers first. (Its backup, `https://api.stocksdeveloper.in`, is for whoever sets the base URL.)
pub(crate) const BASE_URL: &str = "https://apix.stocksdeveloper.in";

/// What AutoTrader Web offers.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    book_of_today_only: true,
    trades: false,
    positions: true,
    holdings: true,
    margins: true,
    last_prices: true,
};

/// One pseudo account at AutoTrader Web.
#[derive(Debug)]
pub(crate) struct AutoTrader {
    reader: Reader,
    pseudo_account: String,
    orders: Url,
    positions: Url,
    holdings: Url,
    margins: Url,
}

impl AutoTrader {
    /// # Errors
    ///
    /// As [`Kind::open`](crate::Kind::open).
    pub(crate) fn new(http: Http, access: Access) -> Result<Self, BrokerageError> {
        let Access { base_url, pseudo_account, api_key, gate, .. } = access;
        let pseudo_account = pseudo_account.trim().to_owned();
        if pseudo_account.is_empty() {
            return Err(BrokerageError::Rejected { message: "the account to read has no name".to_owned() });
        }
        let headers = headers(api_key.expose_secret().trim())?;
        let query = query(&pseudo_account);
        let read = |what| {
            let mut url = endpoint(&base_url, &["trading", what])?;
            url.set_query(Some(&query));
            Ok(url)
        };
        Ok(Self {
            orders: read("readPlatformOrders")?,
            positions: read("readPlatformPositions")?,
            holdings: read("readPlatformHoldings")?,
            margins: read("readPlatformMargins")?,
            reader: Reader::new(http, gate, headers, vec![api_key]),
            pseudo_account,
        })
    }

    async fn read<T>(
        &self,
        url: &Url,
        within: Duration,
        read: fn(&Rows) -> Result<Vec<T>, BrokerageError>,
    ) -> Result<Vec<T>, BrokerageError> {
        let rows = |result| read(&Rows::of(result, &self.pseudo_account)?);
        self.reader.read(url, within, envelope::open, rows).await
    }
}

impl Brokerage for AutoTrader {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn orders(&self, within: Duration) -> Reading<'_, Vec<ReportedOrder>> {
        Box::pin(self.read(&self.orders, within, order::read))
    }

    fn positions(&self, within: Duration) -> Reading<'_, Vec<ReportedPosition>> {
        Box::pin(self.read(&self.positions, within, position::read))
    }

    fn holdings(&self, within: Duration) -> Reading<'_, Vec<ReportedHolding>> {
        Box::pin(self.read(&self.holdings, within, holding::read))
    }

    fn margins(&self, within: Duration) -> Reading<'_, Vec<ReportedMargin>> {
        Box::pin(self.read(&self.margins, within, margin::read))
    }
}

/// Blanks as `%20`: every server reads that, and not every one a `+`.
fn query(pseudo_account: &str) -> String {
    let account: String = byte_serialize(pseudo_account.as_bytes()).collect();
    format!("pseudoAccount={}", account.replace('+', "%20"))
}

fn headers(api_key: &str) -> Result<HeaderMap, BrokerageError> {
    if api_key.is_empty() {
        return Err(BrokerageError::Auth { message: "no API key".to_owned() });
    }
    let mut headers = HeaderMap::new();
    headers.insert("api-key", secret_header(api_key, "API key")?);
    Ok(headers)
}

#[cfg(test)]
mod tests;
