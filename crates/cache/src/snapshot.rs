use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// One row of a table, already in the shape its readers expect, with the few columns that decide
/// under which keys it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Lists are ordered by it; rows without one come last, in the order given.
    pub id: Option<i64>,
    /// The instrument a position or holding is in.
    pub instrument_key: Option<String>,
    /// `NRML`, `CNC`, `MIS`, …
    pub product: Option<String>,
    /// Decides which of two products of one instrument stands for it.
    pub net_quantity: Option<Decimal>,
    /// The status of an order.
    pub status: Option<String>,
    /// The strategy the row belongs to, where all of it belongs to one.
    pub strategy_id: Option<String>,
    /// The row as one JSON object, stored as it is. Clones of the row share it.
    pub json: Arc<str>,
}

/// The rows of one strategy, computed as if it were an account of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrategyRows {
    /// The strategy; an empty one and `default` mean "no strategy" and are not stored.
    pub strategy_id: String,
    /// Its positions.
    pub positions: Vec<Row>,
    /// Its holdings.
    pub holdings: Vec<Row>,
    /// Its orders.
    pub orders: Vec<Row>,
    /// Its margins.
    pub margins: Vec<Row>,
}

/// All that one sync of an account stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The organization, as it stands in the keys.
    pub organization_id: String,
    /// The account, as it stands in the keys.
    pub pseudo_account: String,
    /// The version of this sync: per account it only grows, and an older one never overwrites a newer.
    pub sequence: i64,
    /// When the sync was made.
    pub at: DateTime<Utc>,
    /// The account's positions.
    pub positions: Vec<Row>,
    /// The account's holdings.
    pub holdings: Vec<Row>,
    /// The account's orders.
    pub orders: Vec<Row>,
    /// The account's margins.
    pub margins: Vec<Row>,
    /// The same per strategy.
    pub strategies: Vec<StrategyRows>,
    /// Every instrument key in the account's history: keys by instrument may lie about from any of
    /// them, and are removed where they no longer apply.
    pub instruments_seen: Vec<String>,
}

/// Whose snapshot, and which.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The organization, as it stands in the keys.
    pub organization_id: &'a str,
    /// The account, as it stands in the keys.
    pub pseudo_account: &'a str,
    /// The version of this sync.
    pub sequence: i64,
    /// When the sync was made.
    pub at: DateTime<Utc>,
}

impl Stamp<'_> {
    /// What every key of the account begins with.
    pub(crate) fn root(&self) -> String {
        format!("trade_data:{}:{}", self.organization_id, self.pseudo_account)
    }

    /// The key of the record of what is stored.
    pub(crate) fn mark_key(&self) -> String {
        format!("{}:snapshot", self.root())
    }
}

impl Snapshot {
    pub(crate) fn stamp(&self) -> Stamp<'_> {
        Stamp {
            organization_id: &self.organization_id,
            pseudo_account: &self.pseudo_account,
            sequence: self.sequence,
            at: self.at,
        }
    }
}

/// What [`Cache::write_snapshot`](crate::Cache::write_snapshot) stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Positions of the account.
    pub positions: usize,
    /// Holdings of the account.
    pub holdings: usize,
    /// Orders of the account.
    pub orders: usize,
    /// Margins of the account.
    pub margins: usize,
    /// Strategies with keys of their own.
    pub strategies: usize,
    /// Nothing had changed: the keys' expiry was refreshed and no rows were written.
    pub unchanged: bool,
}
