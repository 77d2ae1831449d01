use std::collections::BTreeSet;

use ledger::{Account, Book, Holding, Position, Withheld};
use rust_decimal::Decimal;
use storage::{Lease, StoredRows};

use crate::support::{Bed, SBIN, decimal, empty_book, generated, raghu};

const TCS: &str = "NSE@TCS@equities";

/// Ten bought at 311.05; no last price is known.
pub(crate) fn position(instrument_key: &str) -> Position {
    Position {
        exchange: "NSE".into(),
        symbol: instrument_key.split('@').nth(1).unwrap().into(),
        instrument_key: instrument_key.into(),
        product: "CNC".into(),
        buy_quantity: Decimal::TEN,
        buy_avg_price: decimal("311.05"),
        buy_value: decimal("3110.5"),
        sell_quantity: Decimal::ZERO,
        sell_avg_price: Decimal::ZERO,
        sell_value: Decimal::ZERO,
        net_quantity: Decimal::TEN,
        net_value: decimal("-3110.5"),
        overnight_quantity: Decimal::ZERO,
        multiplier: Decimal::ONE,
        ltp: None,
        pnl: None,
        mtm: None,
        realised_pnl: Decimal::ZERO,
        unrealised_pnl: None,
        direction: "BUY",
        category: "NET",
        state: "OPEN",
        strategy_id: None,
    }
}

fn holding(instrument_key: &str, isin: Option<&str>) -> Holding {
    Holding {
        exchange: "NSE".into(),
        symbol: instrument_key.split('@').nth(1).unwrap().into(),
        isin: isin.map(str::to_owned),
        quantity: decimal("7"),
        totalqty: decimal("7"),
        t1_qty: Decimal::ZERO,
        product: "CNC".into(),
        avg_price: decimal("0.1234567891"),
        ltp: None,
        currentvalue: None,
        pnl: None,
        instrument_key: instrument_key.into(),
        strategy_id: Some("swing-1".into()),
    }
}

fn book(positions: Vec<Position>, holdings: Vec<Holding>) -> Book {
    Book { positions, holdings, ..empty_book() }
}

async fn store(bed: &Bed, lease: &Lease, book: &Book) -> StoredRows {
    bed.storage.store_book(lease, &generated(book)).await.unwrap()
}

#[tokio::test]
async fn a_book_is_stored_with_its_exact_digits() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let stored =
        store(&bed, &lease, &book(vec![position(SBIN)], vec![holding(SBIN, Some("INE062A01020"))])).await;
    assert_eq!(
        stored,
        StoredRows { positions: 1, holdings: 1, discrepancies: "[]".to_owned(), discrepancies_total: 0 }
    );
    let position =
        "SELECT organization_id, pseudo_account, instrument_key, type, buy_quantity, buy_avg_price,
                    net_value, multiplier, ltp IS NULL, state FROM tradingdb.positions";
    assert_eq!(bed.sql(position), format!("default|Raghu|{SBIN}|CNC|10|311.05|-3110.5|1|t|OPEN"));
    let holding = "SELECT isin, quantity, totalqty, t1_qty, avg_price, strategy_id FROM tradingdb.holdings";
    assert_eq!(bed.sql(holding), "INE062A01020|7|7|0|0.1234567891|swing-1");
    let again = bed.lease(&raghu(), "job").await;
    assert!(again.last_generation_at.is_some());
}

