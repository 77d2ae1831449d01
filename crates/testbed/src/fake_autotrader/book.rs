//! What the API tells about one pseudo account.

use serde_json::Value;

/// The lists of one pseudo account; the rows are those of [`crate::autotrader`] or any other JSON.
///
/// A row whose `pseudoAccount` is null gets the name of the account that it is answered for, and so does a null
/// `tradingAccount`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AutoTraderBook {
    /// Of `readPlatformOrders`.
    pub orders: Vec<Value>,
    /// Of `readPlatformPositions`, both categories in one list.
    pub positions: Vec<Value>,
    /// Of `readPlatformHoldings`.
    pub holdings: Vec<Value>,
    /// Of `readPlatformMargins`, one row per category.
    pub margins: Vec<Value>,
}

/// One of the four reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    Orders,
    Positions,
    Holdings,
    Margins,
}

impl Read {
    /// None for a path that the API does not have.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/trading/readPlatformOrders" => Self::Orders,
            "/trading/readPlatformPositions" => Self::Positions,
            "/trading/readPlatformHoldings" => Self::Holdings,
            "/trading/readPlatformMargins" => Self::Margins,
            _ => return None,
        })
    }
}

impl AutoTraderBook {
    /// The `result` of this read.
    pub(super) fn result(&self, read: Read, pseudo_account: &str) -> Value {
        let rows = match read {
            Read::Orders => &self.orders,
            Read::Positions => &self.positions,
            Read::Holdings => &self.holdings,
            Read::Margins => &self.margins,
        };
        rows.iter().map(|row| owned_by(row, pseudo_account)).collect()
    }
}

fn owned_by(row: &Value, pseudo_account: &str) -> Value {
    let mut row = row.clone();
    for name in ["pseudoAccount", "tradingAccount"] {
        if let Some(owner) = row.get_mut(name).filter(|owner| owner.is_null()) {
            *owner = pseudo_account.into();
        }
    }
    row
}
