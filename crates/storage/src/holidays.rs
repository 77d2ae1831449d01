use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::{ImportCounts, Storage, StorageError};

/// A day on which an exchange does not trade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketHoliday {
    /// Exchange segment; trading days follow from those of `NSE`.
    pub exchange: String,
    /// The day, by India's calendar.
    pub date: NaiveDate,
    /// Its name.
    pub description: Option<String>,
}

impl Storage {
    /// Loads holidays in one transaction: all of them or none.
    ///
    /// A holiday is recognised by exchange and date, which must not repeat. A name that is not given stays as known.
    pub async fn import_holidays(&self, holidays: &[MarketHoliday]) -> Result<ImportCounts, StorageError> {
        let rows: Vec<Value> = holidays
            .iter()
            .map(|holiday| {
                json!({"exchange": holiday.exchange, "date": holiday.date, "description": holiday.description})
            })
            .collect();
        // In the order of their key, so that two imports cannot deadlock.
        let written = sqlx::query_scalar!(
            r#"INSERT INTO tradingdb.market_holidays AS known (exchange, date, description)
               SELECT x.exchange, x.date, x.description
               FROM jsonb_to_recordset($1::jsonb) AS x (exchange text, date date, description text)
               ORDER BY x.exchange, x.date
               ON CONFLICT (exchange, date) DO UPDATE SET description = excluded.description
                   WHERE excluded.description IS NOT NULL
                         AND known.description IS DISTINCT FROM excluded.description
               RETURNING (xmax = 0) AS "is_new!""#,
            Value::Array(rows)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ImportCounts::of(holidays.len(), written))
    }
}
