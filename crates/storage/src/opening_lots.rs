use ledger::Account;
use serde_json::{Map, Value, json};

use crate::{ImportCounts, Storage, StorageError};

/// Inventory from before the first order of an account, to load.
#[derive(Debug, Clone)]
pub struct ImportedLot {
    /// The account.
    pub account: Account,
    /// The other columns of `opening_lots` by their names, values as JSON, and what is known of the instrument.
    pub columns: Map<String, Value>,
}

impl Storage {
    /// Loads opening lots in one transaction: all of them or none.
    ///
    /// Nothing tells one lot from another but what it says, so lots are counted: two equal ones are two lots, and of
    /// those given again only as many are new as the account does not have yet.
    pub async fn import_opening_lots(&self, lots: &[ImportedLot]) -> Result<ImportCounts, StorageError> {
        let rows: Vec<Value> = lots.iter().map(row).collect();
        let mut transaction = self.begin().await?;
        // Before the rows are counted: the same file twice at once must not load a lot twice.
        self.lock_accounts(&mut transaction, lots.iter().map(|lot| &lot.account)).await?;
        self.insert_instruments(&mut transaction, lots.iter().map(|lot| &lot.columns)).await?;
        let inserted = sqlx::query_file!("src/insert_opening_lots.sql", Value::Array(rows))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let new = usize::try_from(inserted.rows_affected()).unwrap_or(0);
        Ok(ImportCounts::of(lots.len(), std::iter::repeat_n(true, new)))
    }
}

fn row(lot: &ImportedLot) -> Value {
    let mut row = lot.columns.clone();
    row.insert("organization_id".into(), json!(lot.account.organization_id));
    row.insert("pseudo_account".into(), json!(lot.account.pseudo_account));
    Value::Object(row)
}
