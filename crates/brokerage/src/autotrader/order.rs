//! `readPlatformOrders`: a list of orders, each in its latest state.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `id` | text, or number | `broker_order_id`: the id at the brokerage |
//! | `exchangeOrderId` | text?, or number | `exchange_order_id`; `0`, `NA` and `null` are none |
//! | `parentOrderId` | text?, or number | `broker_parent_id`; likewise |
//! | `publisherId` | text? | `client_tag`: the id of whoever placed it |
//! | `exchange` | word | `exchange` |
//! | `symbol` | text | `symbol` |
//! | `tradeType` | `BUY`, `SELL` | `side` |
//! | `productType` | word | `product`: `INTRADAY` `MIS`, `DELIVERY` `CNC`, `NORMAL` `NRML`, else itself; `BO` and `CO` by the variety |
//! | `orderType` | word? | `order_type`: `STOP_LOSS` `SL`, `SL_MARKET` `SL-M`, else itself |
//! | `variety` | word? | `variety`, `REGULAR` where absent |
//! | `validity` | word? | `validity` |
//! | `quantity`, `filledQuantity` | quantity, not negative | `quantity`, `filled_quantity` |
//! | `pendingQuantity`, `disclosedQuantity` | quantity?, not negative | `pending_quantity`, `disclosed_quantity` |
//! | `averagePrice` | price? | `average_price`; 0 is none |
//! | `price`, `triggerPrice` | price? | `price`, `trigger_price` |
//! | `amo` | boolean? | `is_amo` |
//! | `status` | word | `status`, with `_` for blanks |
//! | `statusMessage` | text? of any length | `status_message` |
//! | `platformTime`, else `createdTime` | time? | `placed_at` |
//! | `exchangeTime` | time? | `exchange_at` |
//! | `platform`, `stockBroker`, `tradingAccount`, `clientId` | text? | `labels` of that name |
//! | `independentExchange`, `independentSymbol`, `nestRequestId` | text? | `labels` of that name |
//! | `comments` | text? of any length | `labels.comments` |
//! | `pseudoAccount` | text? | must be the account that was asked for |
//!
//! The rest (`rawStatus`, `modifiedTime`, …) is kept in `raw`, the whole order as JSON text.

use ledger::{Labels, ReportedOrder};

use super::rows::{Rows, amount, instant, price, product, quantity};
use crate::BrokerageError;
use crate::field::Fields;

/// Reads the whole book.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any order cannot be read.
pub(super) fn read(rows: &Rows) -> Result<Vec<ReportedOrder>, BrokerageError> {
    rows.each("orders", order)
}

fn order(fields: &Fields<'_>) -> Result<ReportedOrder, BrokerageError> {
    let required = |name| quantity(fields, name)?.ok_or_else(|| fields.missing(name));
    let variety = fields.word("variety")?.unwrap_or_else(|| "REGULAR".to_owned());
    let placed_at = match instant(fields, "platformTime")? {
        Some(instant) => Some(instant),
        None => instant(fields, "createdTime")?,
    };
    Ok(ReportedOrder {
        broker_order_id: fields.id("id")?.ok_or_else(|| fields.missing("id"))?,
        exchange_order_id: fields.id("exchangeOrderId")?.filter(|id| is_one(id)),
        broker_parent_id: fields.id("parentOrderId")?.filter(|id| is_one(id)),
        client_tag: fields.id("publisherId")?,
        other_tags: Vec::new(),
        iceberg: None,
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("symbol")?.to_owned(),
        side: fields.side("tradeType")?,
        product: match variety.as_str() {
            "BO" | "CO" => variety.clone(),
            _ => product(fields.required_word("productType")?),
        },
        order_type: fields.word("orderType")?.map(order_type),
        variety,
        validity: fields.word("validity")?,
        quantity: required("quantity")?,
        filled_quantity: required("filledQuantity")?,
        pending_quantity: quantity(fields, "pendingQuantity")?,
        disclosed_quantity: quantity(fields, "disclosedQuantity")?,
        average_price: price(fields, "averagePrice")?,
        price: amount(fields, "price")?,
        trigger_price: amount(fields, "triggerPrice")?,
        status: fields.status("status")?,
        status_message: fields.prose("statusMessage")?.map(str::to_owned),
        placed_at,
        exchange_at: instant(fields, "exchangeTime")?,
        is_amo: fields.boolean("amo")?,
        labels: labels(fields)?,
        raw: fields.raw()?,
    })
}

/// Brokerages behind AutoTrader Web fill in an id that is none; taken as one it would make one order of many.
fn is_one(id: &str) -> bool {
    !id.bytes().all(|byte| byte == b'0')
        && !["NA", "N/A", "NULL"].iter().any(|none| id.eq_ignore_ascii_case(none))
}

fn order_type(word: String) -> String {
    match word.as_str() {
        "STOP_LOSS" => "SL".to_owned(),
        "SL_MARKET" => "SL-M".to_owned(),
        _ => word,
    }
}

fn labels(fields: &Fields<'_>) -> Result<Labels, BrokerageError> {
    Ok(Labels {
        platform: fields.owned("platform")?,
        stock_broker: fields.owned("stockBroker")?,
        trading_account: fields.owned("tradingAccount")?,
        client_id: fields.owned("clientId")?,
        independent_exchange: fields.owned("independentExchange")?,
        independent_symbol: fields.owned("independentSymbol")?,
        nest_request_id: fields.id("nestRequestId")?,
        comments: fields.prose("comments")?.map(str::to_owned),
    })
}
