use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Account, Side, ist};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storage::{ImportedFill, ImportedOrder};

use super::csv_rows::{self, Format, Row};
use super::orders::{TOO_MANY, decimal_from, name_instrument};
use super::{BadRow, PRICE_MAX};
use crate::instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file, as Console exports it
    pub(super) file: PathBuf,
    /// The account it belongs to
    #[arg(long)]
    pub(super) account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    pub(super) org: Option<String>,
    /// The strategy of all its orders
    #[arg(long)]
    pub(super) strategy: Option<String>,
    /// The product of all its orders [default: CNC for EQ, NRML for everything else]
    #[arg(long)]
    pub(super) product: Option<String>,
}

/// Console adds columns now and then.
const FORMAT: Format = Format {
    what: "tradebook",
    required: &[
        "symbol",
        "trade_date",
        "exchange",
        "segment",
        "trade_type",
        "quantity",
        "price",
        "trade_id",
        "order_id",
    ],
    optional: None,
};

/// One execution.
struct Trade {
    identity: (String, NaiveDate, String),
    side: Side,
    quantity: Decimal,
    fill: ImportedFill,
    columns: Map<String, Value>,
}

/// Orders from a Console tradebook, each with its executions. Times without a zone are IST.
pub(super) fn parse(
    text: &str,
    account: &Account,
    arguments: &Arguments,
) -> Result<Vec<ImportedOrder>, Vec<BadRow>> {
    let trades = csv_rows::read(text, &FORMAT, |row| read_trade(row, arguments))?;
    group(trades, account)
}

fn read_trade(row: &Row<'_>, arguments: &Arguments) -> Result<Trade, String> {
    let field = |name| row.optional(name);
    let required = |name| row.required(name);
    let symbol = required("symbol")?;
    let segment = required("segment")?.to_uppercase();
    let exchange = exchange_of(&required("exchange")?.to_uppercase(), &segment);
    let side = Side::parse(required("trade_type")?).ok_or("trade_type must be buy or sell")?;
    let quantity = number(required("quantity")?, "quantity")?;
    if !quantity.fract().is_zero() || i32::try_from(quantity).is_err() {
        return Err("quantity must be a whole number below 2^31".to_owned());
    }
    let price = number(required("price")?, "price")?;
    if price > PRICE_MAX {
        return Err("price must not be above 10^15".to_owned());
    }
    let day = instant::parse_day(required("trade_date")?).ok_or("trade_date must be YYYY-MM-DD")?;
    let at = match field("order_execution_time") {
        Some(text) => {
            instant::parse(text).ok_or("order_execution_time must be a time such as 2025-06-10T09:15:30")?
        }
        None => ist::start_of(day),
    };
    if ist::day_of(at) != day {
        return Err("order_execution_time is not on trade_date".to_owned());
    }
    let product = match &arguments.product {
        Some(product) => product.to_uppercase(),
        None if segment == "EQ" => "CNC".to_owned(),
        None => "NRML".to_owned(),
    };
    let mut columns = Map::new();
    for (name, value) in [
        ("exchange", json!(exchange)),
        ("symbol", json!(symbol)),
        ("trade_type", json!(side.as_str())),
        ("product_type", json!(product)),
        ("isin", json!(field("isin"))),
        ("strategy_id", json!(arguments.strategy)),
        ("status", json!("COMPLETE")),
        ("platform", json!("KITE")),
        ("stock_broker", json!("ZERODHA")),
        ("instrument_key", json!(contract_key(&exchange, symbol, field("expiry_date")))),
    ] {
        if !value.is_null() {
            columns.insert(name.to_owned(), value);
        }
    }
    name_instrument(&mut columns, &exchange, symbol);
    let fill = ImportedFill { trade_id: required("trade_id")?.to_owned(), quantity, price, at };
    Ok(Trade { identity: (exchange, day, required("order_id")?.to_owned()), side, quantity, fill, columns })
}

fn number(text: &str, name: &str) -> Result<Decimal, String> {
    decimal_from(text)
        .filter(|number| number.is_sign_positive() && !number.is_zero())
        .map(|number| number.normalize())
        .ok_or_else(|| format!("{name} must be a number above 0"))
}

