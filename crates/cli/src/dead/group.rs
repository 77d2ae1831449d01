use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use queue::DeadLetter;
use serde_json::{Value, json};

use super::list::{cells, cut_errors};
use crate::instant::rfc3339;
use crate::output;

/// Letters that ended for the same reason with the same error.
#[derive(Default)]
struct Group {
    count: usize,
    first_failed_at: Option<DateTime<Utc>>,
    last_failed_at: Option<DateTime<Utc>>,
}

/// Prints one row for each reason and error, the most frequent first.
pub(super) fn print(letters: &[DeadLetter], json: bool) {
    let rows = groups(letters);
    if json {
        output::document(&Value::Array(rows));
        return;
    }
    if rows.is_empty() {
        output::say("no dead letters");
        return;
    }
    let names = ["reason", "error", "count", "first_failed_at", "last_failed_at"];
    let heads = ["reason", "error", "count", "first failed", "last failed"];
    let mut rows: Vec<_> = rows.iter().map(|row| cells(row, &names)).collect();
    cut_errors(&heads, 1, &mut rows);
    output::table(&heads, &[2], rows);
}

fn groups(letters: &[DeadLetter]) -> Vec<Value> {
    let mut groups: BTreeMap<(Option<&str>, Option<&str>), Group> = BTreeMap::new();
    for letter in letters {
        let group = groups.entry((letter.reason.as_deref(), letter.error.as_deref())).or_default();
        group.count += 1;
        // `None` is less than any time, so it is left out by hand where the least is asked for.
        group.first_failed_at = group.first_failed_at.into_iter().chain(letter.first_failed_at).min();
        group.last_failed_at = group.last_failed_at.max(letter.last_failed_at);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| Reverse(group.count));
    (groups.into_iter())
        .map(|((reason, error), group)| {
            json!({"reason": reason, "error": error, "count": group.count,
                   "first_failed_at": group.first_failed_at.map(rfc3339),
                   "last_failed_at": group.last_failed_at.map(rfc3339)})
        })
        .collect()
}
