use ledger::{Account, Book, Input};
use serde_json::Value;

use crate::support::{Bed, generated, raghu, time};

async fn book(bed: &Bed, account: &Account) -> Book {
    let inputs = bed.storage.ledger_inputs(account).await.unwrap();
    ledger::generate(&Input {
        fills: &inputs.fills,
        opening_lots: &inputs.opening_lots,
        corporate_actions: &inputs.corporate_actions,
        instruments: &inputs.instruments,
        holidays: &inputs.holidays,
        as_of: time("2025-06-18T12:00:00Z"),
    })
    .unwrap()
}

/// What no book says.
fn without_storage_columns(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        (row["id"], row["timestamp"]) = (Value::Null, Value::Null);
    }
    rows
}

#[tokio::test]
async fn a_book_as_rows_is_what_storing_it_leaves_in_adopted_tables_and_writes_nothing() {
    let Some(bed) = Bed::adopted().await else { return };
    let account = raghu();
    let book = book(&bed, &account).await;
    bed.sql("DELETE FROM tradingdb.positions; DELETE FROM tradingdb.holdings");
    let lease = bed.lease(&account, "job-1").await;
    bed.storage.store_book(&lease, &generated(&book)).await.unwrap();
    let view = bed.storage.account_view(&account).await.unwrap();
    let tables = ["positions", "holdings", "orders", "account_sync_state", "account_instruments"];
    let before = bed.dump(&tables);
    let rows = bed.storage.rows_of_book(&account, &book).await.unwrap();
    assert_eq!(bed.dump(&tables), before);
    assert!(!rows.positions.is_empty() && !rows.holdings.is_empty());
    assert_eq!(rows.positions[0]["stock_broker"], "ZERODHA");
    assert_eq!(without_storage_columns(&view.positions), rows.positions);
    assert_eq!(without_storage_columns(&view.holdings), rows.holdings);
}
