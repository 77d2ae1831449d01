use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger::Account;

use crate::{Storage, StorageError};

/// An account that a tick publishes a job for.
#[derive(Debug, Clone)]
pub struct DueAccount {
    /// The account.
    pub account: Account,
    /// Whether its jobs are held back (`syncfleet account pause`).
    pub paused: bool,
    /// When its brokerage's book was last read.
    pub last_external_check_at: Option<DateTime<Utc>>,
}

/// Walks over all accounts in pages, in order of their names, each account once.
///
/// Accounts are those in the order data and those with a brokerage. The walk is a skip scan over
/// `orders_account_idx`: each step jumps to the next account, so its cost grows with accounts, not with orders.
#[derive(Debug, Default)]
pub struct AccountScan {
    after: (String, String),
    /// Organizations already seen under the current name: NULL and the default one are the same account.
    seen: BTreeSet<String>,
    done: bool,
}

impl AccountScan {
    /// A scan from the first account.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next accounts, at most `limit`; empty at the end. A page may be shorter than `limit`, never empty
    /// before the end.
    ///
    /// # Errors
    /// As any statement; the same page can be asked for again.
    pub async fn next_page(
        &mut self,
        storage: &Storage,
        limit: usize,
    ) -> Result<Vec<DueAccount>, StorageError> {
        let limit = limit.max(1);
        let mut page = Vec::new();
        while page.is_empty() && !self.done {
            let rows = sqlx::query_file!(
                "src/accounts_page.sql",
                self.after.0,
                self.after.1,
                i64::try_from(limit).unwrap_or(i64::MAX),
                &*storage.default_organization
            )
            .fetch_all(&storage.pool)
            .await?;
            self.done = rows.len() < limit;
            for row in rows {
                if row.pseudo_account != self.after.0 {
                    self.seen.clear();
                }
                self.after = (row.pseudo_account.clone(), row.stored_organization.clone());
                let account = storage.account(Some(row.stored_organization), row.pseudo_account);
                if !account.pseudo_account.is_empty() && self.seen.insert(account.organization_id.clone()) {
                    page.push(DueAccount {
                        account,
                        paused: row.paused,
                        last_external_check_at: row.last_external_check_at,
                    });
                }
            }
        }
        Ok(page)
    }
}

impl Storage {
    /// Holds an account's jobs back, or gives it jobs again. Answers whether anybody has heard of the account: of one that
    /// has neither orders nor a brokerage nor a sync behind it nothing is noted.
    pub async fn set_paused(&self, account: &Account, paused: bool) -> Result<bool, StorageError> {
        let written = sqlx::query!(
            "INSERT INTO tradingdb.account_sync_state AS s (organization_id, pseudo_account, paused)
             SELECT $1, $2, $3
             WHERE EXISTS (SELECT FROM tradingdb.account_sync_state WHERE organization_id = $1 AND pseudo_account = $2)
                OR EXISTS (SELECT FROM tradingdb.brokerage_accounts WHERE organization_id = $1 AND pseudo_account = $2)
                OR EXISTS (SELECT FROM tradingdb.orders
                           WHERE pseudo_account = $2 AND coalesce(organization_id, '') = ANY($4::text[]))
             ON CONFLICT (organization_id, pseudo_account) DO UPDATE
                 SET paused = excluded.paused,
                     resumed_at = CASE WHEN s.paused AND NOT excluded.paused THEN now() ELSE s.resumed_at END",
            account.organization_id,
            account.pseudo_account,
            paused,
            &self.organization_keys(account)
        )
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() > 0)
    }
}
