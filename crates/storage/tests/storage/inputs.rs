use ledger::{Account, Side};
use rust_decimal::Decimal;
use storage::LedgerInputs;

use crate::support::{Bed, SBIN, decimal, raghu, time};

/// One filled order of Raghu's with its fills unknown, one that is open, and one of somebody else.
pub(crate) async fn bed() -> Bed {
    let bed = Bed::migrated().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.symbols VALUES ('{SBIN}', 'SBIN');
         INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin) VALUES ('{SBIN}', 'NSE', 'SBIN', 'INE062A01020');
         INSERT INTO tradingdb.orders (pseudo_account, exchange, symbol, instrument_key, trade_type, product_type,
                quantity, filled_quantity, average_price, status, variety, exchange_order_id, exchange_time)
         VALUES ('Raghu', 'NSE', 'SBIN', '{SBIN}', 'BUY', 'CNC', 10, 10, 311.05, 'COMPLETE', 'REGULAR', '1', '2025-06-10 04:00:00+00'),
                ('Raghu', 'NSE', 'SBIN', '{SBIN}', 'BUY', 'CNC', 10, 0, 0, 'OPEN', 'REGULAR', '2', '2025-06-10 04:01:00+00'),
                ('Sita', 'NSE', 'SBIN', '{SBIN}', 'BUY', 'CNC', 10, 10, 311.05, 'COMPLETE', 'REGULAR', '3', '2025-06-10 04:00:00+00')"
    ));
    bed
}

async fn inputs(bed: &Bed) -> LedgerInputs {
    bed.storage.ledger_inputs(&raghu()).await.unwrap()
}

#[tokio::test]
async fn an_order_without_fills_counts_by_its_row() {
    let bed = bed().await;
    let found = inputs(&bed).await;
    assert_eq!(found.fills.len(), 1);
    let fill = &found.fills[0];
    assert_eq!((fill.quantity, fill.price, fill.side), (Decimal::TEN, Some(decimal("311.05")), Side::Buy));
    assert_eq!((fill.at, fill.trade_id.as_deref()), (time("2025-06-10T04:00:00Z"), None));
    assert_eq!(fill.order_id.as_deref(), Some("1"));
    assert_eq!(found.instruments.len(), 1);
}

#[tokio::test]
async fn an_order_with_fills_counts_by_them() {
    let bed = bed().await;
    bed.sql(
        "INSERT INTO tradingdb.fills VALUES (1, '7', 4, 311.0, '2025-06-10 03:59:00+00'), (1, '8', 5, 311.1, '2025-06-10 03:59:30+00')",
    );
    let found = inputs(&bed).await;
    let fills: Vec<_> = (found.fills.iter())
        .map(|fill| {
            (fill.trade_id.as_deref().unwrap(), fill.quantity, fill.price.unwrap().normalize(), fill.at)
        })
        .collect();
    assert_eq!(
        fills,
        [
            ("7", decimal("4"), decimal("311"), time("2025-06-10T03:59:00Z")),
            ("8", decimal("5"), decimal("311.1"), time("2025-06-10T03:59:30Z")),
        ]
    );
}

#[tokio::test]
async fn a_filled_quantity_counts_whatever_the_status() {
    let bed = bed().await;
    for status in ["'CANCELLED'", "'REJECTED'", "NULL", "'Partially Filled'"] {
        bed.sql(&format!("UPDATE tradingdb.orders SET status = {status}, filled_quantity = 3 WHERE id = 2"));
        assert_eq!(inputs(&bed).await.fills.len(), 2, "{status}");
    }
}

#[tokio::test]
async fn sides_are_read_in_any_case_and_an_unreadable_one_is_reported() {
    let bed = bed().await;
    for (text, side) in [("buy", Side::Buy), ("Sell", Side::Sell), ("SELL", Side::Sell), (" buy ", Side::Buy)]
    {
        bed.sql(&format!("UPDATE tradingdb.orders SET trade_type = '{text}' WHERE id = 1"));
        assert_eq!(inputs(&bed).await.fills[0].side, side, "{text}");
    }
    for text in ["'HOLD'", "NULL", "''"] {
        bed.sql(&format!("UPDATE tradingdb.orders SET trade_type = {text}"));
        let found = inputs(&bed).await;
        assert!(found.fills.is_empty(), "{text}");
        assert_eq!(found.unreadable_orders, [1], "{text}: the open one has nothing to count");
    }
}

#[tokio::test]
async fn impossible_prices_of_double_precision_columns_are_no_price() {
    let Some(bed) = Bed::adopted().await else { return };
    let of_first = async || {
        inputs(&bed)
            .await
            .fills
            .into_iter()
            .find(|fill| fill.order_id.as_deref() == Some("1100000000001"))
            .unwrap()
    };
    assert_eq!(
        of_first().await.price.unwrap().normalize(),
        decimal("2499.55"),
        "the shortest decimal, not the binary one"
    );
    for price in ["'NaN'", "'Infinity'", "'-Infinity'", "0", "NULL", "1e300"] {
        bed.sql(&format!("UPDATE tradingdb.orders SET average_price = {price} WHERE id = 1"));
        let fill = of_first().await;
        assert_eq!((fill.price, fill.quantity), (None, Decimal::TEN), "{price}");
    }
    for (price, expected) in
        [("0.1", "0.1"), ("1e-7", "0.0000001"), ("-37.63", "-37.63"), ("123456789.05", "123456789.05")]
    {
        bed.sql(&format!("UPDATE tradingdb.orders SET average_price = {price} WHERE id = 1"));
        assert_eq!(of_first().await.price.unwrap().normalize(), decimal(expected));
    }
}

#[tokio::test]
async fn rows_with_nothing_but_what_the_table_demands_are_read() {
    let bed = Bed::migrated().await;
    bed.sql("INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, trade_type) VALUES ('Raghu', 'REGULAR', 5, 5, 'BUY')");
    let found = inputs(&bed).await;
    assert_eq!((found.fills.len(), found.fills[0].price), (1, None));
}

#[tokio::test]
async fn rows_of_no_organization_belong_to_the_default_one_only() {
    let bed = bed().await;
    assert_eq!(bed.storage.ledger_inputs(&Account::new("acme", "Raghu")).await.unwrap().fills.len(), 0);
    bed.sql("UPDATE tradingdb.orders SET organization_id = 'acme' WHERE id = 1");
    assert_eq!(bed.storage.ledger_inputs(&Account::new("acme", "Raghu")).await.unwrap().fills.len(), 1);
    assert!(inputs(&bed).await.fills.is_empty());
}
