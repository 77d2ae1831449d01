use ledger::{Account, Book};
use serde_json::{Value, json};

use crate::{Storage, StorageError};

/// A book as rows by column names.
#[derive(Debug, Clone)]
pub struct BookRows {
    /// As of `positions`.
    pub positions: Vec<Value>,
    /// As of `holdings`.
    pub holdings: Vec<Value>,
}

impl Storage {
    /// The rows that a book would have in `positions` and `holdings`: every column of those tables, null where neither the
    /// book nor the account's orders say anything (such as the id). What a brokerage tells of the present, such as
    /// collateral, is null too: a book may be of any instant. Nothing is written.
    pub async fn rows_of_book(&self, account: &Account, book: &Book) -> Result<BookRows, StorageError> {
        let positions = book.positions.iter().map(|position| owned(json!(position), account));
        let positions = sqlx::query_scalar!(
            r#"SELECT to_jsonb(jsonb_populate_record(NULL::tradingdb.positions, coalesce(to_jsonb(k), '{}') || e.value)) AS "row!"
               FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (value, ord)
               LEFT JOIN LATERAL (
                   SELECT account_id, stock_broker, platform, trading_account, independent_exchange, independent_symbol
                   FROM tradingdb.account_instruments
                   WHERE pseudo_account = $2 AND organization_id = $3
                     AND instrument_key = e.value ->> 'instrument_key') k ON true
               ORDER BY e.ord"#,
            Value::Array(positions.collect()),
            account.pseudo_account,
            account.organization_id
        )
        .fetch_all(&self.pool)
        .await?;
        let holdings = book.holdings.iter().map(|holding| owned(json!(holding), account));
        let holdings = sqlx::query_scalar!(
            r#"SELECT to_jsonb(jsonb_populate_record(NULL::tradingdb.holdings, coalesce(to_jsonb(k), '{}') || e.value)) AS "row!"
               FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (value, ord)
               LEFT JOIN LATERAL (
                   SELECT stock_broker, platform, trading_account FROM tradingdb.account_instruments
                   WHERE pseudo_account = $2 AND organization_id = $3
                     AND instrument_key = e.value ->> 'instrument_key') k ON true
               ORDER BY e.ord"#,
            Value::Array(holdings.collect()),
            account.pseudo_account,
            account.organization_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(BookRows { positions, holdings })
    }
}

fn owned(mut row: Value, account: &Account) -> Value {
    row["organization_id"] = json!(account.organization_id);
    row["pseudo_account"] = json!(account.pseudo_account);
    row
}
