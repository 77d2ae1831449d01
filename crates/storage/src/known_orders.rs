use chrono::NaiveDate;
use ledger::{Account, Executions, KnownOrder, OrderSource, Side};

use crate::{Storage, StorageError};

impl Storage {
    /// Whether systems of ours have placed orders in the account in the last week: then one that is not known may be theirs,
    /// a moment before it is stored.
    pub async fn has_own_orders(&self, account: &Account) -> Result<bool, StorageError> {
        let organizations = self.organization_keys(account);
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM tradingdb.orders o
                   WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2) AND o.source IS NULL
                     AND coalesce(o.order_day,
                                  (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
                         > (now() AT TIME ZONE 'Asia/Kolkata')::date - 7) AS "has!""#,
            account.pseudo_account,
            &organizations
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// The account's orders of the given IST days and all that still live, as far as a reconciliation compares them: one
    /// read, however many there are.
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
                symbol: row.symbol.unwrap_or_default(),
                side: row.trade_type.as_deref().and_then(Side::parse),
                product: row.product_type.unwrap_or_default(),
                day: row.day,
                placed_at: row.placed_at,
                status: row.status.unwrap_or_default(),
                quantity: row.quantity.into(),
                filled_quantity: row.filled_quantity.unwrap_or(0).into(),
                average_price: row.average_price,
                price: row.price,
                trigger_price: row.trigger_price,
                client_tag: row.publisher_id,
                source: OrderSource::parse(row.source.as_deref()),
                strategy_id: row.strategy_id,
                executions: Executions {
                    count: usize::try_from(row.executions).unwrap_or(0),
                    quantity: row.executed,
                    value: row.executed_value,
                },
            })
            .collect())
    }
}
