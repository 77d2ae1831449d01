//! The rows of one pseudo account, and how their fields are written.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use crate::answer::list;
use crate::field::{Fields, each};
use crate::{BrokerageError, number};

/// From here on a number is milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: Decimal = Decimal::from_parts(1_215_752_192, 23, 0, false, 0);

/// The last second of the year 9999: what is later is no time.
const LAST_SECOND: i64 = 253_402_300_799;

/// The list in an answer, all of it of the account that was asked for.
pub(super) struct Rows {
    elements: Vec<Value>,
    /// In small letters.
    pseudo_account: String,
}

impl Rows {
    /// # Errors
    ///
    /// [`BrokerageError::Malformed`] for a result that is no list.
    pub(super) fn of(result: Value, pseudo_account: &str) -> Result<Self, BrokerageError> {
        Ok(Self { elements: list(result, "result")?, pseudo_account: pseudo_account.to_lowercase() })
    }

    /// Reads every row of a list with a name.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Malformed`] for the first row that cannot be read, or that is of another account: accounts are
    /// never mixed.
    pub(super) fn each<T>(
        &self,
        list: &str,
        read: impl Fn(&Fields<'_>) -> Result<T, BrokerageError>,
    ) -> Result<Vec<T>, BrokerageError> {
        each(list, &self.elements, |fields| match fields.text("pseudoAccount")? {
            Some(other) if other.to_lowercase() != self.pseudo_account => {
                Err(fields.malformed("pseudoAccount", &format!("{other:?} was not asked for")))
            }
            _ => read(fields),
        })
    }
}

/// A price or amount that was a 32-bit float.
pub(super) fn amount(fields: &Fields<'_>, name: &str) -> Result<Option<Decimal>, BrokerageError> {
    Ok(fields.number(name)?.map(number::price))
}

/// Such a price; 0 is one that is not known.
pub(super) fn price(fields: &Fields<'_>, name: &str) -> Result<Option<Decimal>, BrokerageError> {
    Ok(amount(fields, name)?.filter(|price| !price.is_zero()))
}

/// A quantity that was a 32-bit float, of either sign.
pub(super) fn signed(fields: &Fields<'_>, name: &str) -> Result<Option<Decimal>, BrokerageError> {
    Ok(fields.number(name)?.map(number::quantity))
}

/// Such a quantity that is not negative.
pub(super) fn quantity(fields: &Fields<'_>, name: &str) -> Result<Option<Decimal>, BrokerageError> {
    match signed(fields, name)? {
        Some(quantity) if quantity.is_sign_negative() && !quantity.is_zero() => {
            Err(fields.malformed(name, &format!("{quantity} is less than nothing")))
        }
        quantity => Ok(quantity),
    }
}

/// The product in our word; one of a brokerage's own stays as it is.
pub(super) fn product(word: String) -> String {
    match word.as_str() {
        "INTRADAY" => "MIS".to_owned(),
        "DELIVERY" => "CNC".to_owned(),
        "NORMAL" => "NRML".to_owned(),
        _ => word,
    }
}

/// Seconds or milliseconds since 1970, as a number or a text, or an RFC 3339 text; none for 0 and less.
pub(super) fn instant(fields: &Fields<'_>, name: &str) -> Result<Option<DateTime<Utc>>, BrokerageError> {
    if let Some(Value::String(text)) = fields.value(name)
        && number::exact(text.trim()).is_none()
    {
        return fields.instant(name, rfc3339);
    }
    let Some(number) = fields.number(name)?.filter(|number| *number > Decimal::ZERO) else {
        return Ok(None);
    };
    match since_1970(number) {
        Some(instant) => Ok(Some(instant)),
        None => Err(fields.malformed(name, &format!("{number} is no time"))),
    }
}

fn since_1970(number: Decimal) -> Option<DateTime<Utc>> {
    let seconds = if number > MILLISECONDS_FROM { number / Decimal::ONE_THOUSAND } else { number };
    let microseconds = seconds.checked_mul(Decimal::from(1_000_000))?.trunc().to_i64()?;
    DateTime::from_timestamp_micros(microseconds).filter(|instant| instant.timestamp() <= LAST_SECOND)
}

fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_seconds_or_milliseconds_or_rfc_3339() {
        for (value, expected) in [
            (json!(1_750_153_500), "2025-06-17T09:45:00Z"),
            (json!("1750153500"), "2025-06-17T09:45:00Z"),
            (json!(1_750_153_500_250_i64), "2025-06-17T09:45:00.250Z"),
            (json!(1.7501535e12), "2025-06-17T09:45:00Z"),
            (json!("2025-06-17T15:15:00+05:30"), "2025-06-17T09:45:00Z"),
            (json!(100_000_000_000_i64), "5138-11-16T09:46:40Z"),
            (json!(100_000_000_001_i64), "1973-03-03T09:46:40.001Z"),
        ] {
            let row = json!({ "at": value });
            let read = instant(&Fields::of("row".to_owned(), &row).unwrap(), "at").unwrap();
            assert_eq!(read, Some(expected.parse().unwrap()), "{value}");
        }
    }

    #[test]
    fn no_time_is_none_and_nonsense_is_an_error() {
        let read = |value: Value| {
            let row = json!({ "at": value });
            let read = instant(&Fields::of("row".to_owned(), &row).unwrap(), "at");
            read.map_err(|error| error.to_string())
        };
        for none in
            [json!(null), json!(0), json!(-1), json!("0"), json!(""), json!(" "), json!("-62135596800000")]
        {
            assert_eq!(read(none.clone()), Ok(None), "{none}");
        }
        for nonsense in [json!("soon"), json!(true), json!([1]), json!(1e17), json!("17-06-2025 15:15:00")] {
            let error = read(nonsense.clone()).unwrap_err();
            assert!(error.starts_with("answer not understood: row.at: "), "{nonsense}: {error}");
        }
    }

    #[test]
    fn a_row_of_another_account_spoils_the_list() {
        let read = |rows: Value| {
            let rows = Rows::of(rows, "Raghu").unwrap();
            rows.each("orders", |_| Ok(())).map(|rows| rows.len()).map_err(|error| error.to_string())
        };
        assert_eq!(read(json!([{"pseudoAccount": "RAGHU"}, {"pseudoAccount": null}, {}])), Ok(3));
        let expected = "answer not understood: orders[1].pseudoAccount: \"Asha\" was not asked for";
        assert_eq!(read(json!([{}, {"pseudoAccount": "Asha"}])), Err(expected.to_owned()));
    }
}
