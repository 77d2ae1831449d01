use std::collections::BTreeSet;

use ledger::Name;
use serde_json::{Value, json};
use storage::{FINDINGS_MAX, GeneratedRows, NewFamily, StoredRows};

use crate::support::{Bed, empty_book, generated, raghu};

/// A family of the account with so many findings, each with its number.
fn family(key: &str, findings: usize) -> NewFamily {
    family_of_kinds(key, &vec!["unknown_cost"; findings])
}

/// A family with a finding of each of these kinds.
fn family_of_kinds(key: &str, kinds: &[&str]) -> NewFamily {
    let finding = |(number, kind): (usize, &&str)| json!({"kind": kind, "of": key, "number": number});
    let findings: Vec<Value> = kinds.iter().enumerate().map(finding).collect();
    NewFamily {
        id: None,
        strategy_id: String::new(),
        names: BTreeSet::from([Name::Key(key.to_owned())]),
        is_live: true,
        last_day: None,
        odd_days: BTreeSet::new(),
        ledger: "{}".to_owned(),
        findings: Value::Array(findings).to_string(),
        rows: None,
    }
}

/// How many findings there are, and those that are told, `key number` each.
async fn told(families: &[NewFamily]) -> (usize, Vec<String>) {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let book = empty_book();
    let stored = bed.storage.store_book(&lease, &GeneratedRows { families, ..generated(&book) }).await;
    let StoredRows { discrepancies, discrepancies_total, .. } = stored.unwrap();
    let told: Vec<Value> = serde_json::from_str(&discrepancies).unwrap();
    let told =
        told.iter().map(|finding| format!("{} {}", finding["of"].as_str().unwrap(), finding["number"]));
    (discrepancies_total, told.collect())
}

#[tokio::test]
async fn few_findings_are_told_whole_and_in_their_order() {
    let of_a_strategy = NewFamily { strategy_id: "swing-1".to_owned(), ..family("D", 3) };
    let families = [family("A", 2), family("B", 0), family("C", 1), of_a_strategy];
    assert_eq!(told(&families).await, (3, ["A 0", "A 1", "C 0"].map(str::to_owned).to_vec()));
    assert_eq!(told(&[family("B", 0)]).await, (0, Vec::new()));
    let full = told(&[family("A", FINDINGS_MAX)]).await;
    assert_eq!((full.0, full.1.len()), (FINDINGS_MAX, FINDINGS_MAX));
}

#[tokio::test]
async fn many_findings_of_one_family_hide_none_of_a_family_with_few() {
    let (total, told) = told(&[family("A", 1000), family("B", 2), family("C", 1000)]).await;
    assert_eq!(total, 2002);
    let mut expected: Vec<String> = (0..FINDINGS_MAX - 2).map(|number| format!("A {number}")).collect();
    expected.extend(["B 0", "B 1"].map(str::to_owned));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_traded_last_is_told_before_what_is_old() {
    let on = |key: &str, day: &str| NewFamily { last_day: day.parse().ok(), ..family(key, 1) };
    let mut families: Vec<NewFamily> =
        (0..FINDINGS_MAX).map(|number| on(&format!("old {number}"), "2025-01-01")).collect();
    families.push(on("new", "2025-06-16"));
    families.push(family("never", 1));
    let (total, told) = told(&families).await;
    assert_eq!((total, told.len()), (FINDINGS_MAX + 2, FINDINGS_MAX));
    assert_eq!(told.last().map(String::as_str), Some("new 0"));
    assert!(told.iter().all(|finding| !finding.starts_with("never")), "{told:?}");
}

#[tokio::test]
async fn of_one_family_some_of_each_kind_are_told() {
    let mut kinds = vec!["unknown_cost"; 500];
    kinds.extend(["expired_unsettled", "fills_short", "fills_short"]);
    let (total, told) = told(&[family_of_kinds("A", &kinds)]).await;
    assert_eq!((total, told.len()), (503, FINDINGS_MAX));
    let last: Vec<&str> = told.iter().skip(FINDINGS_MAX - 3).map(String::as_str).collect();
    assert_eq!(last, ["A 500", "A 501", "A 502"]);
}
