use std::collections::{BTreeMap, BTreeSet};

use cache::{Row, Snapshot, Stamp, Stored, StrategyRows};
use ledger::Account;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use storage::{
    AccountRows, CachedRows, Lease, OrderWrites, StoredRow, StrategyBook, WantedOrders, is_strategy,
};

use crate::chain;
use crate::generation::News;
use crate::report::SnapshotReport;
use crate::sync::Pipeline;

/// How often an order's text is held at once: as it was read, and on its way to Redis as often as in a batch of commands.
const COPIES: usize = 4;

/// The account's rows into Redis, in the layout that readers of the replaced system know: as much of them as is new, or with `force` all. Says
/// what Redis has then, for the next sync to go on from.
pub(crate) async fn store(
    pipeline: &Pipeline,
    lease: &Lease,
    news: Option<News>,
    force: bool,
) -> (SnapshotReport, Option<CachedRows>) {
    match try_to_store(pipeline, lease, news, force).await {
        Ok((stored, cached)) => (SnapshotReport::Stored(stored), Some(cached)),
        Err(error) => (SnapshotReport::Failed(error), None),
    }
}

async fn try_to_store(
    pipeline: &Pipeline,
    lease: &Lease,
    news: Option<News>,
    force: bool,
) -> Result<(Stored, CachedRows), String> {
    let goes_on = news.as_ref().filter(|news| news.since.is_some());
    if let Some(news) = goes_on
        && let Some(stored) = add(pipeline, lease, news).await?
    {
        return Ok(stored);
    }
    // What could not be gone on from is not what it should be.
    let is_damaged = goes_on.is_some_and(|news| matches!(news.orders, OrderWrites::New(_)));
    let mut share = pipeline.snapshots.share().await;
    let rows = pipeline.storage.account_rows(&lease.account, WantedOrders::All).await;
    let rows = rows.map_err(|error| chain(&error))?;
    share.is_of(COPIES * rows.orders.iter().map(|order| order.json.len()).sum::<usize>());
    let (snapshot, versions) = snapshot_of(lease, rows);
    let stored = if force || is_damaged {
        pipeline.cache.rewrite_snapshot(&snapshot).await
    } else {
        pipeline.cache.write_snapshot(&snapshot).await
    };
    let stored = stored.map_err(|error| chain(&error))?;
    Ok((stored, CachedRows { versions, changes: news.map_or_else(Vec::new, |news| news.changes) }))
}

/// Adds what is new to what Redis has; `None` where that is not enough.
async fn add(
    pipeline: &Pipeline,
    lease: &Lease,
    news: &News,
) -> Result<Option<(Stored, CachedRows)>, String> {
    let (Some(since), OrderWrites::New(orders)) = (news.since, &news.orders) else { return Ok(None) };
    let Account { organization_id, pseudo_account } = &lease.account;
    let (stored, versions) = if orders.is_empty() && !news.are_rows_new {
        let stamp = Stamp { organization_id, pseudo_account, sequence: lease.fence, at: news.at };
        (pipeline.cache.refresh_snapshot(stamp, since).await, news.versions.clone())
    } else {
        let rows = pipeline.storage.account_rows(&lease.account, WantedOrders::These(orders)).await;
        let rows = rows.map_err(|error| chain(&error))?;
        // One of them is gone again. Redis may have it, from a sync that wrote all orders and took none of their changes in.
        if rows.orders.len() < orders.len() {
            return Ok(None);
        }
        let (snapshot, versions) = snapshot_of(lease, rows);
        (pipeline.cache.add_to_snapshot(&snapshot, since).await, versions)
    };
    let stored = stored.map_err(|error| chain(&error))?;
    Ok(stored.map(|stored| (stored, CachedRows { versions, changes: news.changes.clone() })))
}

/// The snapshot of the rows, and the versions of those beside orders.
fn snapshot_of(lease: &Lease, rows: AccountRows) -> (Snapshot, String) {
    let account = &lease.account;
    let instruments_seen: BTreeSet<&str> =
        rows.orders.iter().filter_map(|order| order.instrument_key.as_deref()).collect();
    let instruments_seen = instruments_seen.into_iter().map(str::to_owned).collect();
    let snapshot = Snapshot {
        organization_id: account.organization_id.clone(),
        pseudo_account: account.pseudo_account.clone(),
        sequence: lease.fence,
        at: rows.at,
        strategies: strategies(account, rows.strategies, &rows.orders),
        positions: rows.positions.into_iter().map(stored_row).collect(),
        holdings: rows.holdings.into_iter().map(stored_row).collect(),
        orders: rows.orders.into_iter().map(stored_row).collect(),
        margins: rows.margins.into_iter().map(stored_row).collect(),
        instruments_seen,
    };
    (snapshot, rows.versions)
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
    let mut by_strategy: BTreeMap<String, Vec<Row>> =
        rows.keys().map(|strategy| (strategy.clone(), Vec::new())).collect();
    for order in orders {
        if let Some(strategy) = order.strategy_id.as_deref().filter(|id| is_strategy(id)) {
            by_strategy.entry(strategy.to_owned()).or_default().push(stored_row(order.clone()));
        }
    }
    let strategies = by_strategy.into_iter().map(|(strategy, orders)| {
        let StrategyBook { positions, holdings } = rows.remove(&strategy).unwrap_or_default();
        let row = |row: Box<RawValue>| strategy_row(account, &strategy, &row);
        StrategyRows {
            positions: positions.into_iter().map(row).collect(),
            holdings: holdings.into_iter().map(row).collect(),
            orders,
            margins: Vec::new(),
            strategy_id: strategy,
        }
    });
    strategies.collect()
}

/// What the layout must know of a strategy's position or holding, whose columns have other names.
#[derive(Default, Deserialize)]
struct Sorted {
    instrument_key: Option<String>,
    #[serde(alias = "type")]
    product: Option<String>,
    #[serde(alias = "net_quantity")]
    quantity: Option<Decimal>,
}

fn strategy_row(account: &Account, strategy: &str, row: &RawValue) -> Row {
    let Sorted { instrument_key, product, quantity } = serde_json::from_str(row.get()).unwrap_or_default();
    Row {
        id: None,
        instrument_key,
        product,
        net_quantity: quantity,
        status: None,
        strategy_id: Some(strategy.to_owned()),
        json: with_names(row.get(), account).into(),
    }
}

/// The row, which has its strategy, with the columns that its readers find beside: there is no row in PostgreSQL that could
/// have an id.
fn with_names(row: &str, account: &Account) -> String {
    let Account { organization_id, pseudo_account } = account;
    let columns = row.strip_prefix('{').unwrap_or(row);
    let (organization_id, pseudo_account) = (json!(organization_id), json!(pseudo_account));
    format!(
        r#"{{"id": null, "organization_id": {organization_id}, "pseudo_account": {pseudo_account}, {columns}"#
    )
}
