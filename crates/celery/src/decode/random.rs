//! Messages made at random: read or refused, and never a panic.

use proptest::prelude::*;

use super::*;

/// JSON as hostile headers and bodies hold it.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})?(Z|[+-][0-9:]{0,6})?"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_headers() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "task",
        "id",
        "eta",
        "expires",
        "retries",
        "timelimit",
        "root_id",
        "group_index",
        "ignore_result",
        "compression",
        ENQUEUED_AT,
    ]);
    prop::collection::hash_map(name, any_json(), 0..8)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn random_headers_and_bytes_never_panic(headers in any_headers(), body in any::<Vec<u8>>(), content in any::<Option<String>>()) {
        let envelope = Envelope {
            content_type: Some("application/json"), content_encoding: content.as_deref(),
            correlation_id: content.as_deref(), headers: &headers, body: &body,
        };
        let _ = decode(&envelope);
        let _ = decode(&Envelope { content_encoding: None, ..envelope });
    }

    #[test]
    fn random_json_never_panics_and_errors_are_short(headers in any_headers(), parts in prop::collection::vec(any_json(), 0..5), body in any_json()) {
        for body in [Value::from(parts), Value::from(headers.clone()), body] {
            for headers in [&headers, &Map::new()] {
                let body = body.to_string();
                let outcome = decode(&Envelope {
                    content_type: Some("application/json"), content_encoding: None, correlation_id: None,
                    headers, body: body.as_bytes(),
                });
                if let Err(error) = outcome {
                    prop_assert!(error.to_string().len() < 300);
                }
            }
        }
    }
}