/// A tradebook names the house and the segment; our exchange is the segment's.
fn exchange_of(exchange: &str, segment: &str) -> String {
    match (exchange, segment) {
        ("NSE", "FO") => "NFO",
        ("BSE", "FO") => "BFO",
        ("NSE", "CDS" | "CD") => "CDS",
        ("BSE", "CDS" | "CD" | "BCD") => "BCD",
        (exchange, _) => exchange,
    }
    .to_owned()
}

/// The key of a contract whose expiry is in its own column: the symbol is then name, expiry code and what follows.
fn contract_key(exchange: &str, symbol: &str, expiry: Option<&str>) -> Option<String> {
    let expiry = instant::parse_day(expiry?)?;
    let monthly = expiry.format("%y%b").to_string().to_uppercase();
    let month = match expiry.format("%m").to_string().as_str() {
        "10" => "O".to_owned(),
        "11" => "N".to_owned(),
        "12" => "D".to_owned(),
        other => other.trim_start_matches('0').to_owned(),
    };
    let weekly = format!("{}{month}{}", expiry.format("%y"), expiry.format("%d"));
    let date = expiry.format("%d-%b-%Y").to_string().to_uppercase();
    for code in [monthly, weekly] {
        let Some((name, rest)) = symbol.rsplit_once(&code).filter(|(name, _)| !name.is_empty()) else {
            continue;
        };
        let option = |suffix: &str, right: &str| {
            let strike = decimal_from(rest.strip_suffix(suffix)?)?;
            Some(format!("{exchange}@{name}@options@{date}@{right}@{}", strike.normalize()))
        };
        let future = (rest == "FUT").then(|| format!("{exchange}@{name}@futures@{date}"));
        if let Some(key) = future.or_else(|| option("CE", "call")).or_else(|| option("PE", "put")) {
            return Some(key);
        }
    }
    None
}

/// Executions of one order become one order; an order that changes its side or instrument is a bad row.
fn group(trades: Vec<(u64, Trade)>, account: &Account) -> Result<Vec<ImportedOrder>, Vec<BadRow>> {
    const MOST: f64 = i32::MAX as f64;
    let (mut orders, mut lines) = (Vec::<ImportedOrder>::new(), Vec::new());
    let mut known: HashMap<(String, NaiveDate, String), (usize, Side, String)> = HashMap::new();
    let mut bad = Vec::new();
    for (line, trade) in trades {
        let key = trade.columns["instrument_key"].to_string();
        let (index, side, instrument) = known.entry(trade.identity.clone()).or_insert_with(|| {
            let (exchange, day, id) = trade.identity.clone();
            orders.push(ImportedOrder {
                account: account.clone(),
                exchange,
                day,
                exchange_order_id: Some(id),
                line_digest: None,
                columns: trade.columns.clone(),
                fills: Vec::new(),
            });
            lines.push(line);
            (orders.len() - 1, trade.side, key.clone())
        });
        if *side != trade.side || *instrument != key {
            let reason = "another side or symbol than the other trades of this order_id".to_owned();
            bad.push(BadRow { line, reason });
            continue;
        }
        debug_assert_eq!(trade.quantity, trade.fill.quantity);
        orders[*index].fills.push(trade.fill);
        lines[*index] = line;
    }
    orders.iter_mut().for_each(total);
    let last_lines = lines.into_iter().zip(&orders);
    bad.extend(
        last_lines
            .filter(|(_, order)| order.columns["quantity"].as_f64().is_none_or(|sum| sum > MOST))
            .map(|(line, _)| BadRow { line, reason: TOO_MANY.to_owned() }),
    );
    if !bad.is_empty() {
        bad.sort_by_key(|bad| bad.line);
        return Err(bad);
    }
    Ok(orders)
}

