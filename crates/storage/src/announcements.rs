use ledger::Account;
use serde_json::{Value, json};

use crate::{Storage, StorageError};

/// An external order whose notification has not been confirmed yet.
#[derive(Debug, Clone)]
pub struct UnannouncedOrder {
    /// The order's row id.
    pub id: i32,
    /// The row by its column names.
    pub row: Value,
    /// `{"strategy_id", "method", "confidence"}`, or null where nobody knows its strategy.
    pub strategy: Value,
}

impl Storage {
    /// External orders of the account that nobody was told about yet, oldest first.
    pub async fn unannounced_orders(&self, account: &Account) -> Result<Vec<UnannouncedOrder>, StorageError> {
        let organizations = self.organization_keys(account);
        let rows = sqlx::query!(
            r#"SELECT o.id, o.strategy_id, o.strategy_method, o.strategy_confidence,
                      to_jsonb(o) - '{raw,line_digest,order_day,announced_at}'::text[] AS "row!"
               FROM tradingdb.orders o
               WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2)
                 AND o.source = 'EXTERNAL' AND o.announced_at IS NULL
               ORDER BY o.id"#,
            account.pseudo_account,
            &organizations
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| UnannouncedOrder {
                id: row.id,
                row: row.row,
                strategy: row.strategy_id.map_or(Value::Null, |strategy_id| {
                    json!({"strategy_id": strategy_id, "method": row.strategy_method,
                           "confidence": row.strategy_confidence})
                }),
            })
            .collect())
    }
}
