use ledger::{Book, Holding, Position};
use serde_json::{Value, json};

use crate::{Lease, Storage, StorageError};

/// What a generation made, ready to replace the account's rows.
#[derive(Debug)]
pub struct GeneratedRows<'a> {
    /// The new positions and holdings.
    pub book: &'a Book,
    /// What they were generated from.
    pub digest: &'a str,
    /// What does not add up, as shown by `account show`.
    pub discrepancies: &'a Value,
}

/// How many rows an account has after a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRows {
    /// Rows in `positions`.
    pub positions: usize,
    /// Rows in `holdings`.
    pub holdings: usize,
}

impl Storage {
    /// Replaces the account's positions and holdings in one transaction: rows that vanished are deleted, rows that
    /// did not change are not touched, and what the book does not know stays as it was.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn store_book(
        &self,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<StoredRows, StorageError> {
        let account = &lease.account;
        let organizations = self.organization_keys(account);
        let positions = Value::Array(rows.book.positions.iter().map(position_row).collect());
        let holdings = Value::Array(rows.book.holdings.iter().map(holding_row).collect());
        let withheld: Vec<String> =
            (rows.book.withheld.iter()).flat_map(|queue| queue.instrument_keys.iter().cloned()).collect();
        let withheld_isins: Vec<String> =
            (rows.book.withheld.iter()).filter_map(|queue| queue.isin.clone()).collect();
        let mut transaction = self.begin_fenced(lease).await?;
        sqlx::query!(
            "INSERT INTO tradingdb.symbols (instrument_key, stock_code)
             SELECT DISTINCT ON (x.instrument_key) x.instrument_key, x.symbol
             FROM jsonb_to_recordset($1::jsonb || $2::jsonb) AS x (instrument_key text, symbol text)
             ORDER BY x.instrument_key
             ON CONFLICT DO NOTHING",
            positions,
            holdings
        )
        .execute(&mut *transaction)
        .await?;
        for statement in [
            sqlx::query_file!(
                "src/delete_positions.sql",
                account.pseudo_account,
                &organizations,
                positions,
                &withheld
            ),
            sqlx::query_file!(
                "src/update_positions.sql",
                account.pseudo_account,
                &organizations,
                positions,
                account.organization_id
            ),
            sqlx::query_file!(
                "src/insert_positions.sql",
                account.pseudo_account,
                &organizations,
                positions,
                account.organization_id
            ),
            sqlx::query_file!(
                "src/delete_holdings.sql",
                account.pseudo_account,
                &organizations,
                holdings,
                &withheld,
                &withheld_isins
            ),
            sqlx::query_file!(
                "src/update_holdings.sql",
                account.pseudo_account,
                &organizations,
                holdings,
                account.organization_id
            ),
            sqlx::query_file!(
                "src/insert_holdings.sql",
                account.pseudo_account,
                &organizations,
                holdings,
                account.organization_id
            ),
        ] {
            statement.execute(&mut *transaction).await?;
        }
        sqlx::query!(
            "UPDATE tradingdb.account_sync_state
             SET last_generation_at = now(), generation_digest = $3, discrepancies = $4
             WHERE organization_id = $1 AND pseudo_account = $2",
            account.organization_id,
            account.pseudo_account,
            rows.digest,
            rows.discrepancies
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(StoredRows { positions: rows.book.positions.len(), holdings: rows.book.holdings.len() })
    }
}

/// A position by its columns; the quantities as integers, since the ledger withholds rows with fractional ones.
pub(crate) fn position_row(position: &Position) -> Value {
    let mut row = json!(position);
    for (column, quantity) in [
        ("buy_quantity", position.buy_quantity),
        ("sell_quantity", position.sell_quantity),
        ("net_quantity", position.net_quantity),
        ("overnight_quantity", position.overnight_quantity),
        ("multiplier", position.multiplier),
    ] {
        row[column] = json!(quantity.normalize());
    }
    row
}

pub(crate) fn holding_row(holding: &Holding) -> Value {
    let mut row = json!(holding);
    for (column, quantity) in
        [("quantity", holding.quantity), ("totalqty", holding.totalqty), ("t1_qty", holding.t1_qty)]
    {
        row[column] = json!(quantity.normalize());
    }
    row
}
