use std::collections::BTreeSet;

use ledger::Name;
use sqlx::{AssertSqlSafe, Connection as _};
use storage::{LeaseAnswer, LeaseRequest, LedgerChanges, LedgerState, NewFamily};

use crate::inputs::bed;
use crate::support::{Bed, SBIN, empty_book, generated, raghu, request};

async fn changes(bed: &Bed) -> LedgerChanges {
    let (mut reader, state) = bed.storage.ledger_reader(&raghu()).await.unwrap();
    let changes = reader.changes(&state).await.unwrap();
    reader.end().await.unwrap();
    changes
}

/// As a generation leaves it that took in all there is: one family, of SBIN.
async fn take_in(bed: &Bed) {
    let (mut reader, state) = bed.storage.ledger_reader(&raghu()).await.unwrap();
    let changes = reader.changes(&state).await.unwrap();
    reader.end().await.unwrap();
    store(bed, &changes, &state).await;
}

async fn store(bed: &Bed, changes: &LedgerChanges, state: &LedgerState) {
    let names = [Name::Key(SBIN.to_owned()), Name::Isin("INE062A01020".to_owned())];
    let family = NewFamily {
        id: None,
        strategy_id: String::new(),
        names: BTreeSet::from(names),
        is_live: true,
        last_day: None,
        odd_days: BTreeSet::new(),
        ledger: "{}".to_owned(),
        findings: "[]".to_owned(),
        rows: None,
    };
    let book = empty_book();
    let families = [family];
    let rows = storage::GeneratedRows {
        changes: &changes.ids,
        snapshot: &state.snapshot,
        families: &families,
        ..generated(&book)
    };
    let lease = bed.lease(&raghu(), "job").await;
    bed.storage.store_book(&lease, &rows).await.unwrap();
}

#[tokio::test]
async fn what_is_committed_after_a_look_at_the_state_is_read_with_its_change_or_left_to_the_next() {
    let bed = bed().await;
    take_in(&bed).await;
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 9 WHERE id = 1");
    let looked = bed.storage.ledger_state(&raghu()).await.unwrap();
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 8 WHERE id = 1");
    bed.sql(
        "INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, factor)
         VALUES ('INE062A01020', 'split', '2025-01-01', 2)",
    );

    let (mut reader, state) = bed.storage.ledger_reader_after(&raghu(), looked.clone()).await.unwrap();
    let read = reader.changes(&state).await.unwrap();
    reader.end().await.unwrap();
    assert_eq!(read.ids.len(), looked.changes.len() + 1);
    assert_eq!(read.ids, state.changes);
    assert!(read.reference.is_empty() && state.now > looked.now && state.snapshot == looked.snapshot);
    store(&bed, &read, &state).await;
    let next = changes(&bed).await;
    assert!(next.ids.is_empty());
    assert!(next.reference.contains(&Name::Isin("INE062A01020".to_owned())), "{next:?}");
}

#[tokio::test]
async fn the_lease_of_a_free_account_tells_what_is_new_as_a_look_does() {
    let bed = bed().await;
    let account = raghu();
    take_in(&bed).await;
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 9 WHERE id = 1");
    bed.sql("UPDATE tradingdb.account_sync_state SET lease_job = NULL, lease_expires_at = NULL");
    let asked = LeaseRequest { redelivered: false, ..request(&account, "next") };
    let LeaseAnswer::Taken(lease) = bed.storage.lease_account(&asked).await.unwrap() else {
        panic!("nobody has it")
    };
    let told = *lease.state.expect("it was free");
    let looked = bed.storage.ledger_state(&account).await.unwrap();
    assert_eq!(told.changes.len(), 1);
    assert!(told.now < looked.now);
    let same = LedgerState { now: looked.now, snapshot: looked.snapshot.clone(), ..told };
    assert_eq!(format!("{same:?}"), format!("{looked:?}"));
}

