use ledger::Account;
use serde_json::Value;

use crate::{Storage, StorageError};

/// One order of an account, for people to look at.
#[derive(Debug, Clone)]
pub struct AccountOrder {
    /// The row by its column names.
    pub row: Value,
}

impl Storage {
    /// The account's latest orders, newest first; `external`: only those placed elsewhere. At most `limit`.
    pub async fn account_orders(
        &self,
        account: &Account,
        external: bool,
        limit: i64,
    ) -> Result<Vec<AccountOrder>, StorageError> {
        let rows = sqlx::query_scalar!(
            r#"SELECT to_jsonb(o) - '{raw,line_digest,order_day}'::text[] AS "row!"
               FROM tradingdb.orders o
               WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2)
                 AND (NOT $3 OR o.source = 'EXTERNAL')
               ORDER BY coalesce(o.exchange_time, o.platform_time, o."timestamp") DESC NULLS LAST, o.id DESC
               LIMIT $4"#,
            account.pseudo_account,
            &self.organization_keys(account),
            external,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| AccountOrder { row }).collect())
    }
}
