use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Number, Value};

/// An AMQP table as JSON: integers of every width as numbers, bytes as text with replacement characters.
pub(crate) fn to_json(table: &FieldTable) -> Map<String, Value> {
    table.inner().iter().map(|(key, value)| (key.to_string(), value_to_json(value))).collect()
}

fn value_to_json(value: &AMQPValue) -> Value {
    match value {
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
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(value_to_json).collect(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::FieldTable(table) => Value::Object(to_json(table)),
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
    fn small_integers_are_int32_as_py_amqp_writes_them() {
        assert_eq!(value_from_json(&json!(3)), AMQPValue::LongInt(3));
    }
}
