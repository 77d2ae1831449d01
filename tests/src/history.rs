use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// One line of an order history.
pub type Order = Value;

/// A filled order of an account: `quantity` is negative for a sale.
pub fn fill(account: &str, id: u32, quantity: i64, price: &str) -> Order {
    json!({
        "pseudo_account": account, "exchange": "NFO", "symbol": "NIFTYFUT",
        "instrument_key": "NFO@NIFTY@futures@31-DEC-2099", "product_type": "NRML",
        "trade_type": if quantity < 0 { "SELL" } else { "BUY" }, "quantity": quantity.abs(),
        "filled_quantity": quantity.abs(), "average_price": price, "status": "COMPLETE",
        "exchange_time": "2025-06-10T04:00:00+00:00", "exchange_order_id": id.to_string(),
    })
}

/// Orders as JSON lines.
pub fn jsonl(orders: &[Order]) -> String {
    orders.iter().map(|order| format!("{order}\n")).collect()
}

/// A folder of real data beside the checkout; `None`, said aloud, where it is absent.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub fn shared_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is absent, so this test has checked nothing", path.display());
    None
}
