use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use sqlx::postgres::{PgColumn, PgRow, Postgres};
use sqlx::{Column as _, Decode, Row as _, Type, TypeInfo as _, ValueRef as _};

use crate::StoredRow;

/// Orders as Redis readers know them, from rows of `shown_orders.sql`: PostgreSQL would take ten times as long to make JSON of so
/// many columns.
#[derive(Default)]
pub(crate) struct OrderTexts {
    /// What is the same in every row.
    columns: Vec<Column>,
    /// Where a text is put together, one after the other.
    json: Vec<u8>,
}

/// A column in JSON.
struct Column {
    /// Its name, with what is before and after it.
    name: Vec<u8>,
    value: Kind,
}

/// How a value is written.
enum Kind {
    Integer,
    Boolean,
    Instant,
    Json,
    Text,
}

impl OrderTexts {
    /// The order of a row. All rows must be of one statement.
    pub(crate) fn read(&mut self, row: &PgRow) -> Result<StoredRow, sqlx::Error> {
        if self.columns.is_empty() {
            self.columns = columns_of(row)?;
        }
        self.write(row).map_err(sqlx::Error::Decode)?;
        let json = str::from_utf8(&self.json).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(StoredRow {
            id: row.try_get::<i32, _>("id")?.into(),
            status: row.try_get("status")?,
            instrument_key: row.try_get("instrument_key")?,
            product: None,
            strategy_id: row.try_get("strategy_id")?,
            quantity: None,
            json: json.into(),
        })
    }

    /// All columns by their names, in their order.
    fn write(&mut self, row: &PgRow) -> Result<(), sqlx::error::BoxDynError> {
        let Self { columns, json } = self;
        json.clear();
        for (index, Column { name, value: kind }) in columns.iter().enumerate() {
            json.extend_from_slice(name);
            let value = row.try_get_raw(index)?;
            match kind {
                _ if value.is_null() => json.extend_from_slice(b"null"),
                Kind::Integer => write(json, &<i32 as Decode<Postgres>>::decode(value)?)?,
                Kind::Boolean => write(json, &<bool as Decode<Postgres>>::decode(value)?)?,
                Kind::Instant => {
                    let time = <DateTime<Utc> as Decode<Postgres>>::decode(value)?;
                    write(json, &time.to_rfc3339_opts(SecondsFormat::AutoSi, false))?;
                }
                Kind::Json => json.extend_from_slice(value.as_bytes()?),
                Kind::Text => write(json, <&str as Decode<Postgres>>::decode(value)?)?,
            }
        }
        json.push(b'}');
        Ok(())
    }
}

/// An error for one of a type that no order has.
fn columns_of(row: &PgRow) -> Result<Vec<Column>, sqlx::Error> {
    let column = |(index, column): (usize, &PgColumn)| {
        let mut name = vec![if index == 0 { b'{' } else { b',' }];
        write(&mut name, column.name()).map_err(|error| sqlx::Error::Encode(error.into()))?;
        name.push(b':');
        let info = column.type_info();
        let value = match info.name() {
            "INT4" => Kind::Integer,
            "BOOL" => Kind::Boolean,
            "TIMESTAMPTZ" => Kind::Instant,
            "JSON" => Kind::Json,
            _ if <&str as Type<Postgres>>::compatible(info) => Kind::Text,
            other => return Err(sqlx::Error::Decode(format!("{} is {other}", column.name()).into())),
        };
        Ok(Column { name, value })
    };
    row.columns().iter().enumerate().map(column).collect()
}

fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    serde_json::to_writer(json, value)
}
