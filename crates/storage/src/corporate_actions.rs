use ledger::CorporateAction;
use serde_json::{Value, json};

use crate::{ImportCounts, Storage, StorageError};

impl Storage {
    /// Loads corporate actions in one transaction: all of them or none.
    ///
    /// An action is recognised by ISIN, kind and ex-date, which must not repeat; what else it says replaces what was
    /// known, so that a correction can also take something away.
    pub async fn import_corporate_actions(
        &self,
        actions: &[CorporateAction],
    ) -> Result<ImportCounts, StorageError> {
        let rows: Vec<Value> = actions
            .iter()
            .map(|action| {
                json!({"isin": action.isin, "kind": action.kind.as_str(), "ex_date": action.ex_date,
                       "factor": action.factor, "new_isin": action.new_isin,
                       "cost_fraction": action.cost_fraction})
            })
            .collect();
        // In the order of their key, so that two imports cannot deadlock.
        let written = sqlx::query_scalar!(
            r#"INSERT INTO tradingdb.corporate_actions AS known
                   (isin, kind, ex_date, factor, new_isin, cost_fraction)
               SELECT x.isin, x.kind, x.ex_date, x.factor, x.new_isin, x.cost_fraction
               FROM jsonb_to_recordset($1::jsonb) AS x (
                   isin text, kind text, ex_date date, factor numeric, new_isin text, cost_fraction numeric)
               ORDER BY x.isin, x.kind, x.ex_date
               ON CONFLICT (isin, kind, ex_date) DO UPDATE
                   SET factor = excluded.factor, new_isin = excluded.new_isin,
                       cost_fraction = excluded.cost_fraction
                   WHERE (known.factor, known.new_isin, known.cost_fraction)
                         IS DISTINCT FROM (excluded.factor, excluded.new_isin, excluded.cost_fraction)
               RETURNING (xmax = 0) AS "is_new!""#,
            Value::Array(rows)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ImportCounts::of(actions.len(), written))
    }
}