#[tokio::test]
async fn whatever_a_book_is_made_of_is_noticed_when_it_changes_and_once() {
    let bed = bed().await;
    take_in(&bed).await;
    for change in [
        "UPDATE tradingdb.orders SET average_price = 311.06 WHERE id = 1",
        "UPDATE tradingdb.orders SET filled_quantity = 9 WHERE id = 1",
        "UPDATE tradingdb.orders SET filled_quantity = 1 WHERE id = 2",
        "UPDATE tradingdb.orders SET exchange_time = '2025-06-11 04:00:00+00' WHERE id = 1",
        "UPDATE tradingdb.orders SET trade_type = 'SELL' WHERE id = 1",
        "UPDATE tradingdb.orders SET trade_type = 'HOLD' WHERE id = 1",
        "UPDATE tradingdb.orders SET product_type = 'MIS' WHERE id = 1",
        "UPDATE tradingdb.orders SET symbol = 'SBI' WHERE id = 1",
        "UPDATE tradingdb.orders SET isin = 'INE062A01020' WHERE id = 1",
        "UPDATE tradingdb.orders SET strategy_id = 'swing-1' WHERE id = 1",
        "UPDATE tradingdb.orders SET exchange = 'BSE' WHERE id = 1",
        "UPDATE tradingdb.orders SET exchange_order_id = '4' WHERE id = 1",
        "UPDATE tradingdb.orders SET id = 101 WHERE id = 1",
        "UPDATE tradingdb.orders SET pseudo_account = 'Raghu' WHERE id = 3",
        "UPDATE tradingdb.orders SET organization_id = 'acme' WHERE id = 101",
        "INSERT INTO tradingdb.fills VALUES (2, '7', 1, 311, '2025-06-10 04:00:00+00')",
        "UPDATE tradingdb.fills SET price = 312",
        "UPDATE tradingdb.fills SET quantity = 0.5",
        "UPDATE tradingdb.fills SET at = '2025-06-10 04:00:01+00'",
        "DELETE FROM tradingdb.fills",
        "UPDATE tradingdb.instruments SET multiplier = 10",
        "UPDATE tradingdb.instruments SET expiry = '2025-06-26'",
        "DELETE FROM tradingdb.instruments",
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol) VALUES ('NSE@SBIN@equities', 'NSE', 'SBIN')",
        "INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, product,
             quantity, price, opened_at) VALUES ('default', 'Raghu', 'NSE@TCS@equities', 'NSE', 'TCS', 'CNC', 5, 3000, '2025-01-01')",
        "UPDATE tradingdb.opening_lots SET quantity = 6",
        "DELETE FROM tradingdb.opening_lots",
        "INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, factor) VALUES ('INE062A01020', 'split', '2025-06-11', 10)",
        "UPDATE tradingdb.corporate_actions SET factor = 5",
        "UPDATE tradingdb.corporate_actions SET isin = 'INE0', new_isin = 'INE062A01020'",
        "TRUNCATE tradingdb.corporate_actions",
        "INSERT INTO tradingdb.market_holidays (exchange, date) VALUES ('NSE', '2025-06-12')",
        "DELETE FROM tradingdb.market_holidays WHERE exchange = 'NSE' AND date = '2025-06-12'",
        "SET session_replication_role = replica; UPDATE tradingdb.orders SET filled_quantity = 4 WHERE id = 2",
        "SET search_path = ''; UPDATE tradingdb.orders SET filled_quantity = 5 WHERE id = 2",
        "DELETE FROM tradingdb.orders WHERE id = 2",
        "TRUNCATE tradingdb.orders, tradingdb.fills",
    ] {
        assert!(changes(&bed).await.is_empty(), "before {change}");
        bed.sql(change);
        assert!(!changes(&bed).await.is_empty(), "{change}");
        take_in(&bed).await;
    }
}

#[tokio::test]
async fn what_no_book_is_made_of_is_no_change() {
    let bed = bed().await;
    take_in(&bed).await;
    for change in [
        "SELECT 1",
        "UPDATE tradingdb.orders SET status = 'Complete', status_message = 'x', comments = 'y', modified_time = now()",
        "UPDATE tradingdb.orders SET average_price = 311.0500 WHERE id = 1",
        "UPDATE tradingdb.orders SET price = 300, exchange_time = now(), quantity = 11 WHERE id = 2",
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, trade_type, status) VALUES ('Raghu', 'REGULAR', 1, 'BUY', 'OPEN')",
        "UPDATE tradingdb.orders SET average_price = 1 WHERE pseudo_account = 'Sita'",
        "INSERT INTO tradingdb.fills VALUES (3, '7', 1, 311, '2025-06-10 04:00:00+00')",
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol) VALUES ('NSE@TCS@equities', 'NSE', 'TCS')",
        "UPDATE tradingdb.instruments SET lot_size = 5",
        "INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, product,
             quantity, price, opened_at) VALUES ('acme', 'Raghu', 'NSE@TCS@equities', 'NSE', 'TCS', 'CNC', 5, 3000, '2025-01-01')",
        "INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, factor) VALUES ('INE1', 'split', '2025-06-11', 10)",
        "INSERT INTO tradingdb.market_holidays (exchange, date) VALUES ('MCX', '2025-06-12')",
        "VACUUM FULL tradingdb.orders",
    ] {
        bed.sql(change);
        assert!(changes(&bed).await.is_empty(), "{change}");
    }
}

