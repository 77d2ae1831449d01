//! What becomes of the keys of a stored sync when little or nothing is new: lists of orders are appended to, what is small is
//! written anew, and nothing of the account's past is read or sent.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::layout::{Layout, strategies};
use crate::mark::{Extent, Mark, python_time};
use crate::snapshot::{Snapshot, Stamp};

/// The lists every level has that are small.
const SMALL: [&str; 3] = ["positions", "holdings", "margins"];

/// A change of stored keys, from the record they were read with to the next one.
pub(crate) struct Addition {
    /// Lists of orders: the key, how long it must be, and what takes the place of its last character (empty: it stays).
    pub(crate) lists: Vec<(String, u64, String)>,
    /// Keys that must be there and stay as they are.
    pub(crate) kept: Vec<String>,
    /// Keys to set.
    pub(crate) set: Vec<(String, String)>,
    /// Keys to delete.
    pub(crate) gone: Vec<String>,
    /// The new record.
    pub(crate) mark: Mark,
}

impl Addition {
    /// Nothing but new versions and lifetimes. `None`: the record does not say enough.
    pub(crate) fn nothing(stored: &Mark, stamp: &Stamp<'_>) -> Option<Self> {
        let extent = whole(stored)?;
        let root = stamp.root();
        let fixed = SMALL.map(|list| format!("{root}:{list}"));
        let derived = stored.keys.iter().filter(|key| !extent.lists.contains_key(*key));
        let kept: Vec<String> = fixed.into_iter().chain(derived.cloned()).collect();
        let lists: Vec<_> =
            extent.lists.iter().map(|(key, bytes)| (key.clone(), *bytes, String::new())).collect();
        is_of(&root, kept.iter().chain(extent.lists.keys())).then(|| Self {
            lists,
            kept,
            set: Vec::new(),
            gone: Vec::new(),
            mark: Mark { version: stamp.sequence, time: python_time(stamp.at), ..stored.clone() },
        })
    }

    /// The orders of `snapshot`, all of them new, and its other rows in place of those that are stored. `None`: that is not
    /// enough, as when an order is older than one that is stored.
    pub(crate) fn of(stored: &Mark, snapshot: &Snapshot) -> Option<Self> {
        let extent = whole(stored)?;
        let root = snapshot.stamp().root();
        let first = snapshot.orders.iter().map(|order| order.id).min().flatten();
        if !snapshot.orders.is_empty() && (first.is_none() || first <= extent.last_order) {
            return None;
        }
        let new: BTreeSet<&str> = strategies(snapshot)
            .filter(|strategy| !strategy.orders.is_empty())
            .map(|strategy| strategy.strategy_id.as_str())
            .collect();
        let all: BTreeSet<String> =
            new.iter().map(|id| (*id).to_owned()).chain(extent.strategies.iter().cloned()).collect();
        let layout = Layout::of(&Snapshot {
            strategies: snapshot
                .strategies
                .iter()
                .filter(|strategy| all.contains(&strategy.strategy_id))
                .cloned()
                .collect(),
            instruments_seen: Vec::new(),
            ..snapshot.clone()
        });
        let (mut appended, mut set): (BTreeMap<String, String>, BTreeMap<String, String>) =
            Default::default();
        for (key, value) in layout.entries {
            let value = value.to_string();
            if extent.lists.contains_key(&key) {
                appended.insert(key, value)
            } else {
                set.insert(key, value)
            };
        }
        // Nothing of theirs is open any more.
        for strategy in &extent.strategies {
            for list in SMALL {
                set.entry(format!("{root}:strategies:{strategy}:{list}")).or_insert_with(|| "[]".to_owned());
            }
        }
        let mut lists = extent.lists.clone();
        let appended = extent.lists.iter().map(|(key, bytes)| {
            let tail = appended.get(key).map_or_else(String::new, |rows| tail(rows, *bytes));
            (key.clone(), *bytes, tail)
        });
        let appended: Vec<(String, u64, String)> = appended.collect();
        for (key, bytes, tail) in appended.iter().filter(|(_, _, tail)| !tail.is_empty()) {
            lists.insert(key.clone(), bytes - 1 + tail.len() as u64);
        }
        let new_lists = set.iter().filter(|(key, _)| layout.order_lists.contains(*key));
        lists.extend(new_lists.map(|(key, list)| (key.clone(), list.len() as u64)));
        let fixed: BTreeSet<String> =
            ["positions", "holdings", "orders", "margins"].map(|list| format!("{root}:{list}")).into();
        let keys: BTreeSet<&String> =
            lists.keys().chain(set.keys()).filter(|key| !fixed.contains(*key)).collect();
        let keys: Vec<String> = keys.into_iter().cloned().collect();
        let gone: Vec<String> =
            stored.keys.iter().filter(|key| keys.binary_search(key).is_err()).cloned().collect();
        let set: Vec<(String, String)> = set.into_iter().collect();
        let [_, _, orders, _] = extent.rows;
        let rows =
            [&snapshot.positions, &snapshot.holdings, &snapshot.orders, &snapshot.margins].map(Vec::len);
        let last = snapshot.orders.iter().filter_map(|order| order.id).max();
        let mark = Mark {
            version: snapshot.sequence,
            time: python_time(snapshot.at),
            digest: digest(&stored.digest, &appended, &set),
            writing: None,
            keys,
            extent: Some(Extent {
                lists,
                last_order: extent.last_order.max(last),
                strategies: all.into_iter().collect(),
                rows: [rows[0], rows[1], orders + rows[2], rows[3]],
            }),
        };
        is_of(&root, gone.iter().chain(extent.lists.keys())).then_some(Self {
            lists: appended,
            kept: Vec::new(),
            set,
            gone,
            mark,
        })
    }

