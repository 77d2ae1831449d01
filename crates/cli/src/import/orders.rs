use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Account, InstrumentKey, InstrumentKind, OptionRight, Side, ist, key_for};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use storage::{ImportedFill, ImportedOrder};

use super::{BadRow, NAME_BYTES_MAX, PRICE_MAX, WORD_BYTES_MAX};
use crate::instant;

/// Why an order is refused whose executions are each in order.
pub(super) const TOO_MANY: &str = "the executions of this order are 2^31 or more together";
/// Columns of text.
const TEXTS: &[&str] = &[
    "client_id",
    "comments",
    "independent_exchange",
    "independent_symbol",
    "isin",
    "nest_request_id",
    "order_type",
    "platform",
    "position_category",
    "position_type",
    "publisher_id",
    "status_message",
    "stock_broker",
    "strategy_id",
    "trading_account",
    "transition_type",
    "validity",
    "variety",
    "broker_order_id",
    "broker_parent_id",
    "instrument_key",
];
/// Columns of whole numbers.
const INTEGERS: &[&str] = &["disclosed_quantity", "parent_order_id", "pending_quantity"];
/// Columns of money.
const DECIMALS: &[&str] = &["price", "trigger_price", "target", "stoploss", "trailing_stoploss"];
/// Columns of instants.
const INSTANTS: &[&str] = &["modified_time", "platform_time", "timestamp"];
/// Read for themselves below; `id` and `source` are ours to give and are ignored.
const OWN: &[&str] = &[
    "organization_id",
    "pseudo_account",
    "exchange",
    "symbol",
    "trade_type",
    "product_type",
    "quantity",
    "filled_quantity",
    "average_price",
    "status",
    "exchange_time",
    "exchange_order_id",
    "trade_id",
    "amo",
    "id",
    "source",
];

/// One line, read and checked.
struct Line {
    number: u64,
    account: Account,
    exchange: String,
    day: NaiveDate,
    exchange_order_id: Option<String>,
    trade_id: Option<String>,
    filled: i32,
    price: Option<Decimal>,
    at: DateTime<Utc>,
    columns: Map<String, Value>,
}

/// Orders from JSON lines; empty lines are skipped.
///
/// With `trade_id` a line is one execution, without it a state of the order: of two states the larger
/// `filled_quantity` wins, the later by time when equal, then the later line.
pub(super) fn parse(text: &str, default_organization: &str) -> Result<Vec<ImportedOrder>, Vec<BadRow>> {
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match read_line(number, text, default_organization) {
            Ok(line) => lines.push(line),
            Err(reason) => bad.push(BadRow { line: number, reason }),
        }
    }
    if bad.is_empty() { group(lines) } else { Err(bad) }
}

fn read_line(number: u64, text: &str, default_organization: &str) -> Result<Line, String> {
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let organization = optional_text(&fields, "organization_id")?.unwrap_or(default_organization.to_owned());
    let account = Account::new(organization, text_of(&fields, "pseudo_account")?);
    let exchange = text_of(&fields, "exchange")?.to_uppercase();
    let symbol = text_of(&fields, "symbol")?;
    let side = Side::parse(&text_of(&fields, "trade_type")?).ok_or("trade_type must be BUY or SELL")?;
    let (quantity, filled) = (integer(&fields, "quantity")?, integer(&fields, "filled_quantity")?);
    let (quantity, filled) =
        (quantity.ok_or("quantity is missing")?, filled.ok_or("filled_quantity is missing")?);
    if quantity < 0 || filled < 0 {
        return Err("quantity and filled_quantity must not be negative".to_owned());
    }
    if !fields.contains_key("average_price") {
        return Err("average_price is missing".to_owned());
    }
    let price = decimal(&fields, "average_price")?.filter(|price| !price.is_zero());
    let at = instant_of(&fields, "exchange_time")?.ok_or("exchange_time is missing")?;
    let trade_id = optional_text(&fields, "trade_id")?;
    if trade_id.is_some() && (filled == 0 || price.is_none()) {
        return Err(
            "a line with trade_id is one execution and needs filled_quantity and average_price".to_owned()
        );
    }
    let mut columns = other_columns(&fields)?;
    columns.insert("exchange".to_owned(), json!(exchange));
    columns.insert("symbol".to_owned(), json!(symbol));
    columns.insert("trade_type".to_owned(), json!(side.as_str()));
    columns.insert("product_type".to_owned(), json!(text_of(&fields, "product_type")?.to_uppercase()));
    columns.insert("status".to_owned(), json!(text_of(&fields, "status")?.to_uppercase().replace(' ', "_")));
    columns.insert("quantity".to_owned(), json!(quantity));
    columns.insert("filled_quantity".to_owned(), json!(filled));
    columns.insert("average_price".to_owned(), json!(price));
    columns.insert("exchange_time".to_owned(), json!(at));
    name_instrument(&mut columns, &exchange, &symbol);
    Ok(Line {
        number,
        account,
        exchange,
        day: ist::day_of(at),
        exchange_order_id: optional_text(&fields, "exchange_order_id")?,
        trade_id,
        filled,
        price,
        at,
        columns,
    })
}

