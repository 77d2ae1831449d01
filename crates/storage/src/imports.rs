use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use ledger::Account;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::transaction::Transaction;
use crate::{Storage, StorageError};

/// An order to load, with how it is recognised when it comes again.
#[derive(Debug, Clone)]
pub struct ImportedOrder {
    /// The account.
    pub account: Account,
    /// The exchange, part of the order's identity.
    pub exchange: String,
    /// IST day of the order's time, part of the identity.
    pub day: NaiveDate,
    /// The exchange's id; without it the order is recognised by `line_digest`.
    pub exchange_order_id: Option<String>,
    /// SHA-256 of the line, when it carries no `exchange_order_id`.
    pub line_digest: Option<String>,
    /// The other columns of `orders` by their names, values as JSON.
    pub columns: Map<String, Value>,
    /// Single executions, where they are known.
    pub fills: Vec<ImportedFill>,
}

/// One execution of an imported order.
#[derive(Debug, Clone)]
pub struct ImportedFill {
    /// The exchange's trade id.
    pub trade_id: String,
    /// Executed quantity, positive.
    pub quantity: Decimal,
    /// Rupees per unit.
    pub price: Decimal,
    /// When.
    pub at: DateTime<Utc>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Orders that were not there.
    pub orders_new: usize,
    /// Orders that were there and changed.
    pub orders_changed: usize,
    /// Orders that were there and say nothing new.
    pub orders_unchanged: usize,
    /// Executions that were not there.
    pub fills_new: usize,
}

/// Orders per statement: bounds the size of one JSON parameter.
const BATCH: usize = 2000;

impl Storage {
    /// Loads orders in one transaction: all of them or none.
    ///
    /// An order is recognised by (organization, account, exchange, IST day, `exchange_order_id`), else by its
    /// line. Of two states of one order the larger `filled_quantity` wins, the one imported later when equal.
    /// Executions are added; the same one again replaces the earlier.
    pub async fn import_orders(&self, orders: &[ImportedOrder]) -> Result<ImportSummary, StorageError> {
        self.import_orders_telling(orders, |_| ()).await
    }

    /// As [`Self::import_orders`], telling now and then how many orders it has been through. None counts before all do.
    pub async fn import_orders_telling(
        &self,
        orders: &[ImportedOrder],
        mut tell: impl FnMut(usize),
    ) -> Result<ImportSummary, StorageError> {
        let mut transaction = self.begin().await?;
        self.lock_accounts(&mut transaction, orders.iter().map(|order| &order.account)).await?;
        self.insert_instruments(&mut transaction, orders.iter().map(|order| &order.columns)).await?;
        let mut summary = ImportSummary::default();
        for batch in orders.chunks(BATCH) {
            self.import_batch(&mut transaction, batch, &mut summary).await?;
            tell(summary.orders_new + summary.orders_changed + summary.orders_unchanged);
        }
        transaction.commit().await?;
        Ok(summary)
    }

    /// Serialises writers of the accounts' orders and lots; in name order, so that two imports cannot deadlock.
    pub(crate) async fn lock_accounts<'a>(
        &self,
        transaction: &mut Transaction,
        accounts: impl Iterator<Item = &'a Account>,
    ) -> Result<(), StorageError> {
        for account in accounts.collect::<BTreeSet<_>>() {
            self.lock_orders(transaction, account).await?;
        }
        Ok(())
    }

    /// Keeps other imports and detections of this account out until the transaction ends.
    pub(crate) async fn lock_orders(
        &self,
        transaction: &mut Transaction,
        account: &Account,
    ) -> Result<(), StorageError> {
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('syncfleet orders ' || $1 || '/' || $2, 0))",
            account.organization_id,
            account.pseudo_account
        )
        .fetch_one(&mut **transaction)
        .await?;
        Ok(())
    }

    /// All of the file at once and in their order, so that two imports cannot deadlock.
    pub(crate) async fn insert_instruments<'a>(
        &self,
        transaction: &mut Transaction,
        rows: impl Iterator<Item = &'a Map<String, Value>>,
    ) -> Result<(), StorageError> {
        let mut by_key: BTreeMap<&str, &Map<String, Value>> = BTreeMap::new();
        for columns in rows {
            let Some(key) = columns.get("instrument_key").and_then(Value::as_str) else { continue };
            let known = by_key.entry(key).or_insert(columns);
            if !known.contains_key("isin") {
                *known = columns;
            }
        }
        let rows: Vec<Value> = by_key.into_values().map(|columns| Value::Object(columns.clone())).collect();
        sqlx::query_file!("src/insert_instruments.sql", Value::Array(rows))
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    async fn import_batch(
        &self,
        transaction: &mut Transaction,
        batch: &[ImportedOrder],
        summary: &mut ImportSummary,
    ) -> Result<(), StorageError> {
        let identities: Vec<Value> = batch
            .iter()
            .enumerate()
            .map(|(ord, order)| {
                json!({"ord": ord, "organization_id": order.account.organization_id,
                       "pseudo_account": order.account.pseudo_account, "exchange": order.exchange,
                       "order_day": order.day, "exchange_order_id": order.exchange_order_id,
                       "line_digest": order.line_digest})
            })
            .collect();
        let found = sqlx::query_file!(
            "src/find_imported_orders.sql",
            Value::Array(identities),
            &*self.default_organization
        )
        .fetch_all(&mut **transaction)
        .await?;
        let (mut inserts, mut updates, mut fills) = (Vec::new(), Vec::new(), Vec::new());
        for (order, known) in batch.iter().zip(found) {
            let id = known.id;
            let mut row = order.columns.clone();
            row.insert("id".into(), json!(id));
            row.insert("organization_id".into(), json!(order.account.organization_id));
            row.insert("pseudo_account".into(), json!(order.account.pseudo_account));
            row.insert("exchange".into(), json!(order.exchange));
            row.insert("exchange_order_id".into(), json!(order.exchange_order_id));
            row.insert("line_digest".into(), json!(order.line_digest));
            row.insert("order_day".into(), json!(order.day));
            row.insert("source".into(), json!("IMPORT"));
            row.entry("variety").or_insert_with(|| json!("REGULAR"));
            if known.exists {
                updates.push(Value::Object(row))
            } else {
                inserts.push(Value::Object(row))
            }
            fills.extend(order.fills.iter().map(|fill| {
                json!({"order_id": id, "trade_id": fill.trade_id, "quantity": fill.quantity,
                       "price": fill.price, "at": fill.at})
            }));
        }
        let (inserted, known) = (inserts.len(), updates.len());
        sqlx::query!(
            r#"INSERT INTO tradingdb.orders
               SELECT o.* FROM jsonb_array_elements($1::jsonb) AS row
               CROSS JOIN LATERAL jsonb_populate_record(
                   NULL::tradingdb.orders, jsonb_build_object('timestamp', to_jsonb(now())) || row) AS o"#,
            Value::Array(inserts)
        )
        .execute(&mut **transaction)
        .await?;
        let changed = sqlx::query_file!("src/update_imported_orders.sql", Value::Array(updates))
            .execute(&mut **transaction)
            .await?;
        let new_fills = sqlx::query_file_scalar!("src/upsert_fills.sql", Value::Array(fills))
            .fetch_one(&mut **transaction)
            .await?;
        summary.orders_new += inserted;
        let changed = usize::try_from(changed.rows_affected()).unwrap_or(0);
        summary.orders_changed += changed;
        summary.orders_unchanged += known - changed;
        summary.fills_new += usize::try_from(new_fills).unwrap_or(0);
        Ok(())
    }
}
