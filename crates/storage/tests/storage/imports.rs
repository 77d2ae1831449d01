use std::time::{Duration, Instant};

use ledger::Account;
use serde_json::json;
use storage::{ImportSummary, ImportedFill, ImportedOrder, StorageError};

use crate::support::{Bed, SBIN, columns, decimal, imported, raghu, time};

const NOTHING: ImportSummary =
    ImportSummary { orders_new: 0, orders_changed: 0, orders_unchanged: 0, fills_new: 0 };

fn with(order: ImportedOrder, changes: serde_json::Value) -> ImportedOrder {
    ImportedOrder { columns: columns(changes), ..order }
}

fn fill(trade_id: &str, quantity: &str, price: &str, at: &str) -> ImportedFill {
    ImportedFill {
        trade_id: trade_id.into(),
        quantity: decimal(quantity),
        price: decimal(price),
        at: time(at),
    }
}

/// An order known by its executions alone, as an import of trades makes it.
fn executed(fills: Vec<ImportedFill>) -> ImportedOrder {
    let filled: rust_decimal::Decimal = fills.iter().map(|fill| fill.quantity).sum();
    let totals = json!({"quantity": filled, "filled_quantity": filled, "average_price": null,
                        "exchange_time": fills.iter().map(|fill| fill.at).max()});
    ImportedOrder { fills, ..with(imported(&raghu(), "1"), totals) }
}

fn by_line(digest: &str) -> ImportedOrder {
    ImportedOrder { exchange_order_id: None, line_digest: Some(digest.into()), ..imported(&raghu(), "") }
}

#[tokio::test]
async fn an_import_is_idempotent() {
    let bed = Bed::migrated().await;
    let orders = [
        imported(&raghu(), "1"),
        by_line("aa"),
        by_line("bb"),
        ImportedOrder {
            fills: vec![fill("7", "10", "311.05", "2025-06-10T04:00:00Z")],
            ..imported(&raghu(), "2")
        },
        imported(&Account::new("acme", "Raghu"), "1"),
        ImportedOrder { day: "2025-06-11".parse().unwrap(), ..imported(&raghu(), "1") },
        ImportedOrder { exchange: "BSE".into(), ..imported(&raghu(), "1") },
    ];
    let first = bed.storage.import_orders(&orders).await.unwrap();
    assert_eq!(first, ImportSummary { orders_new: 7, fills_new: 1, ..NOTHING });
    let tables = ["orders", "fills", "symbols", "instruments"];
    let before = bed.dump(&tables);
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.orders WHERE source = 'IMPORT'"), "7");
    for _ in 0..2 {
        let again = bed.storage.import_orders(&orders).await.unwrap();
        assert_eq!(again, ImportSummary { orders_unchanged: 7, ..NOTHING });
        assert_eq!(bed.dump(&tables), before);
    }
}

