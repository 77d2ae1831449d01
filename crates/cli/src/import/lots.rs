use chrono::{DateTime, Utc};
use ledger::{Account, ist};
use rust_decimal::Decimal;
use serde_json::{Map, json};
use storage::ImportedLot;

use super::csv_rows::{self, Format, Row};
use super::orders::{decimal_from, name_instrument};
use super::{BadRow, PRICE_MAX};
use crate::instant;

const FORMAT: Format = Format {
    what: "file of opening lots",
    required: &["account", "exchange", "symbol", "product", "quantity", "price", "opened_at"],
    optional: Some(&["organization_id", "instrument_key", "isin"]),
};
const PRODUCTS: [&str; 6] = ["CNC", "NRML", "MIS", "MTF", "CO", "BO"];
/// What the integer columns of positions and holdings can hold.
const QUANTITY_MAX: Decimal = Decimal::from_parts(i32::MAX as u32, 0, 0, false, 0);

/// Opening lots from CSV; equal lines are several lots.
pub(super) fn parse(text: &str, default_organization: &str) -> Result<Vec<ImportedLot>, Vec<BadRow>> {
    let rows = csv_rows::read(text, &FORMAT, |row| read_lot(row, default_organization))?;
    Ok(rows.into_iter().map(|(_, lot)| lot).collect())
}

fn read_lot(row: &Row<'_>, default_organization: &str) -> Result<ImportedLot, String> {
    let organization = row.optional("organization_id").unwrap_or(default_organization);
    let account = Account::new(organization, row.required("account")?);
    let exchange = row.required("exchange")?.to_uppercase();
    let symbol = row.required("symbol")?;
    let product = row.required("product")?.to_uppercase();
    if !PRODUCTS.contains(&product.as_str()) {
        return Err(format!("product must be one of {}", PRODUCTS.join(", ")));
    }
    let quantity = decimal_from(row.required("quantity")?)
        .filter(|quantity| !quantity.is_zero() && quantity.abs() <= QUANTITY_MAX)
        .ok_or("quantity must be a number other than 0 and below 2^31, negative for a short lot")?;
    let price = decimal_from(row.required("price")?)
        .filter(|price| (Decimal::ZERO..=PRICE_MAX).contains(price))
        .ok_or("price must be a number from 0 to 10^15")?;
    let mut columns = Map::new();
    for (name, value) in [("instrument_key", row.optional("instrument_key")), ("isin", row.optional("isin"))]
    {
        if let Some(value) = value {
            columns.insert(name.to_owned(), json!(value));
        }
    }
    columns.insert("exchange".to_owned(), json!(exchange));
    columns.insert("symbol".to_owned(), json!(symbol));
    columns.insert("product".to_owned(), json!(product));
    columns.insert("quantity".to_owned(), json!(quantity.normalize()));
    columns.insert("price".to_owned(), json!(price.normalize()));
    columns.insert("opened_at".to_owned(), json!(opened_at(row.required("opened_at")?)?));
    name_instrument(&mut columns, &exchange, symbol);
    Ok(ImportedLot { account, columns })
}

fn opened_at(text: &str) -> Result<DateTime<Utc>, String> {
    instant::parse(text).filter(|at| instant::is_plausible(ist::day_of(*at))).ok_or_else(|| {
        "opened_at must be a date such as 2024-03-28 or a time such as 2024-03-28 09:20:00".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: &str =
        "account,organization_id,instrument_key,isin,exchange,symbol,product,quantity,price,opened_at";

    fn read(rows: &[&str]) -> Result<Vec<ImportedLot>, Vec<BadRow>> {
        parse(&[&[HEADS], rows].concat().join("\n"), "desk-7")
    }

    #[test]
    fn a_lot_is_read_with_the_key_of_its_exchange_and_symbol() {
        let lots = read(&["Raghu,,,INE062A01020,nse,SBIN,cnc,10,311.050,2024-03-28"]).unwrap();
        assert_eq!(lots[0].account, Account::new("desk-7", "Raghu"));
        let columns = &lots[0].columns;
        assert_eq!(columns["instrument_key"], "NSE@SBIN@equities");
        assert_eq!((&columns["exchange"], &columns["product"]), (&json!("NSE"), &json!("CNC")));
        assert_eq!(
            (columns["quantity"].to_string(), columns["price"].to_string()),
            ("10".into(), "311.05".into())
        );
        assert_eq!(columns["opened_at"], "2024-03-27T18:30:00Z", "a date is the start of that day in IST");
        assert_eq!(columns["isin"], "INE062A01020");
    }

    #[test]
    fn the_key_of_a_contract_says_when_it_ends_and_an_organization_may_be_named() {
        let key = "NFO@NIFTY@options@26-JUN-2025@call@24500";
        let line = format!("A.B 1,acme,{key},,NFO,NIFTY25JUN24500CE,NRML,-75,120.5,2025-06-10 09:30:00");
        let lots = read(&[&line]).unwrap();
        assert_eq!(lots[0].account, Account::new("acme", "A.B 1"));
        let columns = &lots[0].columns;
        assert_eq!((&columns["expiry"], &columns["option_type"]), (&json!("2025-06-26"), &json!("call")));
        assert_eq!(
            (columns["quantity"].to_string(), columns["opened_at"].as_str()),
            ("-75".into(), Some("2025-06-10T04:00:00Z"))
        );
        assert!(!columns.contains_key("isin"), "a blank cell is unknown");
    }

    #[test]
    fn numbers_keep_their_digits() {
        let lots =
            read(&["Raghu,,,,NSE,SBIN,CNC,0.123456789,999999999999999.0000000001,2024-03-28"]).unwrap();
        assert_eq!(lots[0].columns["quantity"].to_string(), "0.123456789");
        assert_eq!(lots[0].columns["price"].to_string(), "999999999999999.0000000001");
        assert_eq!((QUANTITY_MAX, PRICE_MAX), (i32::MAX.into(), 1_000_000_000_000_000_u64.into()));
    }

    #[test]
    fn equal_lines_are_several_lots() {
        let line = "Raghu,,,,NSE,SBIN,CNC,10,311.05,2024-03-28";
        assert_eq!(read(&[line, line]).unwrap().len(), 2);
    }

    #[test]
    fn every_bad_line_is_named_with_its_reason() {
        let bad = read(&[
            "Raghu,,,,NSE,SBIN,CNC,10,311.05,2024-03-28",
            ",,,,NSE,SBIN,CNC,10,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,DELIVERY,10,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,0,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,ten,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,2147483648,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,10,-0.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,10,1000000000000001,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,10,311.05,28-03-2024",
            "Raghu,,,,NSE,SBIN,CNC,10,311.05,28-03-24",
            "Raghu,,,,NSE,SBIN,CNC,10,311.05,",
            "Raghu,,,,NSE,,CNC,10,311.05,2024-03-28",
            "Raghu,,,,NSE,SBIN,CNC,10,0,2024-03-28",
        ])
        .unwrap_err();
        let reasons: Vec<(u64, &str)> =
            bad.iter().map(|bad| (bad.line, bad.reason.split(' ').next().unwrap())).collect();
        let expected = [
            (3, "account"),
            (4, "product"),
            (5, "quantity"),
            (6, "quantity"),
            (7, "quantity"),
            (8, "price"),
            (9, "price"),
            (10, "opened_at"),
            (11, "opened_at"),
            (12, "opened_at"),
            (13, "symbol"),
        ];
        assert_eq!(reasons, expected, "shares received for nothing, of line 14, are no mistake");
    }
}