    /// Whether no value changes.
    pub(crate) fn is_nothing(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty() && self.lists.iter().all(|(_, _, tail)| tail.is_empty())
    }
}

/// What a record says that vouches for all keys.
fn whole(stored: &Mark) -> Option<&Extent> {
    stored.extent.as_ref().filter(|_| stored.is_whole())
}

/// Whether all keys are the account's: the record comes from Redis, where anybody may have changed it.
fn is_of<'a>(root: &str, mut keys: impl Iterator<Item = &'a String>) -> bool {
    keys.all(|key| key.strip_prefix(root).is_some_and(|rest| rest.starts_with(':') && rest != ":snapshot"))
}

/// What takes the place of the last character of a list so long, to add the rows of another one.
fn tail(rows: &str, bytes: u64) -> String {
    match rows.strip_prefix('[').filter(|rows| *rows != "]") {
        Some(rows) if bytes > 2 => format!(", {rows}"),
        Some(rows) => rows.to_owned(),
        None => String::new(),
    }
}

fn digest(before: &str, lists: &[(String, u64, String)], set: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    let lists = lists.iter().flat_map(|(key, _, tail)| [key.as_str(), tail.as_str()]);
    let set = set.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    for text in [before].into_iter().chain(lists).chain(set) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_gone_on_with_in_place_of_its_bracket() {
        assert_eq!(tail("[a]", 2), "a]");
        assert_eq!(tail("[a, b]", 10), ", a, b]");
        assert_eq!(tail("[]", 10), "");
    }

    #[test]
    fn a_record_that_names_keys_of_others_is_not_gone_on_from() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
        assert!(is_of("trade_data:o:a", keys(&["trade_data:o:a:orders"]).iter()));
        for other in ["trade_data:o:ab:orders", "trade_data:o:a:snapshot", "trade_data:o:a", "sessions"] {
            assert!(!is_of("trade_data:o:a", keys(&["trade_data:o:a:orders", other]).iter()), "{other}");
        }
    }
}
