use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use ledger::Account;
use serde_json::value::RawValue;
use sqlx::PgExecutor;

use crate::shown_order::OrderTexts;
use crate::{Storage, StorageError, StrategyBook};

/// A row as JSON text by its column names, with what the Redis layout sorts it by.
#[derive(Debug, Clone)]
pub struct StoredRow {
    /// The row's id; lists are ordered by it.
    pub id: i64,
    /// `orders.status`; `None` in other tables.
    pub status: Option<String>,
    /// The instrument.
    pub instrument_key: Option<String>,
    /// The product (`type` of a position).
    pub product: Option<String>,
    /// The strategy.
    pub strategy_id: Option<String>,
    /// Net quantity of a position, quantity of a holding.
    pub quantity: Option<i64>,
    /// The row: decimals as numbers with their exact digits, instants as `…+00:00`.
    pub json: Arc<str>,
}

/// Everything of one account that goes into Redis, read in one snapshot of the database; of [`WantedOrders::These`] the orders
/// just before all else. One that is written in between is noted as changed, and so comes with the next sync.
#[derive(Debug, Clone)]
pub struct AccountRows {
    /// `orders`, by id.
    pub orders: Vec<StoredRow>,
    /// `positions`, by id.
    pub positions: Vec<StoredRow>,
    /// `holdings`, by id.
    pub holdings: Vec<StoredRow>,
    /// The latest `margins` of each category.
    pub margins: Vec<StoredRow>,
    /// The rows of its strategies, positions and holdings, as they were generated last.
    pub strategies: BTreeMap<String, StrategyBook>,
    /// The versions of all these rows but the orders: others when any was written.
    pub versions: String,
    /// When they were read, by PostgreSQL's clock.
    pub at: DateTime<Utc>,
}

/// The orders that are read.
#[derive(Debug, Clone, Copy)]
pub enum WantedOrders<'a> {
    /// All of the account's.
    All,
    /// These.
    These(&'a [i32]),
}

impl Storage {
    /// Reads the account's rows as Redis readers know them.
    pub async fn account_rows(
        &self,
        account: &Account,
        wanted: WantedOrders<'_>,
    ) -> Result<AccountRows, StorageError> {
        let organizations = self.organization_keys(account);
        let orders = match wanted {
            WantedOrders::These([]) => Vec::new(),
            WantedOrders::These(ids) => order_rows(&self.pool, account, &organizations, Some(ids)).await?,
            WantedOrders::All => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                let mut transaction = self.begin_with(begin).await?;
                let orders = order_rows(&mut *transaction, account, &organizations, None).await?;
                let rows = rows_beside_orders(&mut *transaction, account, &organizations).await?;
                transaction.commit().await?;
                return Ok(rows.with_orders(orders));
            }
        };
        let rows = rows_beside_orders(&self.pool, account, &organizations).await?;
        Ok(rows.with_orders(orders))
    }
}

async fn order_rows(
    executor: impl PgExecutor<'_>,
    account: &Account,
    organizations: &[String],
    ids: Option<&[i32]>,
) -> Result<Vec<StoredRow>, StorageError> {
    let mut rows = sqlx::query(include_str!("shown_orders.sql"))
        .bind(&account.pseudo_account)
        .bind(organizations)
        .bind(ids)
        .fetch(executor);
    let (mut orders, mut texts) = (Vec::new(), OrderTexts::default());
    // Row by row: as they come they take as much again as what is made of them.
    while let Some(row) = rows.try_next().await? {
        orders.push(texts.read(&row)?);
    }
    Ok(orders)
}

/// The rows of an account beside its orders.
#[derive(Debug)]
pub(crate) struct RowsBesideOrders {
    pub(crate) positions: Vec<StoredRow>,
    pub(crate) holdings: Vec<StoredRow>,
    margins: Vec<StoredRow>,
    strategies: BTreeMap<String, StrategyBook>,
    versions: String,
    at: DateTime<Utc>,
}

impl RowsBesideOrders {
    fn with_orders(self, orders: Vec<StoredRow>) -> AccountRows {
        let Self { positions, holdings, margins, strategies, versions, at } = self;
        AccountRows { orders, positions, holdings, margins, strategies, versions, at }
    }
}

/// The account's positions and holdings, by id, the latest margins of each category, and the rows of its strategies: in one
/// statement, and thus in one snapshot of the database without a transaction.
pub(crate) async fn rows_beside_orders(
    executor: impl PgExecutor<'_>,
    account: &Account,
    organizations: &[String],
) -> Result<RowsBesideOrders, StorageError> {
    let rows = sqlx::query_file!(
        "src/rows_beside_orders.sql",
        account.pseudo_account,
        organizations,
        account.organization_id
    )
    .fetch_all(executor)
    .await?;
    let (mut positions, mut holdings, mut margins) = (Vec::new(), Vec::new(), Vec::new());
    let mut strategies: BTreeMap<String, StrategyBook> = BTreeMap::new();
    let mut read = None;
    for row in rows {
        let of_kind = match row.kind.as_str() {
            "position" => &mut positions,
            "holding" => &mut holdings,
            "margin" => &mut margins,
            "strategy" => {
                let of_strategy = strategies.entry(row.strategy_id.unwrap_or_default()).or_default();
                of_strategy.positions.extend(list(&row.json));
                of_strategy.holdings.extend(row.holdings.as_deref().map(list).unwrap_or_default());
                continue;
            }
            _ => {
                read = row.at.map(|at| (row.json, at));
                continue;
            }
        };
        of_kind.push(StoredRow {
            id: row.id,
            status: None,
            instrument_key: row.instrument_key,
            product: row.product,
            strategy_id: row.strategy_id,
            quantity: row.quantity,
            json: row.json.into(),
        });
    }
    let (versions, at) = read.ok_or(sqlx::Error::RowNotFound)?;
    Ok(RowsBesideOrders { positions, holdings, margins, strategies, versions, at })
}

fn list(json: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(json).unwrap_or_default()
}