/// Gives the row its instrument key and what the key says of the contract.
pub(super) fn name_instrument(columns: &mut Map<String, Value>, exchange: &str, symbol: &str) {
    let key = match columns.get("instrument_key").and_then(Value::as_str) {
        Some(key) => key.to_owned(),
        None => key_for(exchange, symbol),
    };
    match InstrumentKey::parse(&key).map(|parsed| parsed.kind) {
        Some(InstrumentKind::Future { expiry }) => {
            columns.insert("expiry".to_owned(), json!(expiry));
        }
        Some(InstrumentKind::Option { expiry, right, strike }) => {
            let right = if right == OptionRight::Call { "call" } else { "put" };
            columns.insert("expiry".to_owned(), json!(expiry));
            columns.insert("option_type".to_owned(), json!(right));
            columns.insert("strike".to_owned(), json!(strike));
        }
        _ => {}
    }
    columns.insert("instrument_key".to_owned(), json!(key));
}

fn other_columns(fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut columns = Map::new();
    for name in fields.keys().filter(|name| !OWN.contains(&name.as_str())) {
        let value = match name.as_str() {
            name if TEXTS.contains(&name) => json!(optional_text(fields, name)?),
            name if INTEGERS.contains(&name) => json!(integer(fields, name)?),
            name if DECIMALS.contains(&name) => json!(decimal(fields, name)?),
            name if INSTANTS.contains(&name) => json!(instant_of(fields, name)?),
            _ => {
                return Err(format!(
                    "unknown field {name:?}: fields are the columns of orders, and trade_id"
                ));
            }
        };
        if !value.is_null() {
            columns.insert(name.clone(), value);
        }
    }
    match fields.get("amo") {
        None | Some(Value::Null) => {}
        Some(Value::Bool(amo)) => {
            columns.insert("amo".to_owned(), json!(amo));
        }
        Some(_) => return Err("amo must be true or false".to_owned()),
    }
    Ok(columns)
}

fn text_of(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    optional_text(fields, name)?.ok_or_else(|| format!("{name} is missing"))
}

/// Text, or a number where an id was written as one; empty text is none.
fn optional_text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(format!("{name} must not contain NUL")),
        Some(Value::String(text)) => bounded(name, text.clone()),
        Some(Value::Number(number)) => bounded(name, number.to_string()),
        Some(_) => Err(format!("{name} must be a string")),
    }
}

/// Prose may be as long as it likes; what is in indexes and keys may not.
fn bounded(name: &str, text: String) -> Result<Option<String>, String> {
    let limit = match name {
        "comments" | "status_message" => usize::MAX,
        "pseudo_account" | "organization_id" => NAME_BYTES_MAX,
        _ => WORD_BYTES_MAX,
    };
    match text.len() <= limit {
        true => Ok(Some(text)),
        false => Err(format!("{name} has {} bytes, the limit is {limit}", text.len())),
    }
}

pub(super) fn decimal_from(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

fn decimal(fields: &Map<String, Value>, name: &str) -> Result<Option<Decimal>, String> {
    let text = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(_) => return Err(format!("{name} must be a number")),
    };
    let number = decimal_from(&text).ok_or_else(|| format!("{name} must be a number"))?;
    if number.is_sign_negative() && !number.is_zero() && name != "price" {
        return Err(format!("{name} must not be negative"));
    }
    if number.abs() > PRICE_MAX {
        return Err(format!("{name} must not be above 10^15"));
    }
    Ok(Some(number.normalize()))
}

fn integer(fields: &Map<String, Value>, name: &str) -> Result<Option<i32>, String> {
    let Some(number) = decimal(fields, name)? else { return Ok(None) };
    i32::try_from(number)
        .ok()
        .filter(|_| number.fract().is_zero())
        .map(Some)
        .ok_or_else(|| format!("{name} must be a whole number below 2^31"))
}

