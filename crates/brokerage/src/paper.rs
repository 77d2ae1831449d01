//! A paper brokerage: its answers are a JSON file that somebody writes, for demonstrations and tests.
//!
//! The base URL names the file (`file:///absolute/path`), which is read anew each time:
//! `{"orders": […], "trades": […], "positions": […], "holdings": […], "margins": […]}`. `orders` must be there;
//! `trades` and `margins` that are not are empty, and `positions` and `holdings` that are not are not told
//! ([`BrokerageError::Rejected`]): whoever writes only orders does not say that nothing is held. Fields are named and meant as those of [`ReportedOrder`], [`ReportedTrade`],
//! [`ReportedPosition`], [`ReportedHolding`] and [`ReportedMargin`], with texts, numbers (or texts with one), RFC 3339
//! times, `side` as `BUY` or `SELL`, and other fields passed over. Required are
//!
//! - of an order `broker_order_id`, `exchange`, `symbol`, `side`, `product`, `quantity`, `filled_quantity`, `status`
//!   (`variety` is `REGULAR` where absent, `raw` the order itself),
//! - of a trade all but `exchange_order_id`,
//! - of a position `exchange`, `symbol`, `product`, `quantity`, of a holding `exchange`, `symbol`, `quantity`,
//! - of a margin `category`.
//!
//! With `"error": {"kind": "auth|rate_limited|transient|rejected|malformed", "message": "…", "retry_after": 5}` beside the
//! lists every reading fails so, the message optional and `retry_after` in seconds. No gate is passed: nothing is sent.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger::{
    Iceberg, Labels, ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade,
};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::answer::list;
use crate::field::{Fields, each};
use crate::{ANSWER_LIMIT, Access, Brokerage, BrokerageError, Capabilities, Reading, base_url};

/// The word for this kind.
pub(crate) const NAME: &str = "paper";

/// What a file can tell: everything, and of any day.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    book_of_today_only: false,
    trades: true,
    positions: true,
    holdings: true,
    margins: true,
    last_prices: true,
};

/// One account in a file.
#[derive(Debug)]
pub(crate) struct Paper {
    path: PathBuf,
}

impl Paper {
    /// # Errors
    ///
    /// As [`Kind::open`](crate::Kind::open).
    pub(crate) fn new(access: Access) -> Result<Self, BrokerageError> {
        let url = base_url::file(access.base_url.as_str())?;
        let path = url.to_file_path().map_err(|()| BrokerageError::Rejected {
            message: "the base URL must name a file of this machine".to_owned(),
        })?;
        Ok(Self { path })
    }

    async fn read<T>(
        &self,
        name: &'static str,
        within: Duration,
        read: fn(&Fields<'_>) -> Result<T, BrokerageError>,
    ) -> Result<Vec<T>, BrokerageError> {
        let outcome = match tokio::time::timeout(within, self.bytes()).await {
            Ok(bytes) => bytes.and_then(|bytes| book(&bytes, name, read)),
            Err(_) => Err(BrokerageError::transient(format!("{} was not read in time", self.path.display()))),
        };
        outcome.map_err(|error| error.cleaned(&[]))
    }

    async fn bytes(&self) -> Result<Vec<u8>, BrokerageError> {
        let path = self.path.display();
        let file = match File::open(&self.path).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(BrokerageError::transient(format!("there is no file {path}")));
            }
            Err(error) => return Err(BrokerageError::malformed(format!("{path}: {error}"))),
        };
        let mut bytes = Vec::new();
        let mut bounded = file.take(ANSWER_LIMIT as u64 + 1);
        let read = bounded.read_to_end(&mut bytes).await;
        read.map_err(|error| BrokerageError::malformed(format!("{path}: {error}")))?;
        if bytes.len() > ANSWER_LIMIT {
            return Err(BrokerageError::malformed(format!("{path} has over {ANSWER_LIMIT} bytes")));
        }
        Ok(bytes)
    }
}

