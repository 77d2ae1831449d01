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
    /// When a job of it last ended in a run, or was given up.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// When it last was synced with `success` or `partial_success`.
    pub last_success_at: Option<DateTime<Utc>>,
    /// When its first job of a tick was due, or when it was resumed, if that is later. `None`: it never was, or nobody noted it.
    pub due_since: Option<DateTime<Utc>>,
}

impl DueAccount {
    /// Since when it has not been in order: since its last good sync, or since it is due, if that is later. `None` while it
    /// has not been due yet.
    pub fn stale_since(&self) -> Option<DateTime<Utc>> {
        // `None` is less than any instant.
        self.last_success_at.max(self.due_since)
    }
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
                        last_sync_at: row.last_sync_at,
                        last_success_at: row.last_success_at,
                        due_since: row.due_since,
                    });
                }
            }
        }
        Ok(page)
    }
}

impl Storage {
    /// Notes since when accounts are due that were never synced: each with the instant from which its first job may run. An
    /// instant that is noted already stands.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] within half a second where a run is about to write one of them: a tick waits for none.
    pub async fn note_due(&self, accounts: &[(&Account, DateTime<Utc>)]) -> Result<(), StorageError> {
        let organizations: Vec<String> =
            accounts.iter().map(|(account, _)| account.organization_id.clone()).collect();
        let names: Vec<String> = accounts.iter().map(|(account, _)| account.pseudo_account.clone()).collect();
        let since: Vec<DateTime<Utc>> = accounts.iter().map(|(_, since)| *since).collect();
        let mut transaction = self.begin_with("BEGIN; SET LOCAL lock_timeout = '500ms'").await?;
        sqlx::query!(
            "INSERT INTO tradingdb.account_sync_state AS s (organization_id, pseudo_account, due_since)
             SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) ORDER BY 1, 2
             ON CONFLICT (organization_id, pseudo_account) DO UPDATE SET due_since = excluded.due_since
                 WHERE s.due_since IS NULL",
            &organizations,
            &names,
            &since
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

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
                     due_since = CASE WHEN s.paused AND NOT excluded.paused THEN now() ELSE s.due_since END",
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