fn instant_of(fields: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => instant::parse(text)
            .filter(|at| instant::is_plausible(ist::day_of(*at)))
            .map(Some)
            .ok_or_else(|| format!("{name} must be a time such as 2025-06-10T04:00:00+00:00")),
        Some(_) => Err(format!("{name} must be a time in a string")),
    }
}

/// Lines that are the same order become one; a line of another side or instrument than the others is a bad row.
fn group(lines: Vec<Line>) -> Result<Vec<ImportedOrder>, Vec<BadRow>> {
    type Identity = (Account, String, NaiveDate, Result<String, String>);
    let mut grouped: BTreeMap<Identity, Vec<Line>> = BTreeMap::new();
    let mut order_of_appearance: Vec<Identity> = Vec::new();
    let mut bad = Vec::new();
    for line in lines {
        let id = line.exchange_order_id.clone().ok_or_else(|| digest(&line));
        let identity = (line.account.clone(), line.exchange.clone(), line.day, id);
        let group = grouped.entry(identity.clone()).or_insert_with(|| {
            order_of_appearance.push(identity);
            Vec::new()
        });
        let same = |first: &Line| {
            ["trade_type", "instrument_key"].iter().all(|name| first.columns[*name] == line.columns[*name])
        };
        if group.first().is_none_or(same) {
            group.push(line);
        } else {
            let reason =
                "another side or instrument than the other lines of this exchange_order_id".to_owned();
            bad.push(BadRow { line: line.number, reason });
        }
    }
    bad.extend(grouped.values().filter_map(|lines| too_many(lines)));
    if !bad.is_empty() {
        bad.sort_by_key(|bad| bad.line);
        return Err(bad);
    }
    Ok(order_of_appearance
        .into_iter()
        .filter_map(|identity| merge(grouped.remove(&identity)?, identity.3))
        .collect())
}

/// Executions that are more together than the column of the order holds.
fn too_many(lines: &[Line]) -> Option<BadRow> {
    let by_trade = lines.iter().filter_map(|line| Some((line.trade_id.as_ref()?, i64::from(line.filled))));
    let filled: i64 = by_trade.collect::<BTreeMap<_, _>>().into_values().sum();
    let line = lines.last()?.number;
    (filled > i32::MAX.into()).then(|| BadRow { line, reason: TOO_MANY.to_owned() })
}

/// What tells a line without `exchange_order_id` apart: its whole content.
fn digest(line: &Line) -> String {
    let content = json!([line.account, line.columns, line.trade_id]).to_string();
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One order from its lines: the furthest state, and every execution once (the later line of one trade replaces).
fn merge(lines: Vec<Line>, id: Result<String, String>) -> Option<ImportedOrder> {
    let mut fills: BTreeMap<String, ImportedFill> = BTreeMap::new();
    for line in &lines {
        if let (Some(trade_id), Some(price)) = (&line.trade_id, line.price) {
            let fill =
                ImportedFill { trade_id: trade_id.clone(), quantity: line.filled.into(), price, at: line.at };
            fills.insert(trade_id.clone(), fill);
        }
    }
    let mut last = lines.into_iter().reduce(|best, next| {
        // Of executions the latest tells the state, whatever its own quantity.
        let state = |line: &Line| match line.trade_id {
            None => (true, line.filled, line.at),
            Some(_) => (false, 0, line.at),
        };
        if state(&next) >= state(&best) { next } else { best }
    })?;
    if last.trade_id.is_some() {
        // No line tells the state: it follows from the executions.
        let filled: Decimal = fills.values().map(|fill| fill.quantity).sum();
        let ordered = last.columns["quantity"].as_i64().map_or(filled, |ordered| filled.max(ordered.into()));
        last.columns.insert("filled_quantity".to_owned(), json!(filled.normalize()));
        last.columns.insert("quantity".to_owned(), json!(ordered.normalize()));
        last.columns.insert("average_price".to_owned(), Value::Null);
        last.columns.insert("exchange_time".to_owned(), json!(fills.values().map(|fill| fill.at).max()));
    }
    let (exchange_order_id, line_digest) = match id {
        Ok(id) => (Some(id), None),
        Err(digest) => (None, Some(digest)),
    };
    Some(ImportedOrder {
        account: last.account,
        exchange: last.exchange,
        day: last.day,
        exchange_order_id,
        line_digest,
        columns: last.columns,
        fills: fills.into_values().collect(),
    })
}

#[cfg(test)]
mod tests;
