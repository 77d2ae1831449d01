use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
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
    pub json: String,
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
        let positions = position_rows(&mut transaction, account, &organizations).await?;
        let holdings = holding_rows(&mut transaction, account, &organizations).await?;
        let margins = sqlx::query_as!(
            StoredRow,
            r#"SELECT DISTINCT ON (m.category) m.id::bigint AS "id!", NULL::text AS status,
                      NULL::text AS instrument_key, NULL::text AS product, NULL::text AS strategy_id,
                      NULL::bigint AS quantity, to_jsonb(m)::text AS "json!"
               FROM tradingdb.margins m
               WHERE m.pseudo_account = $1 AND coalesce(m.organization_id, '') = ANY($2)
               ORDER BY m.category, m.margin_date DESC NULLS LAST, m.id DESC"#,
            account.pseudo_account,
            &organizations
        )
        .fetch_all(&mut *transaction)
        .await?;
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
    let rows = sqlx::query(include_str!("shown_orders.sql"))
        .bind(&account.pseudo_account)
        .bind(organizations)
        .bind(ids)
        .fetch_all(&mut **transaction)
        .await?;
    Ok(rows.iter().map(shown_order::stored_row).collect::<Result<_, _>>()?)
}

/// The account's positions, by id.
pub(crate) async fn position_rows(
    transaction: &mut Transaction,
    account: &Account,
    organizations: &[String],
) -> Result<Vec<StoredRow>, StorageError> {
    Ok(sqlx::query_as!(
            StoredRow,
            r#"SELECT p.id::bigint AS "id!", NULL::text AS status, p.instrument_key, p.type AS product, p.strategy_id,
                      p.net_quantity::bigint AS quantity,
                      to_jsonb(p)::text AS "json!"
               FROM tradingdb.positions p
               WHERE p.pseudo_account = $1 AND coalesce(p.organization_id, '') = ANY($2)
               ORDER BY p.id"#,
            account.pseudo_account,
            organizations
        )
        .fetch_all(&mut **transaction)
        .await?)
}

/// The account's holdings, by id.
pub(crate) async fn holding_rows(
    transaction: &mut Transaction,
    account: &Account,
    organizations: &[String],
) -> Result<Vec<StoredRow>, StorageError> {
    Ok(sqlx::query_as!(
        StoredRow,
        r#"SELECT h.id::bigint AS "id!", NULL::text AS status, h.instrument_key, h.product, h.strategy_id,
                      h.quantity::bigint AS quantity, to_jsonb(h)::text AS "json!"
               FROM tradingdb.holdings h
               WHERE h.pseudo_account = $1 AND coalesce(h.organization_id, '') = ANY($2)
               ORDER BY h.id"#,
        account.pseudo_account,
        organizations
    )
    .fetch_all(&mut **transaction)
    .await?)
}
