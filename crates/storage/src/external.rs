use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Account, KnownOrder, OrderEventKind, Plan, ReportedOrder};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

use crate::{Lease, Storage, StorageError};

/// What applying a plan changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExternalChanges {
    /// Orders that were not known.
    pub inserted: usize,
    /// Known orders that changed.
    pub updated: usize,
    /// Rows written to `order_events`.
    pub events: usize,
}

/// An external order whose notification has not been confirmed yet.
#[derive(Debug, Clone)]
pub struct UnannouncedOrder {
    /// The order's row id.
    pub id: i32,
    /// The row by its column names.
    pub row: Value,
    /// The strategy it belongs to, if any.
    pub strategy_id: Option<String>,
}

impl Storage {
    /// The account's orders of the given IST days, as far as a reconciliation compares them.
    pub async fn known_orders(
        &self,
        account: &Account,
        days: &[NaiveDate],
    ) -> Result<Vec<KnownOrder>, StorageError> {
        let organizations = self.organization_keys(account);
        let rows = sqlx::query_file!("src/known_orders.sql", account.pseudo_account, &organizations, days)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| KnownOrder {
                id: row.id.into(),
                broker_order_id: row.broker_order_id,
                exchange_order_id: row.exchange_order_id,
                exchange: row.exchange.unwrap_or_default(),
                day: row.day,
                status: row.status.unwrap_or_default(),
                quantity: row.quantity.into(),
                filled_quantity: row.filled_quantity.unwrap_or(0).into(),
                average_price: row.average_price,
                price: row.price,
                client_tag: row.publisher_id,
            })
            .collect())
    }

    /// Applies a plan in one transaction: new orders with `source = EXTERNAL` and the raw answer, changes of known
    /// ones, events, and the time of this check.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn apply_external_orders(
        &self,
        lease: &Lease,
        reported: &[ReportedOrder],
        plan: &Plan,
        kind: &str,
    ) -> Result<ExternalChanges, StorageError> {
        let mut transaction = self.begin_fenced(lease).await?;
        self.lock_orders(&mut transaction, &lease.account).await?;
        let mut events: Vec<Value> = Vec::new();
        let inserted =
            self.insert_external(&mut transaction, lease, reported, plan, kind, &mut events).await?;
        let updates: Vec<Value> = (plan.updates.iter())
            .filter_map(|update| {
                let order = reported.get(update.reported)?;
                events.extend(update.events.iter().map(|kind| event(update.id, *kind, order)));
                let mut row = columns(order);
                row["id"] = json!(update.id);
                Some(row)
            })
            .collect();
        let updated = sqlx::query_file!("src/update_external_orders.sql", Value::Array(updates))
            .execute(&mut *transaction)
            .await?;
        let event_count = events.len();
        sqlx::query!(
            r#"INSERT INTO tradingdb.order_events (order_id, event_type, "timestamp", details)
               SELECT x.order_id, x.event_type, now() AT TIME ZONE 'UTC', x.details
               FROM jsonb_to_recordset($1::jsonb) AS x (order_id integer, event_type text, details text)"#,
            Value::Array(events)
        )
        .execute(&mut *transaction)
        .await?;
        mark_check(&mut transaction, lease).await?;
        transaction.commit().await?;
        let updated = usize::try_from(updated.rows_affected()).unwrap_or(0);
        Ok(ExternalChanges { inserted, updated, events: event_count })
    }

    async fn insert_external(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        lease: &Lease,
        reported: &[ReportedOrder],
        plan: &Plan,
        kind: &str,
        events: &mut Vec<Value>,
    ) -> Result<usize, StorageError> {
        let account = &lease.account;
        let new: Vec<&ReportedOrder> = plan.new.iter().filter_map(|&index| reported.get(index)).collect();
        let names: Vec<Value> =
            (new.iter()).map(|order| json!({"exchange": order.exchange, "symbol": order.symbol})).collect();
        let keys = sqlx::query_file!(
            "src/resolve_instruments.sql",
            Value::Array(names),
            account.pseudo_account,
            &self.organization_keys(account)
        )
        .fetch_all(&mut **transaction)
        .await?;
        let mut rows: Vec<Value> = Vec::new();
        for ((order, found), kinds) in new.iter().zip(keys).zip(&plan.new_events) {
            let mut row = columns(order);
            row["id"] = json!(found.id);
            row["instrument_key"] = json!(
                found.instrument_key.unwrap_or_else(|| ledger::key_for(&order.exchange, &order.symbol))
            );
            row["isin"] = json!(found.isin);
            row["organization_id"] = json!(account.organization_id);
            row["pseudo_account"] = json!(account.pseudo_account);
            let at = order.exchange_at.or(order.placed_at).unwrap_or(lease.started_at);
            row["order_day"] = json!(ledger::ist::day_of(at));
            row["source"] = json!("EXTERNAL");
            row["platform"] = json!(kind.to_uppercase());
            row["stock_broker"] = json!(stock_broker(kind));
            row["trading_account"] = row["raw"]["account_id"].clone();
            events.extend(kinds.iter().map(|kind| event(found.id.into(), *kind, order)));
            rows.push(row);
        }
        let rows = Value::Array(rows);
        sqlx::query_file!("src/insert_instruments.sql", rows).execute(&mut **transaction).await?;
        sqlx::query!(
            r#"INSERT INTO tradingdb.orders
               SELECT o.* FROM jsonb_array_elements($1::jsonb) AS row
               CROSS JOIN LATERAL jsonb_populate_record(
                   NULL::tradingdb.orders, jsonb_build_object('timestamp', to_jsonb(now())) || row) AS o"#,
            rows
        )
        .execute(&mut **transaction)
        .await?;
        Ok(new.len())
    }

    /// Notes that the brokerage was asked, so that the next look is due after the usual interval.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now.
    pub async fn mark_external_check(&self, lease: &Lease) -> Result<(), StorageError> {
        let mut transaction = self.begin_fenced(lease).await?;
        mark_check(&mut transaction, lease).await?;
        Ok(transaction.commit().await?)
    }

    /// External orders of the account that nobody was told about yet, oldest first.
    pub async fn unannounced_orders(&self, account: &Account) -> Result<Vec<UnannouncedOrder>, StorageError> {
        let organizations = self.organization_keys(account);
        let rows = sqlx::query!(
            r#"SELECT o.id, o.strategy_id,
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
            .map(|row| UnannouncedOrder { id: row.id, row: row.row, strategy_id: row.strategy_id })
            .collect())
    }
}

