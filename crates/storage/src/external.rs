use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger::{
    Assignment, Labels, NewOrder, OrderEventKind, OrderSource, Plan, ReportedMargin, ReportedOrder,
    ReportedTrade, TradePlan,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::transaction::Transaction;
use crate::{Lease, Storage, StorageError};

/// What a look at a brokerage found, compared with what is stored.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Its order book.
    pub orders: &'a [ReportedOrder],
    /// What the book changes.
    pub plan: &'a Plan,
    /// Its trade book; empty if it did not come.
    pub trades: &'a [ReportedTrade],
    /// What the trade book changes.
    pub trade_plan: &'a TradePlan,
    /// The account's money; `None`: it did not come.
    pub margins: Option<&'a [ReportedMargin]>,
    /// What the brokerage and the account are called.
    pub labels: &'a Labels,
    /// No order was left for later, so that the next look is due after the usual interval.
    pub is_whole: bool,
}

/// What taking in a look changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExternalChanges {
    /// Orders placed elsewhere that were not known.
    pub inserted: usize,
    /// Parts of own orders that were not known.
    pub legs: usize,
    /// Known orders that changed.
    pub updated: usize,
    /// Rows written to `order_events`.
    pub events: usize,
}

impl Storage {
    /// Takes in a look in one transaction and with one statement a table, however many orders there are: new orders with
    /// their source and the raw answer, changes of known ones, executions, events at the brokerage's time, margins, and
    /// the time of this check.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn take_in(&self, lease: &Lease, look: &Look<'_>) -> Result<ExternalChanges, StorageError> {
        let mut transaction = self.begin_fenced(lease).await?;
        self.lock_orders(&mut transaction, &lease.account).await?;
        let mut events: Vec<Value> = Vec::new();
        let new = self.insert_new(&mut transaction, lease, look, &mut events).await?;
        update_known(&mut transaction, look, &mut events).await?;
        update_vanished(&mut transaction, lease, look.plan, &mut events).await?;
        store_trades(&mut transaction, look, &new).await?;
        insert_events(&mut transaction, &events).await?;
        remove_doubles(&mut transaction, &look.plan.doubles).await?;
        self.store_margins(&mut transaction, lease, look.margins.unwrap_or_default(), look.labels).await?;
        if look.is_whole {
            mark_check(&mut transaction, lease).await?;
        }
        transaction.commit().await?;
        let legs = look.plan.new.iter().filter(|new| new.own.is_some()).count();
        Ok(ExternalChanges {
            inserted: new.len() - legs,
            legs,
            updated: look.plan.updates.len() + look.plan.vanished.len(),
            events: events.len(),
        })
    }

    /// Returns the row of each new order, by its index in the book.
    async fn insert_new(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        look: &Look<'_>,
        events: &mut Vec<Value>,
    ) -> Result<BTreeMap<usize, i32>, StorageError> {
        let account = &lease.account;
        let new: Vec<(&NewOrder, &ReportedOrder)> =
            (look.plan.new.iter()).filter_map(|new| Some((new, look.orders.get(new.reported)?))).collect();
        if new.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = new.iter().map(|(_, order)| json!({"exchange": order.exchange, "symbol": order.symbol}));
        let found = sqlx::query_file!(
            "src/resolve_instruments.sql",
            Value::Array(names.collect()),
            account.pseudo_account,
            &self.organization_keys(account)
        )
        .fetch_all(&mut **transaction)
        .await?;
        let keys: Vec<String> = (new.iter().zip(&found))
            .map(|((_, order), found)| {
                let known = found.instrument_key.clone();
                known.unwrap_or_else(|| ledger::key_for(&order.exchange, &order.symbol))
            })
            .collect();
        let assigned = self.assignments(transaction, account, &keys).await?;
        let mut rows: Vec<Value> = Vec::new();
        let mut ids = BTreeMap::new();
        for (((new, order), found), key) in new.iter().zip(found).zip(&keys) {
            let mut row = columns(order);
            assign(&mut row, new, assigned.get(key));
            row["id"] = json!(found.id);
            row["instrument_key"] = json!(key);
            row["isin"] = json!(found.isin);
            row["organization_id"] = json!(account.organization_id);
            row["pseudo_account"] = json!(account.pseudo_account);
            let at = order.exchange_at.or(order.placed_at).unwrap_or(lease.started_at);
            row["order_day"] = json!(ledger::ist::day_of(at));
            events.extend(new.events.iter().map(|kind| event(found.id.into(), *kind, order)));
            ids.insert(new.reported, found.id);
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
        Ok(ids)
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
}

/// Whose it is: a part of an own order has that one's strategy; one placed elsewhere what the evidence says.
fn assign(row: &mut Value, new: &NewOrder, assigned: Option<&Assignment>) {
    if let Some(own) = &new.own {
        row["source"] = json!(OrderSource::Leg.as_str());
        row["strategy_id"] = json!(own.strategy_id);
        return;
    }
    row["source"] = json!(OrderSource::External.as_str());
    if let Some(assigned) = assigned {
        row["strategy_id"] = json!(assigned.strategy_id);
        row["strategy_method"] = json!(assigned.method.as_str());
        row["strategy_confidence"] = json!(assigned.confidence);
    }
}

async fn update_known(
    transaction: &mut Transaction,
    look: &Look<'_>,
    events: &mut Vec<Value>,
) -> Result<(), StorageError> {
    let mut rows: Vec<Value> = Vec::new();
    for update in &look.plan.updates {
        let Some(order) = look.orders.get(update.reported) else { continue };
        events.extend(update.events.iter().map(|kind| event(update.id, *kind, order)));
        let mut row = columns(order);
        row["id"] = json!(update.id);
        rows.push(row);
    }
    if !rows.is_empty() {
        sqlx::query_file!("src/update_external_orders.sql", Value::Array(rows))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn update_vanished(
    transaction: &mut Transaction,
    lease: &Lease,
    plan: &Plan,
    events: &mut Vec<Value>,
) -> Result<(), StorageError> {
    if plan.vanished.is_empty() {
        return Ok(());
    }
    let details = json!({"status": "UNKNOWN", "reason": "not in the brokerage's book any more"}).to_string();
    events.extend(plan.vanished.iter().map(|id| {
        json!({"order_id": id, "event_type": OrderEventKind::Vanished.as_str(), "at": lease.started_at,
               "details": details})
    }));
    sqlx::query!(
        "UPDATE tradingdb.orders SET status = 'UNKNOWN', modified_time = now()
         WHERE id = ANY($1::bigint[]) AND upper(status) NOT IN ('COMPLETE', 'CANCELLED', 'REJECTED')",
        &plan.vanished
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn store_trades(
    transaction: &mut Transaction,
    look: &Look<'_>,
    new: &BTreeMap<usize, i32>,
) -> Result<(), StorageError> {
    let row_of = |index: &usize| {
        look.plan.known.get(index).copied().or_else(|| new.get(index).map(|id| i64::from(*id)))
    };
    let incomplete: Vec<i64> = look.trade_plan.incomplete.iter().filter_map(row_of).collect();
    if !incomplete.is_empty() {
        sqlx::query!("DELETE FROM tradingdb.fills WHERE order_id = ANY($1::bigint[])", &incomplete)
            .execute(&mut **transaction)
            .await?;
    }
    let rows: Vec<Value> = (look.trade_plan.executions.iter())
        .filter_map(|(order, told)| Some((row_of(order)?, told)))
        .flat_map(|(id, told)| told.iter().filter_map(move |number| Some((id, look.trades.get(*number)?))))
        .map(|(id, trade)| {
            json!({"order_id": id, "trade_id": trade.trade_id, "quantity": trade.quantity, "price": trade.price,
                   "at": trade.at})
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query_file!("src/store_trades.sql", Value::Array(rows)).execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn insert_events(transaction: &mut Transaction, events: &[Value]) -> Result<(), StorageError> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"INSERT INTO tradingdb.order_events (order_id, event_type, "timestamp", details)
           SELECT x.order_id, x.event_type, coalesce(x.at, now()) AT TIME ZONE 'UTC', x.details
           FROM jsonb_to_recordset($1::jsonb) AS x (order_id integer, event_type text, at timestamptz, details text)"#,
        Value::Array(events.to_vec())
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What was told of a row that goes is told of the one that stays.
async fn remove_doubles(transaction: &mut Transaction, doubles: &[(i64, i64)]) -> Result<(), StorageError> {
    if doubles.is_empty() {
        return Ok(());
    }
    let (gone, stays): (Vec<i64>, Vec<i64>) = doubles.iter().copied().unzip();
    sqlx::query!(
        "UPDATE tradingdb.order_events e SET order_id = d.stays
         FROM unnest($1::bigint[], $2::bigint[]) AS d (gone, stays) WHERE e.order_id = d.gone",
        &gone,
        &stays
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!("DELETE FROM tradingdb.orders WHERE id = ANY($1::bigint[])", &gone)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn mark_check(transaction: &mut Transaction, lease: &Lease) -> Result<(), StorageError> {
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

/// A reported order by the column names of `orders`.
fn columns(order: &ReportedOrder) -> Value {
    // The two that count are whole, or the order is not stored at all.
    let most = Decimal::from(i32::MAX);
    let whole = |quantity: Decimal| {
        Some(quantity.normalize()).filter(|quantity| quantity.scale() == 0 && *quantity <= most)
    };
    let Labels { platform, stock_broker, trading_account, client_id, nest_request_id, comments, .. } =
        &order.labels;
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
        "quantity": whole(order.quantity),
        "filled_quantity": whole(order.filled_quantity),
        "pending_quantity": order.pending_quantity.and_then(whole),
        "disclosed_quantity": order.disclosed_quantity.and_then(whole),
        "average_price": order.average_price,
        "price": order.price,
        "trigger_price": order.trigger_price,
        "status": order.status,
        "status_message": order.status_message,
        "platform_time": order.placed_at,
        "exchange_time": order.exchange_at,
        "amo": order.is_amo,
        "platform": platform,
        "stock_broker": stock_broker,
        "trading_account": trading_account,
        "client_id": client_id,
        "nest_request_id": nest_request_id,
        "comments": comments,
        "independent_exchange": order.labels.independent_exchange,
        "independent_symbol": order.labels.independent_symbol,
        "raw": serde_json::from_str::<Value>(&order.raw).unwrap_or(Value::Null),
    })
}

/// An event at the brokerage's time: of the placing when it was placed, of anything else when the exchange said it.
fn event(order_id: i64, kind: OrderEventKind, order: &ReportedOrder) -> Value {
    let at: Option<DateTime<Utc>> = match kind {
        OrderEventKind::Placed => order.placed_at.or(order.exchange_at),
        _ => order.exchange_at.or(order.placed_at),
    };
    let details = json!({"status": order.status, "filled_quantity": order.filled_quantity,
                         "average_price": order.average_price, "source": "EXTERNAL"});
    json!({"order_id": order_id, "event_type": kind.as_str(), "at": at, "details": details.to_string()})
}