#[tokio::test]
async fn unchanged_rows_keep_their_id_and_time_and_changed_ones_their_id() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let (one, mut two) = (position(SBIN), position(TCS));
    let owned = holding(SBIN, None);
    store(&bed, &lease, &book(vec![one.clone(), two.clone()], vec![owned.clone()])).await;
    // Where a row lies says that it was not even rewritten with the same values.
    let seen = |key: &str| {
        bed.sql(&format!(
            "SELECT id, \"timestamp\", ctid FROM tradingdb.positions WHERE instrument_key = '{key}'"
        ))
    };
    let id =
        |key: &str| bed.sql(&format!("SELECT id FROM tradingdb.positions WHERE instrument_key = '{key}'"));
    let holdings = || bed.sql("SELECT id, \"timestamp\", ctid FROM tradingdb.holdings");
    let before = (seen(SBIN), id(TCS), seen(TCS), holdings());

    two.buy_value = decimal("3110.6");
    store(&bed, &lease, &book(vec![one, two], vec![owned])).await;
    assert_eq!((seen(SBIN), id(TCS), holdings()), (before.0, before.1, before.3));
    assert_ne!(seen(TCS), before.2);
    assert_eq!(
        bed.sql(&format!("SELECT buy_value FROM tradingdb.positions WHERE instrument_key = '{TCS}'")),
        "3110.6"
    );
}

#[tokio::test]
async fn rows_that_vanished_are_deleted_and_those_of_others_are_not() {
    let bed = Bed::migrated().await;
    let others = [Account::new("acme", "Raghu"), Account::new("default", "Sita")];
    let full = book(vec![position(SBIN), position(TCS)], vec![holding(SBIN, None), holding(TCS, None)]);
    for account in others.iter().chain([&raghu()]) {
        let lease = bed.lease(account, &format!("job of {account}")).await;
        store(&bed, &lease, &full).await;
    }
    let lease = bed.lease(&raghu(), "job of default/Raghu").await;
    let counts = || {
        bed.sql(
            "SELECT (SELECT count(*) FROM tradingdb.positions), (SELECT count(*) FROM tradingdb.holdings)",
        )
    };
    assert_eq!(counts(), "6|6");
    store(&bed, &lease, &book(vec![position(TCS)], vec![holding(SBIN, None)])).await;
    assert_eq!(counts(), "5|5");
    assert_eq!(
        store(&bed, &lease, &empty_book()).await,
        StoredRows { positions: 0, holdings: 0, discrepancies: "[]".to_owned(), discrepancies_total: 0 }
    );
    assert_eq!(counts(), "4|4");
}

#[tokio::test]
async fn an_unknown_price_never_replaces_a_known_one() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let (mut known, mut owned) = (position(SBIN), holding(SBIN, None));
    known.ltp = Some(decimal("320.5"));
    known.pnl = Some(decimal("94.5"));
    known.mtm = Some(decimal("94.5"));
    known.unrealised_pnl = Some(decimal("94.5"));
    owned.ltp = Some(decimal("320.5"));
    owned.currentvalue = Some(decimal("2243.5"));
    owned.pnl = Some(decimal("66.15"));
    store(&bed, &lease, &book(vec![known], vec![owned])).await;
    let shown = || {
        bed.sql(
            "SELECT p.ltp, p.pnl, p.mtm, p.unrealised_pnl, h.ltp, h.currentvalue, h.pnl
                 FROM tradingdb.positions p, tradingdb.holdings h",
        )
    };
    assert_eq!(shown(), "320.5|94.5|94.5|94.5|320.5|2243.5|66.15");
    // Also when another column changes, and for a price that somebody else wrote.
    bed.sql("UPDATE tradingdb.positions SET ltp = 321");
    let (mut unknown, mut owned) = (position(SBIN), holding(SBIN, None));
    unknown.realised_pnl = decimal("1");
    owned.t1_qty = decimal("1");
    store(&bed, &lease, &book(vec![unknown], vec![owned])).await;
    assert_eq!(shown(), "321|94.5|94.5|94.5|320.5|2243.5|66.15");
    assert_eq!(bed.sql("SELECT realised_pnl FROM tradingdb.positions"), "1");
}

