use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use queue::DeadLetter;
use serde_json::{Value, json};

use super::list::cut_errors;
use crate::ago::ago_if_any;
use crate::instant::rfc3339;
use crate::output;

/// Letters that ended for the same reason with the same error.
#[derive(Default)]
struct Group<'a> {
    reason: Option<&'a str>,
    error: Option<&'a str>,
    count: usize,
    first_failed_at: Option<DateTime<Utc>>,
    last_failed_at: Option<DateTime<Utc>>,
}

/// Prints one row for each reason and error, the most frequent first.
pub(super) fn print(letters: &[DeadLetter], json: bool) {
    let groups = groups(letters);
    if json {
        output::document(&groups.iter().map(row).collect());
        return;
    }
    if groups.is_empty() {
        output::say("no dead letters");
        return;
    }
    let now = Utc::now();
    let mut rows: Vec<Vec<String>> = (groups.iter())
        .map(|group| {
            vec![
                group.reason.unwrap_or("-").to_owned(),
                group.error.unwrap_or("-").to_owned(),
                group.count.to_string(),
                ago_if_any(group.first_failed_at, now),
                ago_if_any(group.last_failed_at, now),
            ]
        })
        .collect();
    let heads = ["reason", "error", "count", "first failed", "last failed"];
    cut_errors(&heads, 1, &mut rows);
    output::table(&heads, &[2], rows);
}

fn row(group: &Group) -> Value {
    json!({"reason": group.reason, "error": group.error, "count": group.count,
           "first_failed_at": group.first_failed_at.map(rfc3339),
           "last_failed_at": group.last_failed_at.map(rfc3339)})
}

fn groups(letters: &[DeadLetter]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(Option<&str>, Option<&str>), Group> = BTreeMap::new();
    for letter in letters {
        let (reason, error) = (letter.reason.as_deref(), letter.error.as_deref());
        let group = groups.entry((reason, error)).or_default();
        (group.reason, group.error) = (reason, error);
        group.count += 1;
        // `None` is less than any time, so it is left out by hand where the least is asked for.
        group.first_failed_at = group.first_failed_at.into_iter().chain(letter.first_failed_at).min();
        group.last_failed_at = group.last_failed_at.max(letter.last_failed_at);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| Reverse(group.count));
    groups
}
