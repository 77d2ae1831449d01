use ledger::{Account, Discrepancy, OwnRow};

use crate::{Lease, Storage, StorageError};

/// The generated rows of an account, as far as they are compared with its brokerage's.
#[derive(Debug, Clone, Default)]
pub struct ComparedRows {
    /// Positions.
    pub positions: Vec<OwnRow>,
    /// Holdings.
    pub holdings: Vec<OwnRow>,
}

impl Storage {
    /// Reads what is compared with the brokerage's own positions and holdings.
    pub async fn compared_rows(&self, account: &Account) -> Result<ComparedRows, StorageError> {
        let organizations = self.organization_keys(account);
        let rows = sqlx::query_file!("src/compared_rows.sql", account.pseudo_account, &organizations)
            .fetch_all(&self.pool)
            .await?;
        let mut compared = ComparedRows::default();
        for row in rows {
            let list = if row.is_holding { &mut compared.holdings } else { &mut compared.positions };
            list.push(OwnRow {
                instrument_key: row.instrument_key,
                exchange: row.exchange,
                symbol: row.symbol,
                isin: row.isin,
                product: row.product,
                quantity: row.quantity.into(),
            });
        }
        Ok(compared)
    }

    /// Keeps what a look at the brokerage found that does not agree with it, in place of what the last one found.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn store_differences(
        &self,
        lease: &Lease,
        differences: &[Discrepancy],
    ) -> Result<(), StorageError> {
        let mut transaction = self.begin_fenced(lease).await?;
        sqlx::query!(
            "UPDATE tradingdb.account_sync_state SET discrepancies = $3
             WHERE organization_id = $1 AND pseudo_account = $2 AND discrepancies IS DISTINCT FROM $3",
            lease.account.organization_id,
            lease.account.pseudo_account,
            serde_json::json!(differences)
        )
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}
