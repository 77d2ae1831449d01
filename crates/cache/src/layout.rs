//! Which keys a snapshot becomes, in the layout the replaced system used:
//!
//! | under `trade_data:<org>:<account>` and, the same, under `…:strategies:<strategy_id>` | value |
//! |---|---|
//! | `:positions`, `:holdings`, `:orders`, `:margins` | list of rows, `[]` when there are none |
//! | `:orders:by_status:<STATUS>` | the orders of that status; no key without orders |
//! | `:{positions,holdings}:by_instrument:<instrument_key>`, only under strategies | one row |
//!
//! Names go into keys as they are, blanks, colons and all: keys are only ever named in full, never
//! matched by a pattern, so no name can reach another's keys by a `*`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::mark::Extent;
use crate::snapshot::{Row, Snapshot, StrategyRows};
use crate::text::Text;

/// Statuses an order can have; keys by status may lie about from any of them.
const STATUSES: [&str; 5] = ["COMPLETE", "OPEN", "CANCELLED", "REJECTED", "TRIGGER_PENDING"];

/// Which product stands for an instrument held in two of them in equal quantity.
const PRODUCTS: [&str; 3] = ["NRML", "CNC", "MIS"];

/// The keys of one snapshot, in the order they are written, and what is needed to write them.
pub(crate) struct Layout {
    /// `…:snapshot`, written last; not among `entries`.
    pub(crate) mark_key: String,
    /// Key and value of everything else.
    pub(crate) entries: Vec<(String, Text)>,
    /// Those keys of `entries` that exist only while the rows ask for them.
    pub(crate) derived: Vec<String>,
    /// SHA-256 of `entries`, each row by its own, in hexadecimal.
    pub(crate) digest: String,
    /// The keys of `entries` that are lists of orders.
    pub(crate) order_lists: BTreeSet<String>,
    /// What every key begins with.
    pub(crate) prefix: String,
    candidates: Vec<String>,
}

impl Layout {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let root = snapshot.stamp().root();
        let account = Level {
            prefix: root.clone(),
            positions: &snapshot.positions,
            holdings: &snapshot.holdings,
            orders: &snapshot.orders,
            margins: &snapshot.margins,
        };
        let mut entries = account.lists();
        let fixed = entries.len();
        let mut order_lists = BTreeSet::new();
        entries.extend(account.orders_by_status(&mut order_lists));
        let mut candidates = account.candidates(&snapshot.instruments_seen);
        for strategy in strategies(snapshot) {
            let level = Level {
                prefix: format!("{root}:strategies:{}", strategy.strategy_id),
                positions: &strategy.positions,
                holdings: &strategy.holdings,
                orders: &strategy.orders,
                margins: &strategy.margins,
            };
            entries.extend(level.lists());
            entries.extend(level.orders_by_status(&mut order_lists));
            entries.extend(level.by_instrument("positions", level.positions));
            entries.extend(level.by_instrument("holdings", level.holdings));
            candidates.extend(level.candidates(&snapshot.instruments_seen));
        }
        Self {
            mark_key: format!("{root}:snapshot"),
            derived: entries[fixed..].iter().map(|(key, _)| key.clone()).collect(),
            digest: digest(&entries),
            order_lists,
            prefix: format!("{root}:"),
            entries,
            candidates,
        }
    }

    /// Keys to delete: those `earlier` syncs wrote and those that may lie about from before there was
    /// a record, without those that are written now.
    pub(crate) fn leftovers(&self, earlier: &[String]) -> Vec<String> {
        let kept: BTreeSet<&str> = self.entries.iter().map(|(key, _)| key.as_str()).collect();
        earlier
            .iter()
            // The record comes from Redis, where anybody may have changed it.
            .filter(|key| key.starts_with(&self.prefix) && **key != self.mark_key)
            .chain(&self.candidates)
            .filter(|key| !kept.contains(key.as_str()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect()
    }

    /// How far the keys go when all of them are written as they are here.
    pub(crate) fn extent(&self, snapshot: &Snapshot) -> Extent {
        let lists = self.entries.iter().filter(|(key, _)| self.order_lists.contains(key));
        Extent {
            lists: lists.map(|(key, list)| (key.clone(), list.len() as u64)).collect(),
            last_order: snapshot.orders.iter().filter_map(|order| order.id).max(),
            strategies: strategies(snapshot).map(|strategy| strategy.strategy_id.clone()).collect(),
            rows: [&snapshot.positions, &snapshot.holdings, &snapshot.orders, &snapshot.margins]
                .map(Vec::len),
        }
    }

    /// Bytes of all keys and values.
    pub(crate) fn bytes(&self) -> usize {
        let sizes = self.entries.iter().map(|(key, value)| key.len() + value.len());
        sizes.sum()
    }
}

/// The strategies that get keys: rows of no strategy belong to the account alone.
pub(crate) fn strategies(snapshot: &Snapshot) -> impl Iterator<Item = &StrategyRows> {
    snapshot
        .strategies
        .iter()
        .filter(|strategy| !matches!(strategy.strategy_id.as_str(), "" | "default"))
        .map(|strategy| (strategy.strategy_id.as_str(), strategy))
        .collect::<BTreeMap<_, _>>()
        .into_values()
}

/// An account, or a strategy inside it.
struct Level<'a> {
    prefix: String,
    positions: &'a [Row],
    holdings: &'a [Row],
    orders: &'a [Row],
    margins: &'a [Row],
}

