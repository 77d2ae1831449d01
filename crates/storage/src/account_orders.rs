use ledger::Account;
use serde_json::Value;

use crate::{Storage, StorageError};

impl Storage {
    /// The account's latest orders by their column names, newest first, at most `limit`. `external`: only those placed
    /// elsewhere; `unassigned`: only those that have no strategy.
    pub async fn account_orders(
        &self,
        account: &Account,
        external: bool,
        unassigned: bool,
        limit: i64,
    ) -> Result<Vec<Value>, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT to_jsonb(o) - '{raw,line_digest,order_day}'::text[] AS "row!"
               FROM tradingdb.orders o
               WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2)
                 AND (NOT $3 OR o.source = 'EXTERNAL') AND (NOT $4 OR o.strategy_id IS NULL)
               ORDER BY coalesce(o.exchange_time, o.platform_time, o."timestamp") DESC NULLS LAST, o.id DESC
               LIMIT $5"#,
            account.pseudo_account,
            &self.organization_keys(account),
            external,
            unassigned,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
