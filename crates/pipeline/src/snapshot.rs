use std::collections::{BTreeMap, BTreeSet};

use cache::{Row, Snapshot, StrategyRows};
use ledger::Account;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use storage::{Lease, StorageError, StoredRow, StrategyBook, is_strategy};

use crate::chain;
use crate::report::SnapshotReport;
use crate::sync::Pipeline;

/// The account's rows into Redis, in the layout that readers of the replaced system know.
pub(crate) async fn store(pipeline: &Pipeline, lease: &Lease) -> SnapshotReport {
    match snapshot_of(pipeline, lease).await {
        Ok(snapshot) => match pipeline.cache.write_snapshot(&snapshot).await {
            Ok(stored) => SnapshotReport::Stored(stored),
            Err(error) => SnapshotReport::Failed(chain(&error)),
        },
        Err(error) => SnapshotReport::Failed(chain(&error)),
    }
}

async fn snapshot_of(pipeline: &Pipeline, lease: &Lease) -> Result<Snapshot, StorageError> {
    let account = &lease.account;
    let rows = pipeline.storage.account_rows(account).await?;
    let of_strategies = pipeline.storage.strategy_rows(account).await?;
    let now = pipeline.storage.now().await?;
    let instruments_seen: BTreeSet<String> =
        rows.orders.iter().filter_map(|order| order.instrument_key.clone()).collect();
    Ok(Snapshot {
        organization_id: account.organization_id.clone(),
        pseudo_account: account.pseudo_account.clone(),
        sequence: lease.fence,
        at: now,
        strategies: strategies(account, of_strategies, &rows.orders),
        positions: rows.positions.into_iter().map(stored_row).collect(),
        holdings: rows.holdings.into_iter().map(stored_row).collect(),
        orders: rows.orders.into_iter().map(stored_row).collect(),
        margins: rows.margins.into_iter().map(stored_row).collect(),
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

/// Each strategy's rows: the same functions over its own fills, as if it were an account. They are not stored among the
/// account's in PostgreSQL, so that sums over the tables count nothing twice.
fn strategies(
    account: &Account,
    mut rows: BTreeMap<String, StrategyBook>,
    orders: &[StoredRow],
) -> Vec<StrategyRows> {
    let mut by_strategy: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for order in orders {
        if let Some(strategy) = order.strategy_id.as_deref().filter(|id| is_strategy(id)) {
            by_strategy.entry(strategy).or_default().push(stored_row(order.clone()));
        }
    }
    let strategies = by_strategy.into_iter().map(|(strategy, orders)| {
        let StrategyBook { positions, holdings } = rows.remove(strategy).unwrap_or_default();
        let row = |row, product, quantity| strategy_row(account, strategy, row, product, quantity);
        StrategyRows {
            strategy_id: strategy.to_owned(),
            positions: positions.into_iter().map(|position| row(position, "type", "net_quantity")).collect(),
            holdings: holdings.into_iter().map(|holding| row(holding, "product", "quantity")).collect(),
            orders,
            margins: Vec::new(),
        }
    });
    strategies.collect()
}

/// `product` and `quantity` are the names of those columns.
fn strategy_row(account: &Account, strategy: &str, row: Value, product: &str, quantity: &str) -> Row {
    let text = |column: &str| row[column].as_str().map(str::to_owned);
    Row {
        id: None,
        instrument_key: text("instrument_key"),
        product: text(product),
        net_quantity: serde_json::from_value(row[quantity].clone()).ok(),
        status: None,
        strategy_id: Some(strategy.to_owned()),
        json: with_names(row, account, strategy),
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