#[tokio::test]
async fn withheld_instruments_keep_their_last_rows() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let isin = Some("INE062A01020");
    // The holding once went by the key of another exchange.
    let full = book(
        vec![position(SBIN), position(TCS)],
        vec![holding("BSE@SBIN@equities", isin), holding(TCS, None)],
    );
    store(&bed, &lease, &full).await;
    let mut next = empty_book();
    next.withheld
        .push(Withheld { isin: isin.map(str::to_owned), instrument_keys: BTreeSet::from([SBIN.to_owned()]) });
    store(&bed, &lease, &next).await;
    assert_eq!(bed.sql("SELECT instrument_key FROM tradingdb.positions"), SBIN);
    assert_eq!(bed.sql("SELECT isin FROM tradingdb.holdings"), "INE062A01020");
}

#[tokio::test]
async fn twins_that_the_replaced_system_left_become_one_row() {
    let bed = Bed::migrated().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.symbols VALUES ('{SBIN}', 'SBIN');
         INSERT INTO tradingdb.positions (organization_id, pseudo_account, exchange, instrument_key, type, ltp)
         VALUES (NULL, 'Raghu', 'NSE', '{SBIN}', 'CNC', 300), (NULL, 'Raghu', 'NSE', '{SBIN}', 'CNC', 301),
                ('default', 'Raghu', 'NSE', '{SBIN}', 'CNC', 302), ('acme', 'Raghu', 'NSE', '{SBIN}', 'CNC', 303);
         INSERT INTO tradingdb.holdings (pseudo_account, instrument_key, product)
         VALUES ('Raghu', '{SBIN}', 'CNC'), ('Raghu', '{SBIN}', 'CNC')"
    ));
    let lease = bed.lease(&raghu(), "job").await;
    store(&bed, &lease, &book(vec![position(SBIN)], vec![holding(SBIN, None)])).await;
    assert_eq!(
        bed.sql("SELECT id, organization_id, ltp FROM tradingdb.positions ORDER BY id"),
        "1|default|300\n4|acme|303"
    );
    assert_eq!(bed.sql("SELECT id, organization_id, quantity FROM tradingdb.holdings"), "1|default|7");
}

#[tokio::test]
async fn double_precision_tables_take_a_book_too() {
    let Some(bed) = Bed::adopted().await else { return };
    bed.sql(
        "INSERT INTO tradingdb.positions (pseudo_account, exchange, instrument_key, type, ltp)
             VALUES ('Raghu', 'NSE', 'NSE@RELIANCE@equities', 'CNC', 2501.5)",
    );
    let lease = bed.lease(&raghu(), "job").await;
    let mut one = position("NSE@RELIANCE@equities");
    one.buy_avg_price = decimal("0.1");
    one.realised_pnl = decimal("0.3333333333");
    let rows = book(vec![one, position("NSE@NEW@equities")], vec![holding("NSE@RELIANCE@equities", None)]);
    store(&bed, &lease, &rows).await;
    let shown = "SELECT id, buy_avg_price, realised_pnl, ltp FROM tradingdb.positions ORDER BY id";
    assert_eq!(bed.sql(shown), "1|0.1|0.3333333333|2501.5\n2|311.05|0|");
    let places = || {
        bed.sql("SELECT ctid, \"timestamp\" FROM tradingdb.positions UNION ALL SELECT ctid, \"timestamp\" FROM tradingdb.holdings")
    };
    let before = places();
    store(&bed, &lease, &rows).await;
    assert_eq!(places(), before, "what reads back the same is not written again");
}

#[tokio::test]
async fn a_book_that_cannot_be_stored_changes_nothing() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    store(&bed, &lease, &book(vec![position(SBIN)], vec![holding(SBIN, None)])).await;
    let tables = ["positions", "holdings", "symbols", "account_sync_state"];
    let before = bed.dump(&tables);
    let mut half = holding(TCS, None);
    half.quantity = decimal("2147483648");
    let broken = book(vec![position(TCS)], vec![half]);
    let error = bed.storage.store_book(&lease, &generated(&broken)).await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!(bed.dump(&tables), before);
}
