use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cache::{Row, Snapshot, StrategyRows};
use chrono::{DateTime, Utc};
use ledger::{Account, Fill, Holding, Position};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use storage::{Lease, LedgerInputs, StoredRow};

use crate::chain;
use crate::generation::{book_of, off_the_runtime};
use crate::report::SnapshotReport;
use crate::sync::Pipeline;

/// The account's rows into Redis, in the layout that readers of the replaced system know.
pub(crate) async fn store(
    pipeline: &Pipeline,
    lease: &Lease,
    inputs: Option<Arc<LedgerInputs>>,
) -> SnapshotReport {
    match snapshot_of(pipeline, lease, inputs).await {
        Ok(snapshot) => match pipeline.cache.write_snapshot(&snapshot).await {
            Ok(stored) => SnapshotReport::Stored(stored),
            Err(error) => SnapshotReport::Failed(chain(&error)),
        },
        Err(error) => SnapshotReport::Failed(error),
    }
}

async fn snapshot_of(
    pipeline: &Pipeline,
    lease: &Lease,
    inputs: Option<Arc<LedgerInputs>>,
) -> Result<Snapshot, String> {
    let account = &lease.account;
    let inputs = match inputs {
        Some(inputs) => inputs,
        None => Arc::new(pipeline.storage.ledger_inputs(account).await.map_err(|error| chain(&error))?),
    };
    let rows = pipeline.storage.account_rows(account).await.map_err(|error| chain(&error))?;
    let now = pipeline.storage.now().await.map_err(|error| chain(&error))?;
    let (of_thread, orders) = (account.clone(), rows.orders);
    let (strategies, orders) =
        off_the_runtime(move || Ok((strategies(&of_thread, &inputs, &orders, now)?, orders))).await?;
    let instruments_seen: BTreeSet<String> =
        orders.iter().filter_map(|order| order.instrument_key.clone()).collect();
    Ok(Snapshot {
        organization_id: account.organization_id.clone(),
        pseudo_account: account.pseudo_account.clone(),
        sequence: lease.fence,
        at: now,
        positions: rows.positions.into_iter().map(stored_row).collect(),
        holdings: rows.holdings.into_iter().map(stored_row).collect(),
        orders: orders.into_iter().map(stored_row).collect(),
        margins: rows.margins.into_iter().map(stored_row).collect(),
        strategies,
        instruments_seen: instruments_seen.into_iter().collect(),
    })
}

fn stored_row(row: StoredRow) -> Row {
    Row {
        id: Some(row.id),
        instrument_key: row.instrument_key,
        product: row.product,
        net_quantity: row.quantity.map(Decimal::from),
        status: row.status,
        strategy_id: row.strategy_id,
        json: row.json,
    }
}

/// Each strategy's rows: the same functions over its own fills, as if it were an account. They are not stored in
/// PostgreSQL, so that sums over the tables count nothing twice.
fn strategies(
    account: &Account,
    inputs: &LedgerInputs,
    orders: &[StoredRow],
    now: DateTime<Utc>,
) -> Result<Vec<StrategyRows>, String> {
    let mut by_strategy: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for order in orders {
        if let Some(strategy) = order.strategy_id.as_deref().filter(|id| !id.is_empty() && *id != "default") {
            by_strategy.entry(strategy).or_default().push(stored_row(order.clone()));
        }
    }
    let mut fills: BTreeMap<&str, Vec<Fill>> = BTreeMap::new();
    for fill in &inputs.fills {
        fills.entry(fill.strategy_id.as_deref().unwrap_or_default()).or_default().push(fill.clone());
    }
    by_strategy
        .into_iter()
        .map(|(strategy, orders)| {
            let fills = fills.get(strategy).map_or(&[][..], Vec::as_slice);
            let book = book_of(inputs, fills, &[], now)?;
            Ok(StrategyRows {
                strategy_id: strategy.to_owned(),
                positions: book.positions.iter().map(|row| position_row(account, strategy, row)).collect(),
                holdings: book.holdings.iter().map(|row| holding_row(account, strategy, row)).collect(),
                orders,
                margins: Vec::new(),
            })
        })
        .collect()
}

fn position_row(account: &Account, strategy: &str, position: &Position) -> Row {
    Row {
        id: None,
        instrument_key: Some(position.instrument_key.clone()),
        product: Some(position.product.clone()),
        net_quantity: Some(position.net_quantity),
        status: None,
        strategy_id: Some(strategy.to_owned()),
        json: with_names(json!(position), account, strategy),
    }
}

fn holding_row(account: &Account, strategy: &str, holding: &Holding) -> Row {
    Row {
        id: None,
        instrument_key: Some(holding.instrument_key.clone()),
        product: Some(holding.product.clone()),
        net_quantity: Some(holding.quantity),
        status: None,
        strategy_id: Some(strategy.to_owned()),
        json: with_names(json!(holding), account, strategy),
    }
}

fn with_names(mut row: Value, account: &Account, strategy: &str) -> String {
    // Readers of the replaced system find the column; there is no row in PostgreSQL that could have an id.
    row["id"] = Value::Null;
    row["organization_id"] = json!(account.organization_id);
    row["pseudo_account"] = json!(account.pseudo_account);
    row["strategy_id"] = json!(strategy);
    row.to_string()
}
