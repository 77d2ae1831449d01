use chrono::{DateTime, Utc};
use ledger::Account;

use crate::{Lease, Storage, StorageError};

/// Which brokerage an account is at. The secrets are references (`env:NAME`, `file:PATH`), never the secrets.
#[derive(Debug, Clone)]
pub struct BrokerageAccount {
    /// The account.
    pub account: Account,
    /// `kite`, `autotrader` or `paper`.
    pub kind: String,
    /// Where its API answers.
    pub base_url: String,
    /// Reference to the API key; empty where the brokerage has none.
    pub api_key_ref: String,
    /// Reference to the access token; empty where the brokerage has none.
    pub access_token_ref: String,
    /// That its login was refused, if it was.
    pub refused: Option<RefusedLogin>,
}

/// A login that the brokerage refused: it is not tried again with the same secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogin {
    /// When.
    pub at: DateTime<Utc>,
    /// Of the secrets.
    pub digest: String,
    /// What the brokerage said.
    pub message: String,
}

/// A row of `brokerage_accounts`.
struct Row {
    organization_id: String,
    pseudo_account: String,
    kind: String,
    base_url: String,
    api_key_ref: String,
    access_token_ref: String,
    login_refused_at: Option<DateTime<Utc>>,
    login_refused_digest: Option<String>,
    login_refused_message: Option<String>,
}

impl Storage {
    /// Adds or replaces the brokerage of an account. A login that was refused is tried again.
    pub async fn put_brokerage_account(&self, entry: &BrokerageAccount) -> Result<(), StorageError> {
        sqlx::query!(
            "INSERT INTO tradingdb.brokerage_accounts
                 (organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (organization_id, pseudo_account) DO UPDATE
                 SET kind = excluded.kind, base_url = excluded.base_url, api_key_ref = excluded.api_key_ref,
                     access_token_ref = excluded.access_token_ref, login_refused_at = NULL,
                     login_refused_digest = NULL, login_refused_message = NULL",
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
        let row = sqlx::query_as!(
            Row,
            "SELECT organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref,
                    login_refused_at, login_refused_digest, login_refused_message
             FROM tradingdb.brokerage_accounts WHERE organization_id = $1 AND pseudo_account = $2",
            account.organization_id,
            account.pseudo_account
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Row::read))
    }

    /// Every account with a brokerage, by name.
    pub async fn brokerage_accounts(&self) -> Result<Vec<BrokerageAccount>, StorageError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT organization_id, pseudo_account, kind, base_url, api_key_ref, access_token_ref,
                    login_refused_at, login_refused_digest, login_refused_message
             FROM tradingdb.brokerage_accounts ORDER BY pseudo_account, organization_id"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Notes whether the brokerage accepts the login of an account: `None` that it does, else the refused secrets' digest
    /// and the brokerage's words. The first refusal's time stays.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn note_login(&self, lease: &Lease, refused: Option<(&str, &str)>) -> Result<(), StorageError> {
        let (digest, message) = refused.unzip();
        let mut transaction = self.begin_fenced(lease).await?;
        sqlx::query!(
            "UPDATE tradingdb.brokerage_accounts
             SET login_refused_at = CASE WHEN $3::text IS NULL THEN NULL
                     WHEN login_refused_digest = $3 THEN login_refused_at ELSE now() END,
                 login_refused_digest = $3, login_refused_message = $4
             WHERE organization_id = $1 AND pseudo_account = $2",
            lease.account.organization_id,
            lease.account.pseudo_account,
            digest,
            message
        )
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Lets workers try an account's login again: somebody has seen it accepted.
    pub async fn forget_refused_login(&self, account: &Account) -> Result<(), StorageError> {
        sqlx::query!(
            "UPDATE tradingdb.brokerage_accounts
             SET login_refused_at = NULL, login_refused_digest = NULL, login_refused_message = NULL
             WHERE organization_id = $1 AND pseudo_account = $2",
            account.organization_id,
            account.pseudo_account
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many accounts of each kind of brokerage wait for a login.
    pub async fn logins_needed(&self) -> Result<Vec<(String, i64)>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT kind, count(login_refused_at) AS "waiting!" FROM tradingdb.brokerage_accounts
               GROUP BY kind ORDER BY kind"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.kind, row.waiting)).collect())
    }
}

impl Row {
    fn read(self) -> BrokerageAccount {
        let refused = self.login_refused_at.zip(self.login_refused_digest);
        BrokerageAccount {
            account: Account::new(self.organization_id, self.pseudo_account),
            kind: self.kind,
            base_url: self.base_url,
            api_key_ref: self.api_key_ref,
            access_token_ref: self.access_token_ref,
            refused: refused.map(|(at, digest)| RefusedLogin {
                at,
                digest,
                message: self.login_refused_message.unwrap_or_default(),
            }),
        }
    }
}
