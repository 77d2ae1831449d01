use ledger::{Account, OpeningLot};
use serde_json::{Value, json};
use storage::{ImportCounts, ImportedLot};

use crate::support::{Bed, SBIN, decimal, raghu, time};

const NOTHING: ImportCounts = ImportCounts { new: 0, changed: 0, unchanged: 0 };

/// Five SBIN bought at 300, with changes.
fn lot(account: &Account, changes: Value) -> ImportedLot {
    let mut columns = json!({
        "instrument_key": SBIN, "isin": "INE062A01020", "exchange": "NSE", "symbol": "SBIN", "product": "CNC",
        "quantity": 5, "price": 300, "opened_at": "2025-01-01T00:00:00Z",
    });
    let (Value::Object(columns), Value::Object(changes)) = (&mut columns, changes) else { unreachable!() };
    columns.extend(changes);
    ImportedLot { account: account.clone(), columns: std::mem::take(columns) }
}

#[tokio::test]
async fn lots_come_back_as_they_were_given_with_their_instruments() {
    let bed = Bed::migrated().await;
    let future = "NFO@NIFTY@futures@26-JUN-2025";
    let short = json!({"instrument_key": future, "isin": null, "exchange": "NFO", "symbol": "NIFTY25JUNFUT",
                       "product": "NRML", "quantity": -75, "price": 24990.05, "expiry": "2025-06-26"});
    let lots = [lot(&raghu(), json!({"quantity": 0.5})), lot(&raghu(), short)];
    assert_eq!(bed.storage.import_opening_lots(&lots).await.unwrap(), ImportCounts { new: 2, ..NOTHING });
    let found = bed.storage.ledger_inputs(&raghu()).await.unwrap();
    assert_eq!(
        found.opening_lots[0],
        OpeningLot {
            instrument_key: SBIN.into(),
            exchange: "NSE".into(),
            symbol: "SBIN".into(),
            isin: Some("INE062A01020".into()),
            product: "CNC".into(),
            quantity: decimal("0.5"),
            price: decimal("300"),
            opened_at: time("2025-01-01T00:00:00Z"),
        }
    );
    let contract = &found.opening_lots[1];
    assert_eq!(
        (contract.quantity, contract.price, contract.isin.as_deref()),
        (decimal("-75"), decimal("24990.05"), None)
    );
    assert_eq!(
        bed.sql("SELECT instrument_key, symbol, isin, expiry FROM tradingdb.instruments ORDER BY 1"),
        format!("{future}|NIFTY25JUNFUT||2025-06-26\n{SBIN}|SBIN|INE062A01020|")
    );
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.symbols"), "2");
}

#[tokio::test]
async fn two_equal_lots_are_two_and_the_same_file_again_is_none() {
    let bed = Bed::migrated().await;
    let two = [lot(&raghu(), json!({})), lot(&raghu(), json!({}))];
    assert_eq!(bed.storage.import_opening_lots(&two).await.unwrap(), ImportCounts { new: 2, ..NOTHING });
    let before = bed.dump(&["opening_lots", "instruments", "symbols"]);
    let again = bed.storage.import_opening_lots(&two).await.unwrap();
    assert_eq!(again, ImportCounts { unchanged: 2, ..NOTHING });
    assert_eq!(bed.dump(&["opening_lots", "instruments", "symbols"]), before);

    let three = [&two[..], &two[..1]].concat();
    let more = bed.storage.import_opening_lots(&three).await.unwrap();
    assert_eq!(more, ImportCounts { new: 1, unchanged: 2, ..NOTHING });
    let fewer = bed.storage.import_opening_lots(&two[..1]).await.unwrap();
    assert_eq!(fewer, ImportCounts { unchanged: 1, ..NOTHING }, "an import takes nothing away");
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.opening_lots"), "3");
}

#[tokio::test]
async fn a_lot_is_another_one_when_any_value_differs_and_not_when_only_its_spelling_does() {
    let bed = Bed::migrated().await;
    bed.storage.import_opening_lots(&[lot(&raghu(), json!({}))]).await.unwrap();
    let spelled = json!({"quantity": "5.000", "price": "3E+2", "opened_at": "2025-01-01T05:30:00+05:30"});
    let same = bed.storage.import_opening_lots(&[lot(&raghu(), spelled)]).await.unwrap();
    assert_eq!(same, ImportCounts { unchanged: 1, ..NOTHING });
    let mut lots: Vec<_> = [
        json!({"quantity": 6}),
        json!({"price": 300.01}),
        json!({"opened_at": "2025-01-01T00:00:01Z"}),
        json!({"isin": null}),
        json!({"product": "MTF"}),
        json!({"exchange": "BSE"}),
        json!({"symbol": "SBI"}),
        json!({"instrument_key": "BSE@SBIN@equities"}),
    ]
    .into_iter()
    .map(|changes| lot(&raghu(), changes))
    .collect();
    lots.push(lot(&Account::new("default", "Sita"), json!({})));
    lots.push(lot(&Account::new("acme", "Raghu"), json!({})));
    let expected = ImportCounts { new: 10, ..NOTHING };
    assert_eq!(bed.storage.import_opening_lots(&lots).await.unwrap(), expected);
    let expected = ImportCounts { unchanged: 10, ..NOTHING };
    assert_eq!(bed.storage.import_opening_lots(&lots).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lots_eight_times_at_once_are_loaded_once() {
    let bed = Bed::migrated().await;
    let lots: Vec<_> = (0..50).map(|price| lot(&raghu(), json!({"price": price / 2}))).collect();
    let imports: Vec<_> = (0..8)
        .map(|_| {
            let (storage, lots) = (bed.storage.clone(), lots.clone());
            tokio::spawn(async move { storage.import_opening_lots(&lots).await.unwrap().new })
        })
        .collect();
    let mut new = 0;
    for import in imports {
        new += import.await.unwrap();
    }
    assert_eq!((new, bed.sql("SELECT count(*) FROM tradingdb.opening_lots").as_str()), (50, "50"));
}

#[tokio::test]
async fn what_is_known_of_an_instrument_is_not_replaced_by_a_lot() {
    let bed = Bed::migrated().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin, multiplier)
         VALUES ('{SBIN}', 'NSE', 'SBIN', 'INE062A01020', 1)"
    ));
    bed.storage
        .import_opening_lots(&[lot(&raghu(), json!({"isin": "INE999A01999", "symbol": "SBI"}))])
        .await
        .unwrap();
    let shown = "SELECT symbol, isin, multiplier FROM tradingdb.instruments";
    assert_eq!(bed.sql(shown), "SBIN|INE062A01020|1");
}
