use chrono::{DateTime, Utc};
use ledger::Account;
use serde_json::Value;

use crate::snapshot::rows_beside_orders;
use crate::{AccountScan, Storage, StorageError};

/// How up to date an account is.
#[derive(Debug, Clone)]
pub struct AccountOverview {
    /// The account.
    pub account: Account,
    /// Status of its last job that ended; `None` when it was never synced.
    pub status: Option<String>,
    /// When that was, however it ended.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// When it last was synced with `success` or `partial_success`.
    pub last_success_at: Option<DateTime<Utc>>,
    /// Seconds since then, by PostgreSQL's clock; where it never was, since its first job was due. `None`: neither is known.
    pub staleness_seconds: Option<i64>,
    /// Its orders that were placed elsewhere and still live: open, or waiting for a trigger.
    pub open_external_orders: i64,
    /// Whether its jobs are held back.
    pub paused: bool,
    /// Its brokerage, if it has one.
    pub brokerage: Option<String>,
    /// Since when its brokerage refuses the login, and in which words.
    pub login_needed: Option<(DateTime<Utc>, String)>,
}

/// One account with its rows.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// How up to date it is.
    pub overview: AccountOverview,
    /// `positions` by column names, by instrument.
    pub positions: Vec<Value>,
    /// `holdings` by column names, by symbol.
    pub holdings: Vec<Value>,
    /// What the last generation found that does not add up, and what the last look at the brokerage found that does not
    /// agree with it.
    pub discrepancies: Value,
}

impl Storage {
    /// Every account with its last outcome, by name.
    pub async fn account_overviews(&self) -> Result<Vec<AccountOverview>, StorageError> {
        let mut overviews = Vec::new();
        let mut scan = AccountScan::new();
        loop {
            let page = scan.next_page(self, 1000).await?;
            if page.is_empty() {
                return Ok(overviews);
            }
            let accounts: Vec<Account> = page.into_iter().map(|due| due.account).collect();
            overviews.extend(self.overviews_of(&accounts).await?);
        }
    }

    /// How up to date one account is; one nobody has heard of was never synced.
    pub async fn account_overview(&self, account: &Account) -> Result<AccountOverview, StorageError> {
        let mut overviews = self.overviews_of(std::slice::from_ref(account)).await?;
        Ok(overviews.pop().unwrap_or_else(|| AccountOverview {
            account: account.clone(),
            status: None,
            last_sync_at: None,
            last_success_at: None,
            staleness_seconds: None,
            open_external_orders: 0,
            paused: false,
            brokerage: None,
            login_needed: None,
        }))
    }

    /// One account with its rows; an account nobody has heard of has none.
    pub async fn account_view(&self, account: &Account) -> Result<AccountView, StorageError> {
        let overview = self.account_overview(account).await?;
        let discrepancies = sqlx::query_scalar!(
            r#"SELECT coalesce(jsonb_agg(finding ORDER BY finding ->> 'kind', finding ->> 'instrument_key',
                                         finding ->> 'since'), '[]') AS "findings!"
               FROM (
                   SELECT finding FROM tradingdb.ledger_families, jsonb_array_elements(findings) AS finding
                   WHERE pseudo_account = $1 AND organization_id = $2 AND strategy_id = '' AND findings <> '[]'
                   UNION ALL
                   SELECT finding FROM tradingdb.account_sync_state, jsonb_array_elements(discrepancies) AS finding
                   WHERE pseudo_account = $1 AND organization_id = $2
               ) f"#,
            account.pseudo_account,
            account.organization_id
        )
        .fetch_one(&self.pool)
        .await?;
        let organizations = self.organization_keys(account);
        let rows = rows_beside_orders(&self.pool, account, &organizations).await?;
        Ok(AccountView {
            overview,
            positions: parse(rows.positions.iter().map(|row| &*row.json))?,
            holdings: parse(rows.holdings.iter().map(|row| &*row.json))?,
            discrepancies,
        })
    }

    async fn overviews_of(&self, accounts: &[Account]) -> Result<Vec<AccountOverview>, StorageError> {
        let organizations: Vec<String> = accounts.iter().map(|a| a.organization_id.clone()).collect();
        let names: Vec<String> = accounts.iter().map(|a| a.pseudo_account.clone()).collect();
        let rows = sqlx::query!(
            r#"SELECT wanted.organization_id AS "organization_id!", wanted.pseudo_account AS "pseudo_account!",
                      s.last_status AS "last_status?", s.last_sync_at AS "last_sync_at?",
                      good.at AS "last_success_at?",
                      extract(epoch FROM now() - coalesce(good.at, s.due_since))::bigint AS "staleness?",
                      (SELECT count(*) FROM tradingdb.orders o
                       WHERE o.pseudo_account = wanted.pseudo_account AND o.source = 'EXTERNAL'
                         AND coalesce(nullif(o.organization_id, ''), $3) = wanted.organization_id
                         AND upper(replace(o.status, ' ', '_')) IN (
                             'OPEN', 'TRIGGER_PENDING', 'PENDING', 'PUT_ORDER_REQ_RECEIVED', 'VALIDATION_PENDING',
                             'OPEN_PENDING', 'MODIFY_VALIDATION_PENDING', 'MODIFY_PENDING', 'MODIFIED', 'CANCEL_PENDING',
                             'AMO_REQ_RECEIVED', 'NOT_MODIFIED', 'NOT_CANCELLED')) AS "open_external_orders!",
                      coalesce(s.paused, false) AS "paused!", b.kind AS "brokerage?",
                      b.login_refused_at AS "login_refused_at?",
                      b.login_refused_message AS "login_refused_message?"
               FROM unnest($1::text[], $2::text[]) WITH ORDINALITY
                    AS wanted (organization_id, pseudo_account, ord)
               LEFT JOIN tradingdb.account_sync_state s USING (organization_id, pseudo_account)
               LEFT JOIN tradingdb.brokerage_accounts b USING (organization_id, pseudo_account)
               CROSS JOIN LATERAL (
                   SELECT greatest(s.last_success_at,
                                   CASE WHEN s.last_status IN ('success', 'partial_success') THEN s.last_sync_at END) AS at
               ) good
               ORDER BY wanted.ord"#,
            &organizations,
            &names,
            &*self.default_organization
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AccountOverview {
                account: Account::new(row.organization_id, row.pseudo_account),
                status: row.last_status,
                last_sync_at: row.last_sync_at,
                last_success_at: row.last_success_at,
                // Due later in a tick's spread is not stale.
                staleness_seconds: row.staleness.map(|seconds| seconds.max(0)),
                open_external_orders: row.open_external_orders,
                paused: row.paused,
                brokerage: row.brokerage,
                login_needed: row.login_refused_at.zip(row.login_refused_message),
            })
            .collect())
    }
}

fn parse<'a>(rows: impl Iterator<Item = &'a str>) -> Result<Vec<Value>, StorageError> {
    rows.map(|text| {
        serde_json::from_str(text).map_err(|error| StorageError::from(sqlx::Error::Decode(Box::new(error))))
    })
    .collect()
}