#[tokio::test]
async fn an_import_of_nothing_does_nothing() {
    let bed = Bed::migrated().await;
    assert_eq!(bed.storage.import_orders(&[]).await.unwrap(), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_import_eight_times_at_once_loads_it_once() {
    let bed = Bed::migrated().await;
    let orders: Vec<_> = (0..50).map(|id| imported(&raghu(), &id.to_string())).collect();
    let imports: Vec<_> = (0..8)
        .map(|_| {
            let (storage, orders) = (bed.storage.clone(), orders.clone());
            tokio::spawn(async move { storage.import_orders(&orders).await.unwrap().orders_new })
        })
        .collect();
    let mut new = 0;
    for import in imports {
        new += import.await.unwrap();
    }
    assert_eq!((new, bed.sql("SELECT count(*) FROM tradingdb.orders").as_str()), (50, "50"));
}

#[tokio::test]
async fn of_two_states_the_larger_filled_quantity_wins_and_the_later_import_when_equal() {
    let bed = Bed::migrated().await;
    let state = |filled: u32, status: &str| {
        with(imported(&raghu(), "1"), json!({"quantity": 100, "filled_quantity": filled, "status": status}))
    };
    let shown = || bed.sql("SELECT filled_quantity, status FROM tradingdb.orders");
    for (given, expected, summary) in [
        (state(40, "OPEN"), "40|OPEN", ImportSummary { orders_new: 1, ..NOTHING }),
        (state(100, "COMPLETE"), "100|COMPLETE", ImportSummary { orders_changed: 1, ..NOTHING }),
        (state(60, "OPEN"), "100|COMPLETE", ImportSummary { orders_unchanged: 1, ..NOTHING }),
        (state(100, "CANCELLED"), "100|CANCELLED", ImportSummary { orders_changed: 1, ..NOTHING }),
    ] {
        assert_eq!(bed.storage.import_orders(&[given]).await.unwrap(), summary, "{expected}");
        assert_eq!(shown(), expected);
    }
}

#[tokio::test]
async fn what_an_import_does_not_say_stays() {
    let bed = Bed::migrated().await;
    let full =
        json!({"price": 312, "strategy_id": "swing-1", "isin": "INE062A01020", "status_message": "ok"});
    bed.storage.import_orders(&[with(imported(&raghu(), "1"), full)]).await.unwrap();
    let less = json!({"status": null, "average_price": null, "exchange_time": null});
    bed.storage.import_orders(&[with(imported(&raghu(), "1"), less)]).await.unwrap();
    let shown = "SELECT price, strategy_id, isin, status_message, status, average_price,
                 exchange_time AT TIME ZONE 'UTC' FROM tradingdb.orders";
    assert_eq!(bed.sql(shown), "312|swing-1|INE062A01020|ok|COMPLETE|311.05|2025-06-10 04:00:00");
}

#[tokio::test]
async fn executions_add_up_and_the_average_is_weighted_by_quantity() {
    let bed = Bed::migrated().await;
    let shown = || {
        bed.sql("SELECT filled_quantity, quantity, average_price, exchange_time AT TIME ZONE 'UTC' FROM tradingdb.orders")
    };
    let first = executed(vec![
        fill("7", "10", "100", "2025-06-10T04:00:00Z"),
        fill("8", "5", "103", "2025-06-10T04:00:02Z"),
    ]);
    assert_eq!(
        bed.storage.import_orders(&[first]).await.unwrap(),
        ImportSummary { orders_new: 1, fills_new: 2, ..NOTHING }
    );
    assert_eq!(shown(), "15|15|101.0000000000|2025-06-10 04:00:02");
    // Another file brings the rest, and one of the first again.
    let rest = executed(vec![
        fill("8", "5", "103", "2025-06-10T04:00:02Z"),
        fill("9", "5", "109", "2025-06-10T04:00:01Z"),
    ]);
    let summary = bed.storage.import_orders(&[rest]).await.unwrap();
    assert_eq!((summary.orders_new, summary.fills_new), (0, 1));
    assert_eq!(shown(), "20|20|103.0000000000|2025-06-10 04:00:02");
    assert_eq!(bed.sql("SELECT count(*), sum(quantity) FROM tradingdb.fills"), "3|20");
}

#[tokio::test]
async fn the_same_execution_again_replaces_the_earlier() {
    let bed = Bed::migrated().await;
    let at = "2025-06-10T04:00:00Z";
    bed.storage
        .import_orders(&[executed(vec![fill("7", "10", "100", at), fill("8", "10", "200", at)])])
        .await
        .unwrap();
    let corrected = executed(vec![fill("7", "10", "110", at)]);
    assert_eq!(bed.storage.import_orders(&[corrected]).await.unwrap().fills_new, 0);
    assert_eq!(
        bed.sql("SELECT trade_id, quantity, price FROM tradingdb.fills ORDER BY 1"),
        "7|10|110\n8|10|200"
    );
    assert_eq!(bed.sql("SELECT filled_quantity, average_price FROM tradingdb.orders"), "20|155.0000000000");
    // Within one import the later of two wins.
    let twice = executed(vec![fill("7", "10", "120", at), fill("7", "10", "130", at)]);
    bed.storage.import_orders(&[twice]).await.unwrap();
    assert_eq!(bed.sql("SELECT price FROM tradingdb.fills WHERE trade_id = '7'"), "130");
}

#[tokio::test]
async fn an_order_of_the_replaced_system_is_updated_and_not_doubled() {
    let Some(bed) = Bed::adopted().await else { return };
    // 12 of 20 were filled, by the legacy row; in IST it is still 12 June.
    let m_and_m = ImportedOrder {
        day: "2025-06-12".parse().unwrap(),
        ..with(
            imported(&raghu(), "1100000000004"),
            json!({"symbol": "M&M", "instrument_key": "NSE@M&M@equities", "quantity": 20, "filled_quantity": 20,
                   "average_price": 2998.45, "exchange_time": "2025-06-12T07:00:05Z"}),
        )
    };
    let summary = bed.storage.import_orders(std::slice::from_ref(&m_and_m)).await.unwrap();
    assert_eq!(summary, ImportSummary { orders_changed: 1, ..NOTHING });
    let shown = "SELECT id, filled_quantity, average_price FROM tradingdb.orders WHERE exchange_order_id = '1100000000004'";
    assert_eq!(bed.sql(shown), "4|20|2998.45");
    let again = bed.storage.import_orders(std::slice::from_ref(&m_and_m)).await.unwrap();
    assert_eq!(again, ImportSummary { orders_unchanged: 1, ..NOTHING });
    // The same id on another day, exchange or in another organization is another order.
    let others = [
        ImportedOrder { day: "2025-06-13".parse().unwrap(), ..m_and_m.clone() },
        ImportedOrder { exchange: "BSE".into(), ..m_and_m.clone() },
        ImportedOrder { account: Account::new("acme", "Raghu"), ..m_and_m },
    ];
    assert_eq!(bed.storage.import_orders(&others).await.unwrap().orders_new, 3);
}

#[tokio::test]
async fn executions_of_an_order_of_the_replaced_system_are_taken_in() {
    let Some(bed) = Bed::adopted().await else { return };
    let order = ImportedOrder {
        exchange_order_id: Some("1100000000001".into()),
        ..executed(vec![
            fill("1", "4", "2499", "2025-06-10T04:00:00Z"),
            fill("2", "6", "2500.5", "2025-06-10T04:00:00Z"),
        ])
    };
    let summary = bed.storage.import_orders(&[order]).await.unwrap();
    assert_eq!((summary.orders_new, summary.fills_new), (0, 2));
    let shown = "SELECT filled_quantity, average_price FROM tradingdb.orders WHERE exchange_order_id = '1100000000001'";
    assert_eq!(bed.sql(shown), "10|2499.9");
}

#[tokio::test]
async fn the_symbols_and_instruments_of_orders_are_there_before_them() {
    let bed = Bed::migrated().await;
    bed.sql(&format!("INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, multiplier) VALUES ('{SBIN}', 'NSE', 'SBIN', 3)"));
    let key = "NFO@NIFTY@options@26-JUN-2025@call@25000";
    let option = json!({"exchange": "NFO", "symbol": "NIFTY25JUN25000CE", "instrument_key": key,
                        "expiry": "2025-06-26", "strike": 25000, "option_type": "call"});
    let share = json!({"isin": "INE062A01020"});
    let orders = [
        with(imported(&raghu(), "1"), share),
        ImportedOrder { exchange: "NFO".into(), ..with(imported(&raghu(), "2"), option) },
    ];
    bed.storage.import_orders(&orders).await.unwrap();
    assert_eq!(
        bed.sql("SELECT * FROM tradingdb.symbols ORDER BY 1"),
        format!("{key}|NIFTY25JUN25000CE\n{SBIN}|SBIN")
    );
    let shown = "SELECT isin, expiry, strike, option_type, multiplier FROM tradingdb.instruments ORDER BY instrument_key";
    assert_eq!(bed.sql(shown), "|2025-06-26|25000|call|\nINE062A01020||||3");
}

#[tokio::test]
async fn ten_thousand_orders_take_seconds() {
    let bed = Bed::migrated().await;
    let orders: Vec<_> = (0..10_000)
        .map(|id| ImportedOrder {
            fills: vec![fill(&id.to_string(), "10", "311.05", "2025-06-10T04:00:00Z")],
            ..imported(&raghu(), &id.to_string())
        })
        .collect();
    for expected in [
        ImportSummary { orders_new: 10_000, fills_new: 10_000, ..NOTHING },
        ImportSummary { orders_unchanged: 10_000, ..NOTHING },
    ] {
        let begun = Instant::now();
        assert_eq!(bed.storage.import_orders(&orders).await.unwrap(), expected);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}

#[tokio::test]
async fn one_bad_row_loads_nothing() {
    let bed = Bed::migrated().await;
    // In the second batch, so that the first is undone as well.
    for broken in [json!({"quantity": null}), json!({"quantity": "many"}), json!({"exchange_time": "soon"})] {
        let mut orders: Vec<_> = (0..2500)
            .map(|id| ImportedOrder {
                fills: vec![fill("1", "10", "311.05", "2025-06-10T04:00:00Z")],
                ..imported(&raghu(), &id.to_string())
            })
            .collect();
        orders[2400].columns = columns(broken);
        let error = bed.storage.import_orders(&orders).await.unwrap_err();
        assert!(matches!(error, StorageError::Rejected(_)), "{error:?}");
        let counts = "SELECT (SELECT count(*) FROM tradingdb.orders), (SELECT count(*) FROM tradingdb.fills),
                             (SELECT count(*) FROM tradingdb.symbols), (SELECT count(*) FROM tradingdb.instruments)";
        assert_eq!(bed.sql(counts), "0|0|0|0");
    }
}
