use std::collections::BTreeMap;

use ledger::{Account, Assignment, Evidence};

use crate::transaction::Transaction;
use crate::{Storage, StorageError};

impl Storage {
    /// The strategy that orders placed elsewhere are given to, by the key of their instrument: one read for all.
    pub(crate) async fn assignments(
        &self,
        transaction: &mut Transaction,
        account: &Account,
        keys: &[String],
    ) -> Result<BTreeMap<String, Assignment>, StorageError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = sqlx::query_file!(
            "src/assignment_evidence.sql",
            account.pseudo_account,
            &self.organization_keys(account),
            keys,
            account.organization_id
        )
        .fetch_all(&mut **transaction)
        .await?;
        let mut active = Vec::new();
        let mut evidence: BTreeMap<&str, Evidence> = BTreeMap::new();
        for row in &rows {
            let Some(key) = row.instrument_key.as_deref() else {
                active.push(row.strategy_id.clone());
                continue;
            };
            let of_key = evidence.entry(key).or_default();
            let list = if row.kind == "holding" { &mut of_key.holding } else { &mut of_key.recent };
            list.push(row.strategy_id.clone());
        }
        let assigned = keys.iter().filter_map(|key| {
            let evidence = evidence.get(key.as_str()).cloned().unwrap_or_default();
            Some((key.clone(), ledger::assign(&Evidence { active: active.clone(), ..evidence })?))
        });
        Ok(assigned.collect())
    }
}
