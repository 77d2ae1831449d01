//! A row of a brokerage's answer.

use serde_json::{Map, Value};

/// One JSON object of an answer, whose fields can be changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// With these fields in the place of its own; an object inside is replaced as a whole.
    ///
    /// # Panics
    /// When `fields` is no JSON object.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, fields: Value) -> Self {
        let Value::Object(fields) = fields else { panic!("{fields} is no object of fields") };
        self.0.extend(fields);
        self
    }

    /// One field; null when there is none.
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }
}

impl From<Row> for Value {
    fn from(row: Row) -> Self {
        Self::Object(row.0)
    }
}

/// As both brokerages write it: a whole number has no `.0`.
pub(crate) fn number(value: f64) -> Value {
    // Beyond 2^53 not every whole number is one; no price is near.
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

/// A made-up number for an instrument, the same wherever its symbol appears.
pub(crate) fn token_of(symbol: &str) -> u32 {
    symbol.bytes().fold(17, |token: u32, byte| (token * 31 + u32::from(byte)) % 100_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_a_row_are_replaced_and_added() {
        let row = Row::default().with(json!({"a": 1, "b": {"c": 2}})).with(json!({"b": {"d": 3}, "e": null}));
        assert_eq!(Value::from(row), json!({"a": 1, "b": {"d": 3}, "e": null}));
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        assert_eq!(number(-75.0).to_string(), "-75");
        assert_eq!(number(109.35).to_string(), "109.35");
    }
}