impl Brokerage for Paper {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn orders(&self, within: Duration) -> Reading<'_, Vec<ReportedOrder>> {
        Box::pin(self.read(ORDERS, within, order))
    }

    fn trades(&self, within: Duration) -> Reading<'_, Vec<ReportedTrade>> {
        Box::pin(self.read("trades", within, trade))
    }

    fn positions(&self, within: Duration) -> Reading<'_, Vec<ReportedPosition>> {
        Box::pin(self.read("positions", within, position))
    }

    fn holdings(&self, within: Duration) -> Reading<'_, Vec<ReportedHolding>> {
        Box::pin(self.read("holdings", within, holding))
    }

    fn margins(&self, within: Duration) -> Reading<'_, Vec<ReportedMargin>> {
        Box::pin(self.read("margins", within, margin))
    }
}

/// The only list that must be there.
const ORDERS: &str = "orders";

fn book<T>(
    bytes: &[u8],
    name: &str,
    read: fn(&Fields<'_>) -> Result<T, BrokerageError>,
) -> Result<Vec<T>, BrokerageError> {
    let book: Value = serde_json::from_slice(bytes)
        .map_err(|error| BrokerageError::malformed(format!("the file is not JSON: {error}")))?;
    let Value::Object(mut lists) = book else {
        return Err(BrokerageError::malformed("the file is not a JSON object"));
    };
    if let Some(error) = lists.get("error").filter(|error| !error.is_null()) {
        return Err(failure(&Fields::of("error".to_owned(), error)?));
    }
    match lists.remove(name) {
        None if name == ORDERS => Err(BrokerageError::malformed("the file has no orders")),
        None if matches!(name, "positions" | "holdings") => {
            Err(BrokerageError::Rejected { message: format!("the file tells no {name}") })
        }
        None => Ok(Vec::new()),
        Some(elements) => each(name, &list(elements, name)?, read),
    }
}

/// The error that a file asks for.
fn failure(fields: &Fields<'_>) -> BrokerageError {
    match wanted(fields) {
        Ok(error) | Err(error) => error,
    }
}

fn wanted(fields: &Fields<'_>) -> Result<BrokerageError, BrokerageError> {
    let message = fields.prose("message")?.unwrap_or("the paper book says so").to_owned();
    let retry_after = fields.whole("retry_after")?.and_then(|seconds| u64::try_from(seconds).ok());
    Ok(match fields.required_text("kind")? {
        "auth" => BrokerageError::Auth { message },
        "rate_limited" => BrokerageError::RateLimited { retry_after: retry_after.map(Duration::from_secs) },
        "transient" => BrokerageError::transient(message),
        "rejected" => BrokerageError::Rejected { message },
        "malformed" => BrokerageError::malformed(message),
        other => return Err(fields.malformed("kind", &format!("{other:?} is no kind of error"))),
    })
}

fn order(fields: &Fields<'_>) -> Result<ReportedOrder, BrokerageError> {
    Ok(ReportedOrder {
        broker_order_id: fields.required_text("broker_order_id")?.to_owned(),
        exchange_order_id: fields.owned("exchange_order_id")?,
        broker_parent_id: fields.owned("broker_parent_id")?,
        client_tag: fields.owned("client_tag")?,
        other_tags: fields.words("other_tags")?.into_iter().map(str::to_owned).collect(),
        iceberg: fields.inner("iceberg")?.map(|iceberg| self::iceberg(&iceberg)).transpose()?,
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        side: fields.side("side")?,
        product: fields.required_word("product")?,
        order_type: fields.word("order_type")?,
        variety: fields.word("variety")?.unwrap_or_else(|| "REGULAR".to_owned()),
        validity: fields.word("validity")?,
        quantity: fields.required_quantity("quantity")?,
        filled_quantity: fields.required_quantity("filled_quantity")?,
        pending_quantity: fields.quantity("pending_quantity")?,
        disclosed_quantity: fields.quantity("disclosed_quantity")?,
        average_price: fields.price("average_price")?,
        price: fields.number("price")?,
        trigger_price: fields.number("trigger_price")?,
        status: fields.status("status")?,
        status_message: fields.prose("status_message")?.map(str::to_owned),
        placed_at: fields.instant("placed_at", instant)?,
        exchange_at: fields.instant("exchange_at", instant)?,
        is_amo: fields.boolean("is_amo")?,
        labels: fields.inner("labels")?.map(|labels| self::labels(&labels)).transpose()?.unwrap_or_default(),
        raw: raw(fields)?,
    })
}

fn iceberg(fields: &Fields<'_>) -> Result<Iceberg, BrokerageError> {
    Ok(Iceberg {
        leg: fields.count("leg")?,
        legs: fields.count("legs")?,
        total_quantity: fields.required_quantity("total_quantity")?,
    })
}

fn labels(fields: &Fields<'_>) -> Result<Labels, BrokerageError> {
    Ok(Labels {
        platform: fields.owned("platform")?,
        stock_broker: fields.owned("stock_broker")?,
        trading_account: fields.owned("trading_account")?,
        client_id: fields.owned("client_id")?,
        independent_exchange: fields.owned("independent_exchange")?,
        independent_symbol: fields.owned("independent_symbol")?,
        nest_request_id: fields.owned("nest_request_id")?,
        comments: fields.prose("comments")?.map(str::to_owned),
    })
}

/// The whole order as it would have come from a brokerage: JSON, or a text that holds some.
fn raw(fields: &Fields<'_>) -> Result<String, BrokerageError> {
    let whole = fields.raw()?;
    match fields.value("raw") {
        None => Ok(whole),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(_) => Ok(text.clone()),
            Err(error) => Err(fields.malformed("raw", &format!("not JSON: {error}"))),
        },
        Some(value) => Ok(value.to_string()),
    }
}

