use ledger::{CorporateAction, CorporateActionKind};
use storage::ImportCounts;

use crate::support::{Bed, day, decimal, raghu};

const NOTHING: ImportCounts = ImportCounts { new: 0, changed: 0, unchanged: 0 };

fn split(factor: &str) -> CorporateAction {
    CorporateAction {
        isin: "INE062A01020".into(),
        kind: CorporateActionKind::Split,
        ex_date: day("2025-06-12"),
        factor: Some(decimal(factor)),
        new_isin: None,
        cost_fraction: None,
    }
}

fn demerger() -> CorporateAction {
    CorporateAction {
        kind: CorporateActionKind::Demerger,
        factor: Some(decimal("0.25")),
        new_isin: Some("INE758E01017".into()),
        cost_fraction: Some(decimal("0.0468")),
        ..split("1")
    }
}

#[tokio::test]
async fn actions_come_back_as_they_were_given_and_a_second_import_changes_nothing() {
    let bed = Bed::migrated().await;
    let actions = [split("10"), demerger(), CorporateAction { ex_date: day("2025-07-12"), ..split("2") }];
    let first = bed.storage.import_corporate_actions(&actions).await.unwrap();
    assert_eq!(first, ImportCounts { new: 3, ..NOTHING });
    let before = bed.dump(&["corporate_actions"]);
    let again = bed.storage.import_corporate_actions(&actions).await.unwrap();
    assert_eq!(again, ImportCounts { unchanged: 3, ..NOTHING });
    assert_eq!(bed.dump(&["corporate_actions"]), before);
    // Only what concerns an account's shares is read for it.
    bed.sql("INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, trade_type, isin, exchange)
             VALUES ('Raghu', 'REGULAR', 1, 1, 'BUY', 'INE758E01017', 'NSE')");
    let mut found = bed.storage.ledger_inputs(&raghu()).await.unwrap().corporate_actions;
    found.sort_by_key(|action| action.ex_date);
    assert_eq!(found.len(), 3);
    for action in &actions {
        assert!(found.contains(action), "{action:?} in {found:?}");
    }
}

#[tokio::test]
async fn a_corrected_action_replaces_all_that_was_said_before() {
    let bed = Bed::migrated().await;
    let wrong = CorporateAction { new_isin: Some("INE999A01999".into()), ..split("10") };
    bed.storage.import_corporate_actions(&[wrong, demerger()]).await.unwrap();
    let corrected = bed.storage.import_corporate_actions(&[split("5"), demerger()]).await.unwrap();
    assert_eq!(corrected, ImportCounts { changed: 1, unchanged: 1, ..NOTHING });
    let shown =
        "SELECT factor, new_isin, cost_fraction FROM tradingdb.corporate_actions WHERE kind = 'split'";
    assert_eq!(bed.sql(shown), "5||");
}

#[tokio::test]
async fn an_import_of_no_actions_does_nothing() {
    let bed = Bed::migrated().await;
    assert_eq!(bed.storage.import_corporate_actions(&[]).await.unwrap(), NOTHING);
}