/// The order's own columns follow from its executions; the same execution again replaces the earlier.
fn total(order: &mut ImportedOrder) {
    let fills: BTreeMap<String, ImportedFill> =
        order.fills.drain(..).map(|fill| (fill.trade_id.clone(), fill)).collect();
    order.fills = fills.into_values().collect();
    let filled: Decimal = order.fills.iter().map(|fill| fill.quantity).sum();
    let last: Option<DateTime<Utc>> = order.fills.iter().map(|fill| fill.at).max();
    order.columns.insert("quantity".to_owned(), json!(filled.normalize()));
    order.columns.insert("filled_quantity".to_owned(), json!(filled.normalize()));
    order.columns.insert("pending_quantity".to_owned(), json!(0));
    order.columns.insert("exchange_time".to_owned(), json!(last));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: &str = "symbol,isin,trade_date,exchange,segment,series,trade_type,auction,quantity,price,trade_id,order_id,order_execution_time,expiry_date";

    fn read(rows: &[&str]) -> Result<Vec<ImportedOrder>, Vec<BadRow>> {
        let text = std::iter::once(HEADS).chain(rows.iter().copied()).collect::<Vec<_>>().join("\n");
        let arguments = Arguments {
            file: PathBuf::new(),
            account: String::new(),
            org: None,
            strategy: None,
            product: None,
        };
        parse(&text, &Account::new("default", "Raghu"), &arguments)
    }

    #[test]
    fn trades_of_one_order_are_one_order_with_ist_times() {
        let orders = read(&[
            "SBIN,INE062A01020,2025-06-10,NSE,EQ,EQ,buy,false,4,800.5,71,1100,2025-06-10T09:15:30,",
            "SBIN,INE062A01020,2025-06-10,NSE,EQ,EQ,buy,false,6.000000,801,72,1100,2025-06-10T09:15:31,",
        ])
        .unwrap();
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].columns["quantity"], 10);
        assert_eq!(orders[0].columns["product_type"], "CNC");
        assert_eq!(orders[0].fills[0].at.to_rfc3339(), "2025-06-10T03:45:30+00:00");
    }

    #[test]
    fn contracts_are_named_by_their_expiry() {
        let key = |symbol: &str, expiry: &str| contract_key("NFO", symbol, Some(expiry)).unwrap();
        assert_eq!(key("NIFTY25JUNFUT", "2025-06-26"), "NFO@NIFTY@futures@26-JUN-2025");
        assert_eq!(key("NIFTY2561224500CE", "2025-06-12"), "NFO@NIFTY@options@12-JUN-2025@call@24500");
        assert_eq!(key("M&M25OCT3000.5PE", "2025-10-28"), "NFO@M&M@options@28-OCT-2025@put@3000.5");
        assert_eq!(contract_key("NFO", "ODD", Some("2025-10-28")), None);
        let orders = read(&[
            "NIFTY25JUNFUT,,2025-06-10,NSE,FO,,sell,false,75,25000,1,2,2025-06-10T09:15:30,2025-06-26",
        ]);
        let orders = orders.unwrap();
        assert_eq!(
            (orders[0].exchange.as_str(), &orders[0].columns["product_type"]),
            ("NFO", &json!("NRML"))
        );
    }

    #[test]
    fn bad_rows_are_named_by_line_and_nothing_is_returned() {
        let bad = read(&[
            "SBIN,,2025-06-10,NSE,EQ,EQ,buy,false,4,800.5,71,1100,2025-06-10T09:15:30,",
            "SBIN,,2025-06-10,NSE,EQ,EQ,hold,false,4,800.5,72,1101,2025-06-10T09:15:30,",
            "SBIN,,2025-06-10,NSE,EQ,EQ,buy,false,0,800.5,73,1102,2025-06-10T09:15:30,",
            "SBIN,,10-06-2025,NSE,EQ,EQ,buy,false,4,800.5,74,1103,2025-06-10T09:15:30,",
            "SBIN,,2025-06-10",
            "SBIN,,2025-06-10,NSE,EQ,EQ,sell,false,4,800.5,75,1100,2025-06-10T09:15:30,",
        ])
        .unwrap_err();
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [3, 4, 5, 6]);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_at_its_first_line() {
        let arguments = Arguments {
            file: PathBuf::new(),
            account: String::new(),
            org: None,
            strategy: None,
            product: None,
        };
        let bad = parse("a,b\n1,2\n", &Account::new("d", "a"), &arguments).unwrap_err();
        assert_eq!(bad[0].line, 1);
        assert!(bad[0].reason.contains("trade_id"));
    }

    #[test]
    fn one_order_id_on_two_sides_is_a_bad_row() {
        let bad = read(&[
            "SBIN,,2025-06-10,NSE,EQ,EQ,buy,false,4,800.5,71,1100,2025-06-10T09:15:30,",
            "SBIN,,2025-06-10,NSE,EQ,EQ,sell,false,4,800.5,72,1100,2025-06-10T09:15:30,",
        ])
        .unwrap_err();
        assert_eq!(bad[0].line, 3);
    }
}
