//! Reading one field of one object of an answer. An empty text is no value; what is wrong names its place.

use chrono::{DateTime, Utc};
use ledger::Side;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value};

use crate::{BrokerageError, number};

/// The longest id, symbol or word: they are in indexes of PostgreSQL and in keys of Redis.
pub(crate) const WORD_LIMIT: usize = 200;

/// The fields of an object at a place with a name, such as `orders[3]`.
pub(crate) struct Fields<'a> {
    place: String,
    object: &'a Map<String, Value>,
}

/// Reads every element of a list with a name, such as `orders`.
///
/// # Errors
///
/// That of the first element that cannot be read: leaving one out would look as if it did not exist.
pub(crate) fn each<T>(
    list: &str,
    elements: &[Value],
    read: impl Fn(&Fields<'_>) -> Result<T, BrokerageError>,
) -> Result<Vec<T>, BrokerageError> {
    let elements = elements.iter().enumerate();
    elements.map(|(index, element)| read(&Fields::of(format!("{list}[{index}]"), element)?)).collect()
}

impl<'a> Fields<'a> {
    /// # Errors
    ///
    /// [`BrokerageError::Malformed`] if the value is no object.
    pub(crate) fn of(place: String, value: &'a Value) -> Result<Self, BrokerageError> {
        match value {
            Value::Object(object) => Ok(Self { place, object }),
            _ => Err(BrokerageError::malformed(format!("{place} is not an object"))),
        }
    }

    /// A field as it is; `None` where absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// An object in a field.
    pub(crate) fn inner(&self, name: &str) -> Result<Option<Fields<'a>>, BrokerageError> {
        self.value(name).map(|value| Fields::of(format!("{}.{name}", self.place), value)).transpose()
    }

    /// The texts in a list, without the empty ones. What is no text in it is passed over.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<&'a str>, BrokerageError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(words)) => {
                let words =
                    words.iter().filter_map(Value::as_str).map(str::trim).filter(|word| !word.is_empty());
                words.map(|word| self.short(name, word)).collect()
            }
            Some(other) => Err(self.wrong(name, other, "a list")),
        }
    }

    /// A text of any length, trimmed; `None` where absent, null or empty.
    pub(crate) fn prose(&self, name: &str) -> Result<Option<&'a str>, BrokerageError> {
        match self.value(name) {
            None => Ok(None),
            // PostgreSQL holds no text with a NUL: it could be read but never stored.
            Some(Value::String(text)) if text.contains('\0') => {
                Err(self.malformed(name, "holds a NUL character"))
            }
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.wrong(name, other, "text")),
        }
    }

    /// An id, a symbol or a word: a text of at most [`WORD_LIMIT`] bytes.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, BrokerageError> {
        self.prose(name)?.map(|text| self.short(name, text)).transpose()
    }

    /// Such a text to keep.
    pub(crate) fn owned(&self, name: &str) -> Result<Option<String>, BrokerageError> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// An id that some write as a number.
    pub(crate) fn id(&self, name: &str) -> Result<Option<String>, BrokerageError> {
        match self.value(name) {
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            _ => self.owned(name),
        }
    }

    /// An id, a symbol or a word that every object of its kind has.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, BrokerageError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A word in capitals.
    pub(crate) fn word(&self, name: &str) -> Result<Option<String>, BrokerageError> {
        Ok(self.text(name)?.map(str::to_ascii_uppercase))
    }

    /// A word in capitals that every object of its kind has.
    pub(crate) fn required_word(&self, name: &str) -> Result<String, BrokerageError> {
        Ok(self.required_text(name)?.to_ascii_uppercase())
    }

    /// The status of an order in our form: capitals, `_` for blanks. None is left out: brokerages have more than they
    /// document.
    pub(crate) fn status(&self, name: &str) -> Result<String, BrokerageError> {
        let text = self.required_word(name)?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join("_"))
    }

    /// `BUY` or `SELL`.
    pub(crate) fn side(&self, name: &str) -> Result<Side, BrokerageError> {
        let text = self.required_text(name)?;
        Side::parse(text).ok_or_else(|| self.malformed(name, &format!("{text:?} is no side")))
    }

    /// True or false.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, BrokerageError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(other) => Err(self.wrong(name, other, "true or false")),
        }
    }

    /// A number with all its digits, given as a number or as text.
    pub(crate) fn number(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => number::exact(text.trim()),
            Some(Value::Number(number)) => number::exact(&number.to_string()),
            Some(_) => None,
        };
        match (number, self.value(name)) {
            (Some(number), _) => Ok(Some(number)),
            (None, value) => Err(self.wrong(name, value.unwrap_or(&Value::Null), "a number")),
        }
    }

    /// A factor of more than 0; brokerages write 0 for one they do not know.
    pub(crate) fn factor(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        Ok(self.number(name)?.filter(|factor| *factor > Decimal::ZERO))
    }

    /// A number that every object of its kind has.
    pub(crate) fn required_number(&self, name: &str) -> Result<Decimal, BrokerageError> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    /// A price; brokerages write 0 for one they do not know.
    pub(crate) fn price(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        Ok(self.number(name)?.filter(|price| !price.is_zero()))
    }

    /// A number that is not negative.
    pub(crate) fn quantity(&self, name: &str) -> Result<Option<Decimal>, BrokerageError> {
        match self.number(name)? {
            Some(quantity) if quantity.is_sign_negative() && !quantity.is_zero() => {
                Err(self.malformed(name, &format!("{quantity} is less than nothing")))
            }
            quantity => Ok(quantity),
        }
    }

    /// A quantity that every object of its kind has.
    pub(crate) fn required_quantity(&self, name: &str) -> Result<Decimal, BrokerageError> {
        self.quantity(name)?.ok_or_else(|| self.missing(name))
    }

    /// A quantity of more than 0.
    pub(crate) fn over_nothing(&self, name: &str) -> Result<Decimal, BrokerageError> {
        match self.required_quantity(name)? {
            quantity if quantity.is_zero() => Err(self.malformed(name, "nothing")),
            quantity => Ok(quantity),
        }
    }

    /// A whole number such as a count or the number of an instrument; `None` for one over 63 bits, too.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>, BrokerageError> {
        match self.number(name)? {
            Some(number) if !number.fract().is_zero() => {
                Err(self.malformed(name, &format!("{number} is not a whole number")))
            }
            number => Ok(number.and_then(|number| number.to_i64())),
        }
    }

    /// A count from 1 that every object of its kind has.
    pub(crate) fn count(&self, name: &str) -> Result<u32, BrokerageError> {
        let count = self.whole(name)?.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
        count.ok_or_else(|| self.malformed(name, "no count from 1"))
    }

    /// An instant in a form that `parse` reads; one before 1970 is some language's way to write none.
    pub(crate) fn instant(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>, BrokerageError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => match parse(text) {
                Some(instant) => Ok(Some(instant).filter(|instant| instant.timestamp() > 0)),
                None => Err(self.malformed(name, &format!("{text:?} is no time"))),
            },
        }
    }

    /// The whole object as JSON text.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Malformed`] for a NUL anywhere in it, which PostgreSQL holds neither in text nor in JSON.
    pub(crate) fn raw(&self) -> Result<String, BrokerageError> {
        if self.object.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) {
            return Err(self.malformed("*", "holds a NUL character"));
        }
        serde_json::to_string(self.object).map_err(|error| self.malformed("*", &error.to_string()))
    }

    pub(crate) fn malformed(&self, name: &str, what: &str) -> BrokerageError {
        BrokerageError::malformed(format!("{}.{name}: {what}", self.place))
    }

    pub(crate) fn missing(&self, name: &str) -> BrokerageError {
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

    fn short(&self, name: &str, text: &'a str) -> Result<&'a str, BrokerageError> {
        match text.len() {
            0..=WORD_LIMIT => Ok(text),
            length => Err(self.malformed(name, &format!("{length} bytes are more than {WORD_LIMIT}"))),
        }
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(elements) => elements.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
