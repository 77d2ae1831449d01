use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::json;
use storage::{ImportedFill, ImportedOrder};

use crate::desk::Desk;
use crate::interleaved::Random;

/// Fills of seven stocks over six years, as contracts of the desk's account; `None`, said aloud, where they are not at
/// hand.
fn fills(desk: &Desk) -> Option<Vec<ImportedOrder>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pyfolio_txn/test_txn.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: {} is absent, so this test has checked nothing", file.display());
        return None;
    };
    let lines = text.lines().skip(1).enumerate();
    Some(lines.map(|(number, line)| order(desk, number, &line.split(',').collect::<Vec<_>>())).collect())
}

fn order(desk: &Desk, number: usize, row: &[&str]) -> ImportedOrder {
    let [time, amount, price, _, symbol, _] = row else { panic!("a row of another shape: {row:?}") };
    let quantity: i64 = amount.parse().unwrap();
    let at = instant(time);
    let columns = json!({
        "exchange": "NFO", "instrument_key": format!("NFO@{symbol}@unknown"), "symbol": symbol, "product_type": "NRML", "status": "COMPLETE",
        "trade_type": if quantity < 0 { "SELL" } else { "BUY" }, "quantity": quantity.abs(),
        "filled_quantity": quantity.abs(), "average_price": price, "exchange_time": at, "variety": "REGULAR",
    });
    let fill = ImportedFill {
        trade_id: number.to_string(),
        quantity: quantity.abs().into(),
        price: price.parse().unwrap(),
        at,
    };
    ImportedOrder {
        account: desk.account.clone(),
        exchange: "NFO".to_owned(),
        day: ledger::ist::day_of(at),
        exchange_order_id: Some(number.to_string()),
        line_digest: None,
        columns: columns.as_object().unwrap().clone(),
        fills: vec![fill],
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    let zoned = text.parse::<DateTime<Utc>>();
    zoned.unwrap_or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap().and_utc())
}

#[tokio::test]
async fn real_fills_give_the_same_bytes_shuffled_in_random_batches_and_twice() {
    let desk = Desk::new().await;
    let Some(mut orders) = fills(&desk) else { return };
    desk.storage.import_orders(&orders).await.unwrap();
    desk.sync().await;
    let (rows, kept) = (desk.stored().await, desk.kept());
    assert_eq!(rows[0].len(), 7);

    let other = Desk::new().await;
    let mut random = Random::new(3);
    random.shuffle(&mut orders);
    let mut rest = &orders[..];
    let mut batches = 0;
    while !rest.is_empty() {
        let size = random.below(1500).min(rest.len() as u64);
        let (batch, later) = rest.split_at(usize::try_from(size).unwrap());
        other.storage.import_orders(batch).await.unwrap();
        other.sync().await;
        if random.below(2) == 0 {
            other.storage.import_orders(batch).await.unwrap();
            other.sync().await;
        }
        (rest, batches) = (later, batches + 1);
    }
    assert!(batches > 5, "{batches}");
    assert_eq!(other.stored().await, rows);
    assert_eq!(other.kept(), kept);
}
