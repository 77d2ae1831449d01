//! Files spoilt at random: whole or refused by line, and never a panic.

use std::path::PathBuf;

use chrono::Datelike as _;
use ledger::{Account, ist};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storage::ImportedOrder;

use super::{BadRow, PRICE_MAX, orders, tradebook};

type Parsed = Result<Vec<ImportedOrder>, Vec<BadRow>>;

const HEADS: [&str; 14] = [
    "symbol",
    "isin",
    "trade_date",
    "exchange",
    "segment",
    "series",
    "trade_type",
    "auction",
    "quantity",
    "price",
    "trade_id",
    "order_id",
    "order_execution_time",
    "expiry_date",
];

/// Cells and fields as nobody means them.
fn odd() -> impl Strategy<Value = String> {
    let known = select(vec![
        "",
        " ",
        "0",
        "-1",
        "-0",
        "1.5",
        "1e9",
        "1e400",
        "1e400000000",
        "1E-400000000",
        "NaN",
        "inf",
        "2147483647",
        "2147483648",
        "buy",
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "99999999999999999999999999999999999",
        "2025-06-10",
        "2025-02-30",
        "0000-01-01",
        "+262142-12-31",
        "-262143-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59-23:59",
        "2025-06-10T09:15:60",
        "\0",
        "\u{202e}",
        "\u{feff}",
        "é",
        "'; DROP TABLE orders;--",
        "=HYPERLINK()",
        "\"",
        "a,b",
        "\r",
        "@",
        "NFO@@options@@@",
    ]);
    prop_oneof![
        8 => known.prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (200..70_000_usize).prop_map(|length| "9".repeat(length)),
    ]
}

fn read_tradebook(text: &str) -> Parsed {
    let arguments = tradebook::Arguments {
        file: PathBuf::new(),
        account: "a".to_owned(),
        org: None,
        strategy: None,
        product: None,
    };
    tradebook::parse(text, &Account::new("o", "a"), &arguments)
}

/// Rows of single executions, two of them to an order.
fn tradebook_rows(count: usize) -> Vec<Vec<String>> {
    let row = |row: usize| {
        let (trade, order) = (row.to_string(), (row / 2).to_string());
        [
            "SBIN",
            "INE062A01020",
            "2025-06-10",
            "NSE",
            "EQ",
            "EQ",
            "buy",
            "false",
            "4",
            "800.5",
            &trade,
            &order,
            "2025-06-10T09:15:30",
            "",
        ]
        .map(str::to_owned)
        .to_vec()
    };
    (0..count).map(row).collect()
}

fn csv_of(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADS).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn json_line(number: usize) -> Map<String, Value> {
    let line = json!({
        "pseudo_account": "a", "exchange": "NFO", "symbol": "NIFTYFUT", "trade_type": "BUY", "product_type": "NRML",
        "instrument_key": "NFO@NIFTY@futures@31-DEC-2099", "quantity": 75, "filled_quantity": 75, "average_price": "100.5",
        "status": "COMPLETE", "exchange_time": "2025-06-10T04:00:00+00:00", "trade_id": number.to_string(),
        "exchange_order_id": (number / 2).to_string(), "amo": false, "trigger_price": 1.5, "pending_quantity": 0,
    });
    line.as_object().unwrap().clone()
}

/// What is loaded can be stored and counted; what is refused is named by a line that is there.
fn check(parsed: &Parsed, lines: usize) -> Result<(), TestCaseError> {
    match parsed {
        Ok(orders) => {
            for order in orders {
                prop_assert!((1900..2200).contains(&order.day.year()), "{}", order.day);
                for fill in &order.fills {
                    prop_assert!(
                        fill.quantity > Decimal::ZERO
                            && fill.price > Decimal::ZERO
                            && fill.price <= PRICE_MAX
                    );
                    prop_assert!((1900..2200).contains(&ist::day_of(fill.at).year()));
                }
                let filled = order.columns["filled_quantity"].as_f64().unwrap();
                prop_assert!((0.0..2_147_483_648.0).contains(&filled), "{filled}");
                let texts = order.columns.values().chain([]).filter_map(Value::as_str);
                prop_assert!(
                    texts.chain(order.exchange_order_id.as_deref()).all(|text| !text.contains('\0'))
                );
            }
        }
        Err(bad) => {
            prop_assert!(!bad.is_empty());
            for bad in bad {
                prop_assert!(
                    (1..=lines as u64).contains(&bad.line),
                    "line {} of {lines}: {}",
                    bad.line,
                    bad.reason
                );
                prop_assert!(!bad.reason.is_empty() && bad.reason.len() < 100_000);
            }
            prop_assert!(bad.is_sorted_by_key(|bad| bad.line));
        }
    }
    Ok(())
}

