//! Reading one field of one element of a list. An empty text is no value; a wrong type names its place.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::time;
use crate::BrokerageError;

/// The fields of the element at `index` of a list with a name, such as `orders`.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) element: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// # Errors
    ///
    /// [`BrokerageError::Malformed`] if the element is no object.
    pub(super) fn of(list: &'static str, index: usize, element: &'a Value) -> Result<Self, BrokerageError> {
        match element {
            Value::Object(element) => Ok(Self { list, index, element }),
            _ => Err(BrokerageError::malformed(format!("{list}[{index}] is not an object"))),
        }
    }

    /// A text, trimmed; `None` where absent, null or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, BrokerageError> {
        match self.element.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.wrong(name, other, "text")),
        }
    }

    /// A text that every element has.
    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, BrokerageError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text in capitals.
    pub(super) fn word(&self, name: &str) -> Result<Option<String>, BrokerageError> {
        Ok(self.text(name)?.map(str::to_ascii_uppercase))
    }

    /// A number with all its digits, given as a number or as text.
    pub(super) fn number(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        match self.element.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value @ Value::String(text)) if !text.trim().is_empty() => {
                decimal(text.trim()).map(Some).ok_or_else(|| self.wrong(name, value, "a number"))
            }
            Some(Value::String(_)) => Ok(None),
            Some(value @ Value::Number(number)) => {
                decimal(&number.to_string()).map(Some).ok_or_else(|| self.wrong(name, value, "a number"))
            }
            Some(other) => Err(self.wrong(name, other, "a number")),
        }
    }

    /// A number that is not negative.
    pub(super) fn quantity(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        match self.number(name)? {
            Some(quantity) if quantity.is_sign_negative() && !quantity.is_zero() => {
                Err(self.malformed(name, &format!("{quantity} is less than nothing")))
            }
            quantity => Ok(quantity),
        }
    }

    /// A quantity that every element has.
    pub(super) fn required_quantity(&self, name: &str) -> Result<Decimal, BrokerageError> {
        self.quantity(name)?.ok_or_else(|| self.missing(name))
    }

    /// An instant.
    pub(super) fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, BrokerageError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => match time::parse(text) {
                Some(instant) => Ok(Some(instant)),
                None => Err(self.malformed(name, &format!("{text:?} is no time"))),
            },
        }
    }

    pub(super) fn malformed(&self, name: &str, what: &str) -> BrokerageError {
        BrokerageError::malformed(format!("{}[{}].{name}: {what}", self.list, self.index))
    }

    fn missing(&self, name: &str) -> BrokerageError {
        self.malformed(name, "missing")
    }

    fn wrong(&self, name: &str, value: &Value, expected: &str) -> BrokerageError {
        let kind = match value {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            short => short.to_string(),
        };
        self.malformed(name, &format!("{kind} is not {expected}"))
    }
}

/// The exact number, without a float in between; `None` for what a [`Decimal`] cannot hold.
fn decimal(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if !plain {
        return None;
    }
    if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { Decimal::from_str(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, expected) in [
            ("1", "1"),
            ("109.40", "109.40"),
            ("0.1", "0.1"),
            ("-2", "-2"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("1e+3", "1000"),
            ("123456789012345678.123456789", "123456789012345678.123456789"),
        ] {
            assert_eq!(decimal(text).map(|number| number.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "-",
            ".",
            "1_000",
            "1,000",
            "NaN",
            "inf",
            "0x1",
            "1e999999999999",
            "1e99",
            "1e",
            "99999999999999999999999999999999",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
