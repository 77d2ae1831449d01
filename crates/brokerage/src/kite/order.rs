//! `GET /orders`: a list of orders, each in its latest state.
//!
//! | field | type | goes to |
//! |---|---|---|
//! | `order_id` | text | `broker_order_id` |
//! | `exchange_order_id` | text? | `exchange_order_id` |
//! | `parent_order_id` | text? | `broker_parent_id`; else the id in a tag `autoslice:<id>` |
//! | `tag` | text? | `client_tag` |
//! | `tags` | list of texts? | `other_tags`, without `tag` |
//! | `guid` | text? | the last of `other_tags` |
//! | `meta.iceberg.leg`, `.legs` | number, whole, from 1 | `iceberg.leg`, `.legs` |
//! | `meta.iceberg.total_quantity` | number | `iceberg.total_quantity` |
//! | `exchange` | word | `exchange` |
//! | `tradingsymbol` | text | `symbol` |
//! | `transaction_type` | `BUY`, `SELL` | `side` |
//! | `product` | word | `product` |
//! | `order_type` | word? | `order_type` |
//! | `variety` | word? | `variety`, `REGULAR` where absent; `AMO` makes `is_amo` |
//! | `validity` | word? | `validity` |
//! | `quantity`, `filled_quantity` | number, not negative | the same |
//! | `pending_quantity`, `disclosed_quantity` | number?, not negative | the same |
//! | `average_price` | number? | `average_price`; 0 is none |
//! | `price`, `trigger_price` | number? | the same |
//! | `status` | word | `status`, with `_` for blanks |
//! | `status_message` | text? of any length | `status_message` |
//! | `order_timestamp` | time? | `placed_at` |
//! | `exchange_timestamp`, else `exchange_update_timestamp` | time? | `exchange_at` |
//! | `account_id`, `placed_by` | text? | `labels.trading_account`, `.client_id` |
//!
//! The rest (`modified`, `validity_ttl`, `cancelled_quantity`, `market_protection`, `auction_number`, `terminal_id`,
//! `status_message_raw`, `rejected_by`, `instrument_token`, …) is kept in `raw`, the whole order as JSON text. Its labels `platform`
//! and `stock_broker` are `KITE` and `ZERODHA`.

use ledger::{Iceberg, Labels, ReportedOrder};
use serde_json::Value;

use super::time;
use crate::BrokerageError;
use crate::answer::list;
use crate::field::{Fields, each};

/// What Kite tags the legs of an order it cut up with, followed by the id of the order that was placed.
const AUTOSLICE_TAG: &str = "autoslice:";

/// Reads the whole book.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any order cannot be read.
pub(super) fn read(data: Value) -> Result<Vec<ReportedOrder>, BrokerageError> {
    each("orders", &list(data, "data")?, order)
}

fn order(fields: &Fields<'_>) -> Result<ReportedOrder, BrokerageError> {
    let exchange_at = match fields.instant("exchange_timestamp", time::parse)? {
        Some(instant) => Some(instant),
        None => fields.instant("exchange_update_timestamp", time::parse)?,
    };
    let client_tag = fields.owned("tag")?;
    let tags = fields.words("tags")?;
    let variety = fields.word("variety")?.unwrap_or_else(|| "REGULAR".to_owned());
    Ok(ReportedOrder {
        broker_order_id: fields.required_text("order_id")?.to_owned(),
        exchange_order_id: fields.owned("exchange_order_id")?,
        broker_parent_id: fields.owned("parent_order_id")?.or_else(|| sliced_from(&tags)),
        other_tags: other_tags(&tags, client_tag.as_deref(), fields.text("guid")?),
        client_tag,
        iceberg: iceberg(fields)?,
        exchange: fields.required_word("exchange")?,
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        side: fields.side("transaction_type")?,
        product: fields.required_word("product")?,
        order_type: fields.word("order_type")?,
        is_amo: Some(variety == "AMO"),
        variety,
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
        placed_at: fields.instant("order_timestamp", time::parse)?,
        exchange_at,
        labels: Labels {
            platform: Some("KITE".to_owned()),
            stock_broker: Some("ZERODHA".to_owned()),
            trading_account: fields.owned("account_id")?,
            client_id: fields.owned("placed_by")?,
            ..Labels::default()
        },
        raw: fields.raw()?,
    })
}

/// Of a cover or bracket order the field names the order it is a leg of, of a sliced one only a tag does.
fn sliced_from(tags: &[&str]) -> Option<String> {
    let parent = tags.iter().find_map(|tag| tag.strip_prefix(AUTOSLICE_TAG))?.trim();
    Some(parent.to_owned()).filter(|parent| !parent.is_empty())
}

fn other_tags(tags: &[&str], client_tag: Option<&str>, guid: Option<&str>) -> Vec<String> {
    let others = tags.iter().copied().filter(|tag| Some(*tag) != client_tag);
    others.chain(guid).map(str::to_owned).collect()
}

fn iceberg(fields: &Fields<'_>) -> Result<Option<Iceberg>, BrokerageError> {
    let Some(iceberg) = fields.inner("meta")?.map(|meta| meta.inner("iceberg")).transpose()?.flatten() else {
        return Ok(None);
    };
    Ok(Some(Iceberg {
        leg: iceberg.count("leg")?,
        legs: iceberg.count("legs")?,
        total_quantity: iceberg.required_quantity("total_quantity")?,
    }))
}