fn trade(fields: &Fields<'_>) -> Result<ReportedTrade, BrokerageError> {
    Ok(ReportedTrade {
        trade_id: fields.required_text("trade_id")?.to_owned(),
        broker_order_id: fields.required_text("broker_order_id")?.to_owned(),
        exchange_order_id: fields.owned("exchange_order_id")?,
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        side: fields.side("side")?,
        product: fields.required_word("product")?,
        quantity: fields.over_nothing("quantity")?,
        price: fields.price("price")?.ok_or_else(|| fields.missing("price"))?,
        at: fields.instant("at", instant)?.ok_or_else(|| fields.missing("at"))?,
    })
}

fn position(fields: &Fields<'_>) -> Result<ReportedPosition, BrokerageError> {
    Ok(ReportedPosition {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        product: fields.required_word("product")?,
        instrument_token: fields.whole("instrument_token")?,
        quantity: fields.required_number("quantity")?,
        overnight_quantity: fields.number("overnight_quantity")?,
        multiplier: fields.factor("multiplier")?,
        average_price: fields.number("average_price")?,
        last_price: fields.price("last_price")?,
        close_price: fields.price("close_price")?,
        buy_quantity: fields.quantity("buy_quantity")?,
        buy_price: fields.number("buy_price")?,
        buy_value: fields.number("buy_value")?,
        sell_quantity: fields.quantity("sell_quantity")?,
        sell_price: fields.number("sell_price")?,
        sell_value: fields.number("sell_value")?,
        value: fields.number("value")?,
        pnl: fields.number("pnl")?,
        mtm: fields.number("mtm")?,
        realised: fields.number("realised")?,
        unrealised: fields.number("unrealised")?,
    })
}

fn holding(fields: &Fields<'_>) -> Result<ReportedHolding, BrokerageError> {
    Ok(ReportedHolding {
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        isin: fields.word("isin")?,
        product: fields.word("product")?,
        instrument_token: fields.whole("instrument_token")?,
        quantity: fields.required_quantity("quantity")?,
        t1_quantity: fields.quantity("t1_quantity")?,
        used_quantity: fields.quantity("used_quantity")?,
        collateral_quantity: fields.quantity("collateral_quantity")?,
        collateral_type: fields.owned("collateral_type")?,
        haircut: fields.number("haircut")?,
        average_price: fields.number("average_price")?,
        last_price: fields.price("last_price")?,
        close_price: fields.price("close_price")?,
        pnl: fields.number("pnl")?,
    })
}

fn margin(fields: &Fields<'_>) -> Result<ReportedMargin, BrokerageError> {
    Ok(ReportedMargin {
        category: fields.required_word("category")?,
        adhoc: fields.number("adhoc")?,
        available: fields.number("available")?,
        collateral: fields.number("collateral")?,
        exposure: fields.number("exposure")?,
        funds: fields.number("funds")?,
        net: fields.number("net")?,
        payin: fields.number("payin")?,
        payout: fields.number("payout")?,
        realised_mtm: fields.number("realised_mtm")?,
        span: fields.number("span")?,
        total: fields.number("total")?,
        unrealised_mtm: fields.number("unrealised_mtm")?,
        utilized: fields.number("utilized")?,
    })
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc())
}
