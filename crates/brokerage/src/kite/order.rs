//! From an order of Kite's book to ours.

use ledger::{ReportedOrder, Side};
use serde_json::Value;

use super::field::Fields;
use crate::BrokerageError;

/// What Kite tags the legs of an order it cut up with, followed by the id of the order that was placed.
const AUTOSLICE_TAG: &str = "autoslice:";

/// Reads the whole book.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any order cannot be read: leaving one out would look as
/// if it did not exist.
pub(super) fn read_book(book: Vec<Value>) -> Result<Vec<ReportedOrder>, BrokerageError> {
    book.iter().enumerate().map(|(index, order)| read(index, order)).collect()
}

fn read(index: usize, value: &Value) -> Result<ReportedOrder, BrokerageError> {
    let fields = Fields::of("orders", index, value)?;
    let exchange_at = match fields.instant("exchange_timestamp")? {
        Some(instant) => Some(instant),
        None => fields.instant("exchange_update_timestamp")?,
    };
    Ok(ReportedOrder {
        broker_order_id: fields.required_text("order_id")?.to_owned(),
        exchange_order_id: fields.text("exchange_order_id")?.map(str::to_owned),
        broker_parent_id: parent(&fields)?,
        client_tag: fields.text("tag")?.map(str::to_owned),
        exchange: fields.required_text("exchange")?.to_ascii_uppercase(),
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        side: side(&fields)?,
        product: fields.required_text("product")?.to_ascii_uppercase(),
        order_type: fields.word("order_type")?,
        variety: fields.word("variety")?.unwrap_or_else(|| "REGULAR".to_owned()),
        validity: fields.word("validity")?,
        quantity: fields.required_quantity("quantity")?,
        filled_quantity: fields.required_quantity("filled_quantity")?,
        pending_quantity: fields.quantity("pending_quantity")?,
        disclosed_quantity: fields.quantity("disclosed_quantity")?,
        average_price: fields.number("average_price")?.filter(|price| !price.is_zero()),
        price: fields.number("price")?,
        trigger_price: fields.number("trigger_price")?,
        status: status(fields.required_text("status")?),
        status_message: fields.text("status_message")?.map(str::to_owned),
        placed_at: fields.instant("order_timestamp")?,
        exchange_at,
        other_tags: Vec::new(),
        iceberg: None,
        is_amo: None,
        labels: ledger::Labels::default(),
        raw: raw(&fields, value)?,
    })
}

/// Kite's words in our form. None is left out: Kite has more than it documents, and all but `COMPLETE`, `CANCELLED`
/// and `REJECTED` are of a live order.
fn status(text: &str) -> String {
    text.to_ascii_uppercase().split_whitespace().collect::<Vec<_>>().join("_")
}

fn side(fields: &Fields<'_>) -> Result<Side, BrokerageError> {
    let text = fields.required_text("transaction_type")?;
    Side::parse(text).ok_or_else(|| fields.malformed("transaction_type", &format!("{text:?} is no side")))
}

/// The order this one is a leg of: of a cover or bracket order by its field, of a sliced one by its tag.
fn parent(fields: &Fields<'_>) -> Result<Option<String>, BrokerageError> {
    if let Some(parent) = fields.text("parent_order_id")? {
        return Ok(Some(parent.to_owned()));
    }
    let tags = fields.element.get("tags").and_then(Value::as_array).into_iter().flatten();
    let parent = tags.filter_map(Value::as_str).find_map(|tag| tag.strip_prefix(AUTOSLICE_TAG));
    Ok(parent.map(str::trim).filter(|parent| !parent.is_empty()).map(str::to_owned))
}

fn raw(fields: &Fields<'_>, order: &Value) -> Result<String, BrokerageError> {
    let raw = order.to_string();
    // PostgreSQL holds neither text nor JSON with a NUL, so such an order could be read but never stored.
    if raw.contains("\\u0000") { Err(fields.malformed("*", "holds a NUL character")) } else { Ok(raw) }
}