impl Level<'_> {
    fn lists(&self) -> Vec<(String, Text)> {
        [
            ("positions", self.positions),
            ("holdings", self.holdings),
            ("orders", self.orders),
            ("margins", self.margins),
        ]
        .map(|(table, rows)| (format!("{}:{table}", self.prefix), Text::list(rows)))
        .into()
    }

    /// Their keys, and that of all orders, are put among `order_lists`.
    fn orders_by_status(&self, order_lists: &mut BTreeSet<String>) -> Vec<(String, Text)> {
        let mut by_status: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for order in self.orders {
            if let Some(status) = named(order.status.as_ref()) {
                by_status.entry(status).or_default().push(order);
            }
        }
        let lists: Vec<(String, Text)> = by_status
            .into_iter()
            .map(|(status, orders)| (self.status_key(status), Text::list(orders)))
            .collect();
        order_lists.insert(format!("{}:orders", self.prefix));
        order_lists.extend(lists.iter().map(|(key, _)| key.clone()));
        lists
    }

    fn by_instrument(&self, table: &str, rows: &[Row]) -> Vec<(String, Text)> {
        let mut by_instrument: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in rows {
            if let Some(instrument) = named(row.instrument_key.as_ref()) {
                let chosen = by_instrument.entry(instrument).or_insert(row);
                if precedence(row) < precedence(chosen) {
                    *chosen = row;
                }
            }
        }
        by_instrument
            .into_iter()
            .map(|(instrument, row)| {
                (self.instrument_key(table, instrument), Text::Row(Arc::clone(&row.json)))
            })
            .collect()
    }

    fn candidates(&self, instruments: &[String]) -> Vec<String> {
        let by_status = STATUSES.iter().map(|status| self.status_key(status));
        let by_instrument = instruments.iter().flat_map(|instrument| {
            ["positions", "holdings"].map(|table| self.instrument_key(table, instrument))
        });
        by_status.chain(by_instrument).collect()
    }

    fn status_key(&self, status: &str) -> String {
        format!("{}:orders:by_status:{status}", self.prefix)
    }

    fn instrument_key(&self, table: &str, instrument: &str) -> String {
        format!("{}:{table}:by_instrument:{instrument}", self.prefix)
    }
}

fn named(name: Option<&String>) -> Option<&str> {
    name.map(String::as_str).filter(|name| !name.is_empty())
}

/// The row with the smallest of these stands for its instrument.
fn precedence(row: &Row) -> (Reverse<Decimal>, usize, bool, Option<i64>) {
    let product = row.product.as_deref().unwrap_or_default();
    let rank = PRODUCTS.iter().position(|known| *known == product);
    (
        Reverse(row.net_quantity.unwrap_or_default().abs()),
        rank.unwrap_or(PRODUCTS.len()),
        row.id.is_none(),
        row.id,
    )
}

fn digest(entries: &[(String, Text)]) -> String {
    let mut hash = Sha256::new();
    // A row that is in several lists is read once; it is known by where its text is.
    let mut rows = HashMap::new();
    for (key, value) in entries {
        // The length in front keeps two neighbours from trading bytes unnoticed.
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update([u8::from(value.is_list())]);
        hash.update((value.rows().len() as u64).to_be_bytes());
        for row in value.rows() {
            hash.update(rows.entry(row.as_ptr()).or_insert_with(|| Sha256::digest(row.as_bytes())));
        }
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests;
