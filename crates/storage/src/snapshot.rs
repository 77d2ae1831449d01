use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use ledger::Account;

use crate::transaction::Transaction;
use crate::{Storage, StorageError, StrategyBook, families, shown_order};

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

/// Everything of one account that goes into Redis, read in one snapshot of the database.
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
        let mut transaction = self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let orders = order_rows(&mut transaction, account, &organizations, wanted).await?;
        let ShownRows { positions, holdings, margins } =
            shown_rows(&mut transaction, account, &organizations).await?;
        let strategies = families::strategy_rows(&mut transaction, account).await?;
        let read = sqlx::query!(
            r#"SELECT clock_timestamp() AS "at!",
                      (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions
                       WHERE pseudo_account = $1 AND organization_id = ANY($2)) AS "versions!""#,
            account.pseudo_account,
            &organizations
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let (versions, at) = (read.versions, read.at);
        Ok(AccountRows { orders, positions, holdings, margins, strategies, versions, at })
    }
}

async fn order_rows(
    transaction: &mut Transaction,
    account: &Account,
    organizations: &[String],
    wanted: WantedOrders<'_>,
) -> Result<Vec<StoredRow>, StorageError> {
    let ids = match wanted {
        WantedOrders::All => None,
        WantedOrders::These([]) => return Ok(Vec::new()),
        WantedOrders::These(ids) => Some(ids),
    };
    let mut rows = sqlx::query(include_str!("shown_orders.sql"))
        .bind(&account.pseudo_account)
        .bind(organizations)
        .bind(ids)
        .fetch(&mut **transaction);
    let (mut orders, mut json) = (Vec::new(), Vec::new());
    // Row by row: as they come they take as much again as what is made of them.
    while let Some(row) = rows.try_next().await? {
        orders.push(shown_order::stored_row(&row, &mut json)?);
    }
    Ok(orders)
}

/// The rows of an account beside its orders.
#[derive(Debug, Default)]
pub(crate) struct ShownRows {
    pub(crate) positions: Vec<StoredRow>,
    pub(crate) holdings: Vec<StoredRow>,
    pub(crate) margins: Vec<StoredRow>,
}

/// The account's positions and holdings, by id, and the latest margins of each category.
pub(crate) async fn shown_rows(
    transaction: &mut Transaction,
    account: &Account,
    organizations: &[String],
) -> Result<ShownRows, StorageError> {
    let rows = sqlx::query_file!("src/shown_rows.sql", account.pseudo_account, organizations)
        .fetch_all(&mut **transaction)
        .await?;
    let mut shown = ShownRows::default();
    for row in rows {
        let of_kind = match row.kind.as_str() {
            "position" => &mut shown.positions,
            "holding" => &mut shown.holdings,
            _ => &mut shown.margins,
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
    Ok(shown)
}
