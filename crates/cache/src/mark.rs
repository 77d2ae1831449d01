use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::snapshot::Stamp;

/// The record of an account's last sync, stored as `…:snapshot`: which version readers see, and what
/// the next sync has to know about the keys that lie there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The sequence of the sync.
    pub(crate) version: i64,
    /// When it was made.
    pub(crate) time: String,
    /// The digest of all keys and values; empty while they are being changed one by one, so that a
    /// sync that dies in between is not mistaken for a whole one.
    pub(crate) digest: String,
    /// The sequence of the sync that is changing keys one by one.
    pub(crate) writing: Option<i64>,
    /// The derived keys that may exist.
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    /// What a sync needs to go on from this one; `None` in records of older programs.
    pub(crate) extent: Option<Extent>,
}

/// How far the keys of a sync go.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of each list of orders, by its key.
    pub(crate) lists: BTreeMap<String, u64>,
    /// The greatest id of an order in them.
    pub(crate) last_order: Option<i64>,
    /// The strategies that have keys.
    pub(crate) strategies: Vec<String>,
    /// Rows of the account: positions, holdings, orders, margins.
    pub(crate) rows: [usize; 4],
}

impl Mark {
    /// Whether it is this sync's.
    pub(crate) fn is_of(&self, stamp: &Stamp<'_>) -> bool {
        // A version may come twice where the database was set back.
        self.version == stamp.sequence && self.time == python_time(stamp.at)
    }

    /// Whether it vouches for all keys.
    pub(crate) fn is_whole(&self) -> bool {
        !self.digest.is_empty() && self.writing.is_none()
    }

    /// Reads a stored mark. What cannot be read vouches for nothing, and the keys are written anew.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text)
            .inspect_err(|error| tracing::warn!(%error, "unreadable snapshot record, writing all keys"))
            .ok()
    }

    /// The JSON text. `place.lua` reads `version` and clears `digest` in exactly this form.
    pub(crate) fn json(&self) -> String {
        let keys = serde_json::Value::from(self.keys.as_slice());
        let extent = self.extent.as_ref().map(|extent| format!(r#", "extent": {}"#, json!(extent)));
        format!("{}{keys}{}}}", self.head(), extent.unwrap_or_default())
    }

    /// What the text begins with, up to its keys: all that a sync with nothing new changes of it.
    pub(crate) fn head(&self) -> String {
        let time = serde_json::Value::from(self.time.as_str());
        let writing = self.writing.map(|version| format!(r#", "writing": {version}"#));
        format!(
            r#"{{"version": {}, "time": {time}, "digest": "{}"{}, "keys": "#,
            self.version,
            self.digest,
            writing.unwrap_or_default()
        )
    }
}

/// The time as Python's `datetime.fromisoformat` has read it in all versions: `+00:00`, and microseconds
/// or none at all.
pub(crate) fn python_time(at: DateTime<Utc>) -> String {
    let format = if at.nanosecond() / 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    at.to_rfc3339_opts(format, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_written_whatever_the_names_are() {
        for writing in [None, Some(8)] {
            let mark = Mark {
                version: 7,
                time: "2025-06-17T10:30:00+00:00".to_owned(),
                digest: "ab12".to_owned(),
                writing,
                keys: vec![r#"trade_data:o:a "b" \ ü:orders:by_status:OPEN"#.to_owned()],
                extent: writing.map(|_| Extent {
                    lists: BTreeMap::from([("trade_data:o:a:orders".to_owned(), 2)]),
                    last_order: Some(3),
                    strategies: vec!["s".to_owned()],
                    rows: [1, 2, 3, 4],
                }),
            };
            assert_eq!(Mark::parse(mark.json().as_bytes()), Some(mark));
        }
        assert_eq!(Mark::parse(b"[]"), None);
    }

    #[test]
    fn times_are_those_python_writes() {
        let check = |text: &str, expected: &str| {
            let at: DateTime<Utc> = text.parse().expect("a time");
            assert_eq!(python_time(at), expected);
        };
        check("2025-06-17T10:30:00Z", "2025-06-17T10:30:00+00:00");
        check("2025-06-17T10:30:00.5Z", "2025-06-17T10:30:00.500000+00:00");
        check("2025-06-17T10:30:00.123456789Z", "2025-06-17T10:30:00.123456+00:00");
        check("2025-06-17T10:30:00.000000789Z", "2025-06-17T10:30:00+00:00");
    }
}
