use ledger::Account;

use crate::{Storage, StorageError};

/// Which brokerage an account is at. The secrets are references (`env:NAME`, `file:PATH`), never the secrets.
#[derive(Debug, Clone)]
pub struct BrokerageAccount {
    /// The account.
    pub account: Account,
    /// `kite`.
    pub kind: String,
    /// Where its API answers.
    pub base_url: String,
    /// Reference to the API key.
    pub api_key_ref: String,
    /// Reference to the access token.
    pub access_token_ref: String,
}

impl Storage {
    /// Adds or replaces the brokerage of an account.
    pub async fn put_brokerage_account(&self, entry: &BrokerageAccount) -> Result<(), StorageError> {
        sqlx::query!(
            "INSERT INTO tradingdb.brokerage_accounts
                 (organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (organization_id, pseudo_account) DO UPDATE
                 SET kind = excluded.kind, base_url = excluded.base_url, api_key_ref = excluded.api_key_ref,
                     access_token_ref = excluded.access_token_ref",
            entry.account.organization_id,
            entry.account.pseudo_account,
            entry.kind,
            entry.base_url,
            entry.api_key_ref,
            entry.access_token_ref
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The brokerage of an account, if it has one.
    pub async fn brokerage_account(
        &self,
        account: &Account,
    ) -> Result<Option<BrokerageAccount>, StorageError> {
        let row = sqlx::query!(
            "SELECT kind, base_url, api_key_ref, access_token_ref FROM tradingdb.brokerage_accounts
             WHERE organization_id = $1 AND pseudo_account = $2",
            account.organization_id,
            account.pseudo_account
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| BrokerageAccount {
            account: account.clone(),
            kind: row.kind,
            base_url: row.base_url,
            api_key_ref: row.api_key_ref,
            access_token_ref: row.access_token_ref,
        }))
    }

    /// Every account with a brokerage, by name.
    pub async fn brokerage_accounts(&self) -> Result<Vec<BrokerageAccount>, StorageError> {
        let rows = sqlx::query!(
            "SELECT organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref
             FROM tradingdb.brokerage_accounts ORDER BY pseudo_account, organization_id"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| BrokerageAccount {
                account: Account::new(row.organization_id, row.pseudo_account),
                kind: row.kind,
                base_url: row.base_url,
                api_key_ref: row.api_key_ref,
                access_token_ref: row.access_token_ref,
            })
            .collect())
    }
}