#[tokio::test]
async fn an_order_that_appears_is_told_apart_from_one_that_changes() {
    let bed = bed().await;
    take_in(&bed).await;
    let insert = |id: u32, filled: u32| {
        bed.sql(&format!(
            "INSERT INTO tradingdb.orders (id, pseudo_account, variety, quantity, filled_quantity, trade_type, instrument_key)
             VALUES ({id}, 'Raghu', 'REGULAR', 9, {filled}, 'BUY', '{SBIN}')"
        ));
    };
    insert(11, 3);
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 5 WHERE id = 11");
    bed.sql("INSERT INTO tradingdb.fills VALUES (11, '1', 5, 1, now())");
    // Nothing was filled so far.
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 1 WHERE id = 2");
    insert(12, 0);
    bed.sql("INSERT INTO tradingdb.fills VALUES (12, '1', 5, 1, now())");
    let found = changes(&bed).await;
    assert_eq!(found.appeared, [2, 11, 12]);
    assert!(found.altered.is_empty() && !found.all);
    take_in(&bed).await;
    for change in [
        "UPDATE tradingdb.orders SET filled_quantity = 6 WHERE id = 11",
        "INSERT INTO tradingdb.fills VALUES (12, '2', 5, 1, now())",
        "INSERT INTO tradingdb.fills VALUES (1, '1', 5, 1, now())",
        "DELETE FROM tradingdb.orders WHERE id = 12",
    ] {
        bed.sql(change);
        let found = changes(&bed).await;
        assert_eq!(found.altered, BTreeSet::from([(String::new(), SBIN.to_owned())]), "{change}");
        assert!(found.appeared.is_empty(), "{change}");
        take_in(&bed).await;
    }
}

#[tokio::test]
async fn what_commits_while_a_generation_reads_is_there_for_the_next() {
    let bed = bed().await;
    take_in(&bed).await;
    // It gets its numbers before the generation looks, and commits after it has stored.
    let mut open = sqlx::PgConnection::connect(&bed.database.url()).await.unwrap();
    let uncommitted = format!(
        "BEGIN; INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, trade_type, instrument_key)
         VALUES ('Raghu', 'REGULAR', 9, 9, 'BUY', '{SBIN}'); UPDATE tradingdb.instruments SET multiplier = 3"
    );
    sqlx::raw_sql(AssertSqlSafe(uncommitted)).execute(&mut open).await.unwrap();
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 7 WHERE id = 1");
    assert!(!changes(&bed).await.is_empty());
    take_in(&bed).await;
    assert!(changes(&bed).await.is_empty());
    sqlx::raw_sql("COMMIT").execute(&mut open).await.unwrap();
    let found = changes(&bed).await;
    assert_eq!(found.appeared.len(), 1, "a number before the last one read, but committed after");
    assert!(found.reference.contains(&Name::Key(SBIN.to_owned())));
}

#[tokio::test]
async fn a_role_that_may_write_orders_and_nothing_else_is_noticed_too() {
    let bed = bed().await;
    take_in(&bed).await;
    let role = format!("writer_{}", std::process::id());
    bed.sql(&format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA tradingdb TO {role}; GRANT SELECT, UPDATE ON tradingdb.orders TO {role}"
    ));
    bed.sql(&format!("SET ROLE {role}; UPDATE tradingdb.orders SET filled_quantity = 7 WHERE id = 1"));
    assert!(!changes(&bed).await.is_empty());
    bed.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[tokio::test]
async fn changes_that_nobody_takes_in_are_forgotten_and_their_account_is_read_anew() {
    let bed = bed().await;
    take_in(&bed).await;
    let stale = bed.lease(&raghu(), "job").await;
    bed.storage.release_lease(&stale).await.unwrap();
    bed.sql("UPDATE tradingdb.orders SET filled_quantity = 7");
    let left = "SELECT count(*) FROM tradingdb.order_changes";
    bed.storage.delete_expired_records(30).await.unwrap();
    assert_eq!(bed.sql(left), "4", "they are of today");
    bed.sql("UPDATE tradingdb.order_changes SET at = now() - interval '31 days'");
    bed.storage.delete_expired_records(30).await.unwrap();
    assert_eq!(bed.sql(left), "2", "Raghu was generated today, so only Sita's go");
    bed.sql("UPDATE tradingdb.account_sync_state SET last_generation_at = now() - interval '31 days'");
    bed.storage.delete_expired_records(30).await.unwrap();
    assert_eq!(bed.sql(left), "0");
    assert_eq!(bed.sql("SELECT ledger_version IS NULL FROM tradingdb.account_sync_state"), "t");
    let error = bed.storage.store_book(&stale, &generated(&empty_book())).await.unwrap_err();
    assert!(matches!(error, storage::StorageError::LeaseLost), "{error:?}");
}