fn lines_of(text: &str) -> usize {
    // A lone carriage return ends a line of CSV too, and a record may begin where the text ends.
    text.split(['\n', '\r']).count() + 1
}

fn turned(text: &str, spoils: &[(Index, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, bits) in spoils {
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn a_tradebook_with_an_odd_cell_is_loaded_whole_or_refused_at_its_line(
        rows in 1..6_usize, row in any::<Index>(), column in 0..HEADS.len(), cell in odd(),
    ) {
        let mut rows = tradebook_rows(rows);
        let row = row.index(rows.len());
        rows[row][column] = cell;
        let text = csv_of(&rows);
        let parsed = read_tradebook(&text);
        check(&parsed, lines_of(&text))?;
        match parsed {
            Ok(orders) => {
                let fills: usize = orders.iter().map(|order| order.fills.len()).sum();
                // Two trades of one id and order are one, which the later row tells.
                let twice = column == 10 || column == 11;
                prop_assert!(fills == rows.len() || (twice && fills + 1 == rows.len()), "{fills} of {}", rows.len());
            }
            // The odd row, or the other one of its order, which it contradicts.
            Err(bad) => prop_assert!(bad.len() <= 2, "{bad:?}"),
        }
    }

    #[test]
    fn a_tradebook_of_turned_bits_is_loaded_or_refused_by_line(
        spoils in prop::collection::vec((any::<Index>(), 1..=255_u8), 1..6), cut in any::<Index>(),
    ) {
        let text = turned(&csv_of(&tradebook_rows(5)), &spoils);
        check(&read_tradebook(&text), lines_of(&text))?;
        let cut = &text[..text.floor_char_boundary(cut.index(text.len()))];
        check(&read_tradebook(cut), lines_of(cut))?;
    }

    #[test]
    fn orders_with_an_odd_field_are_loaded_whole_or_refused_at_their_line(
        lines in 1..6_usize, line in any::<Index>(), field in any::<Index>(), text in odd(), is_text in any::<bool>(),
    ) {
        let mut lines: Vec<_> = (0..lines).map(json_line).collect();
        let line = line.index(lines.len());
        let names: Vec<String> = lines[line].keys().cloned().collect();
        let name = field.get(&names).clone();
        // As a number, a list or whatever else it reads as, or as text.
        let value = serde_json::from_str(&text).ok().filter(|_| !is_text).unwrap_or(Value::String(text));
        lines[line].insert(name.clone(), value);
        let count = lines.len();
        let text: String = lines.into_iter().map(|line| format!("{}\n", Value::Object(line))).collect();
        let parsed = orders::parse(&text, "default");
        check(&parsed, count)?;
        match parsed {
            Ok(orders) => {
                let fills: usize = orders.iter().map(|order| order.fills.len()).sum();
                let twice = name == "trade_id" || name == "exchange_order_id";
                prop_assert!(fills == count || (twice && fills + 1 == count), "{fills} of {count} with another {name}");
            }
            Err(bad) => prop_assert!(bad.len() <= 2, "{bad:?}"),
        }
    }

    #[test]
    fn orders_of_turned_bits_are_loaded_or_refused_by_line(
        spoils in prop::collection::vec((any::<Index>(), 1..=255_u8), 1..6),
    ) {
        let text: String = (0..4).map(|line| format!("{}\n", Value::Object(json_line(line)))).collect();
        let text = turned(&text, &spoils);
        check(&orders::parse(&text, "default"), text.lines().count().max(1))?;
    }
}
