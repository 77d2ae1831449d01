use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::StoredRow;

/// An order as Redis readers know it, from a row of `shown_orders.sql`: PostgreSQL would take ten times as long to make
/// JSON of so many columns. `json` is where the text is put together, for one row after the other.
pub(crate) fn stored_row(row: &PgRow, json: &mut Vec<u8>) -> Result<StoredRow, sqlx::Error> {
    json.clear();
    write_columns(row, json)?;
    let json = str::from_utf8(json).map_err(|error| sqlx::Error::Decode(error.into()))?;
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
fn write_columns(row: &PgRow, json: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    for (index, column) in row.columns().iter().enumerate() {
        json.push(if index == 0 { b'{' } else { b',' });
        write(json, column.name())?;
        json.push(b':');
        match (row.try_get_raw(index)?.is_null(), column.type_info().name()) {
            (true, _) => json.extend_from_slice(b"null"),
            (_, "INT4") => write(json, &row.try_get::<i32, _>(index)?)?,
            (_, "BOOL") => write(json, &row.try_get::<bool, _>(index)?)?,
            (_, "TIMESTAMPTZ") => {
                let time: DateTime<Utc> = row.try_get(index)?;
                write(json, &time.to_rfc3339_opts(SecondsFormat::AutoSi, false))?;
            }
            (_, "JSON") => json.extend_from_slice(row.try_get_unchecked::<&[u8], _>(index)?),
            _ => write(json, row.try_get::<&str, _>(index)?)?,
        }
    }
    json.push(b'}');
    Ok(())
}

fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), sqlx::Error> {
    serde_json::to_writer(json, value).map_err(|error| sqlx::Error::Encode(error.into()))
}