async fn mark_check(
    transaction: &mut Transaction<'static, Postgres>,
    lease: &Lease,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE tradingdb.account_sync_state SET last_external_check_at = now()
         WHERE organization_id = $1 AND pseudo_account = $2",
        lease.account.organization_id,
        lease.account.pseudo_account
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whose brokerage it is, in the word of `orders.stock_broker`.
fn stock_broker(kind: &str) -> Option<&'static str> {
    match kind {
        "kite" => Some("ZERODHA"),
        _ => None,
    }
}

/// A reported order by the column names of `orders`.
fn columns(order: &ReportedOrder) -> Value {
    let integer = |quantity: Decimal| json!(quantity.normalize());
    let time = |at: Option<DateTime<Utc>>| json!(at);
    json!({
        "broker_order_id": order.broker_order_id,
        "exchange_order_id": order.exchange_order_id,
        "broker_parent_id": order.broker_parent_id,
        "publisher_id": order.client_tag,
        "exchange": order.exchange,
        "symbol": order.symbol,
        "trade_type": order.side.as_str(),
        "product_type": order.product,
        "order_type": order.order_type,
        "variety": order.variety,
        "validity": order.validity,
        "quantity": integer(order.quantity),
        "filled_quantity": integer(order.filled_quantity),
        "pending_quantity": order.pending_quantity.map(integer),
        "disclosed_quantity": order.disclosed_quantity.map(integer),
        "average_price": order.average_price,
        "price": order.price,
        "trigger_price": order.trigger_price,
        "status": order.status,
        "status_message": order.status_message,
        "platform_time": time(order.placed_at),
        "exchange_time": time(order.exchange_at),
        "raw": serde_json::from_str::<Value>(&order.raw).unwrap_or(Value::Null),
    })
}

fn event(order_id: i64, kind: OrderEventKind, order: &ReportedOrder) -> Value {
    let details = json!({"status": order.status, "filled_quantity": order.filled_quantity,
                         "average_price": order.average_price, "source": "EXTERNAL"});
    json!({"order_id": order_id, "event_type": kind.as_str(), "details": details.to_string()})
}
