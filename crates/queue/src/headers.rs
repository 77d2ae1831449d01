use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Number, Value};

/// Tables and arrays deeper than this are no header of Celery's or ours; what is below is read as nothing.
const DEPTH_MAX: usize = 32;

/// An AMQP table as JSON: integers of every width as numbers, bytes as text with replacement characters.
pub(crate) fn to_json(table: &FieldTable) -> Map<String, Value> {
    some_to_json(table, |_| true)
}

/// As [`to_json`], of those headers alone whose names are wanted.
pub(crate) fn some_to_json(table: &FieldTable, is_wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    table_to_json(table, DEPTH_MAX, is_wanted)
}

fn table_to_json(table: &FieldTable, depth: usize, is_wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let mut map = Map::new();
    // Not collected, as every job comes here: that sorts what is sorted already, in memory that grows as it goes.
    for (key, value) in table.inner().iter().filter(|(key, _)| is_wanted(key.as_str())) {
        map.insert(key.to_string(), value_to_json(value, depth));
    }
    map
}

/// A header that is text.
pub(crate) fn text(table: &FieldTable, name: &str) -> Option<String> {
    value_to_json(table.inner().get(name)?, 0).as_str().map(str::to_owned)
}

/// Whether a value is nested so deeply that nobody can have meant it.
pub(crate) fn is_too_deep(value: &AMQPValue) -> bool {
    fn within(value: &AMQPValue, depth: usize) -> bool {
        match value {
            AMQPValue::FieldTable(table) => {
                depth > 0 && table.inner().values().all(|value| within(value, depth - 1))
            }
            AMQPValue::FieldArray(values) => {
                depth > 0 && values.as_slice().iter().all(|value| within(value, depth - 1))
            }
            _ => true,
        }
    }
    !within(value, DEPTH_MAX)
}

fn value_to_json(value: &AMQPValue, depth: usize) -> Value {
    match value {
        AMQPValue::FieldTable(_) | AMQPValue::FieldArray(_) if depth == 0 => Value::Null,
        AMQPValue::Boolean(value) => Value::Bool(*value),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => Number::from_f64(f64::from(*value)).map_or(Value::Null, Value::Number),
        AMQPValue::Double(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        AMQPValue::DecimalValue(value) => Value::String(format!("{}e-{}", value.value, value.scale)),
        AMQPValue::ShortString(value) => Value::String(value.to_string()),
        AMQPValue::LongString(value) => Value::String(value.to_string()),
        AMQPValue::FieldArray(values) => {
            values.as_slice().iter().map(|value| value_to_json(value, depth - 1)).collect()
        }
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::FieldTable(table) => Value::Object(table_to_json(table, depth - 1, |_| true)),
        AMQPValue::ByteArray(bytes) => Value::String(String::from_utf8_lossy(bytes.as_slice()).into_owned()),
        AMQPValue::Void => Value::Null,
    }
}

/// JSON as an AMQP table, with the field types a Celery producer uses. Keys beyond AMQP's 255 bytes are left out.
pub(crate) fn from_json(map: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in map {
        if let Ok(key) = ShortString::try_new(key.clone()) {
            table.insert(key, value_from_json(value));
        }
    }
    table
}

pub(crate) fn value_from_json(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => {
                i32::try_from(integer).map_or(AMQPValue::LongLongInt(integer), AMQPValue::LongInt)
            }
            None => AMQPValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(values) => {
            let mut array = FieldArray::default();
            for value in values {
                array.push(value_from_json(value));
            }
            AMQPValue::FieldArray(array)
        }
        Value::Object(map) => AMQPValue::FieldTable(from_json(map)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_celery_producer_sets_survives_both_ways() {
        let headers = json!({"lang": "py", "id": "a", "eta": null, "retries": 0, "timelimit": [null, 300],
                             "stamps": {}, "ignore_result": false, "expires": 1795353353.5, "big": 5000000000i64});
        let Value::Object(map) = headers.clone() else { panic!() };
        assert_eq!(Value::Object(to_json(&from_json(&map))), headers);
    }

    #[test]
    fn what_is_nested_too_deeply_is_read_as_nothing() {
        let nested = (0..100).fold(AMQPValue::Boolean(true), |inner, _| {
            let mut table = FieldTable::default();
            table.insert("a".into(), inner);
            AMQPValue::FieldTable(table)
        });
        assert!(is_too_deep(&nested) && !is_too_deep(&AMQPValue::FieldTable(FieldTable::default())));
        let mut headers = FieldTable::default();
        headers.insert("deep".into(), nested);
        assert!(Value::Object(to_json(&headers)).to_string().contains("null"));
    }

    #[test]
    fn small_integers_are_int32_as_py_amqp_writes_them() {
        assert_eq!(value_from_json(&json!(3)), AMQPValue::LongInt(3));
    }
}
