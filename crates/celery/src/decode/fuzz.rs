//! Messages as a producer sends them, spoilt at random: read or refused, and never a panic.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::random::any_json;
use super::tests::{PROTOCOL_1_BODY, SEND_TASK_BODY, SEND_TASK_HEADERS, zlib};
use super::*;
use crate::BODY_LIMIT;

/// One way to spoil the bytes of a body.
#[derive(Debug, Clone)]
enum Spoil {
    Turn(Index, u8),
    Cut(Index),
    Insert(Index, &'static str),
    Repeat(Index, usize),
}

fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let pieces = vec![
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\\",
        ",",
        ":",
        "null",
        "\0",
        "\u{feff}",
        "\\u0000",
        "\\ud800",
        "1e400000000",
        "-0",
        "99999999999999999999999999999999999999",
        "NaN",
        "é",
        "\u{202e}",
        " ",
    ];
    let one = prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Spoil::Turn(at, bits)),
        any::<Index>().prop_map(Spoil::Cut),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Spoil::Insert(at, piece)),
        (any::<Index>(), 2..3_000_usize).prop_map(|(at, times)| Spoil::Repeat(at, times)),
    ];
    prop::collection::vec(one, 0..4)
}

fn spoilt(body: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut body = body.to_vec();
    for spoil in spoils {
        let end = body.len();
        match spoil {
            Spoil::Turn(at, bits) if end > 0 => body[at.index(end)] ^= bits,
            Spoil::Cut(at) => body.truncate(at.index(end + 1)),
            Spoil::Insert(at, piece) => {
                let at = at.index(end + 1);
                body.splice(at..at, piece.bytes());
            }
            Spoil::Repeat(at, times) if end > 0 => {
                let at = at.index(end);
                let byte = body[at];
                body.splice(at..at, std::iter::repeat_n(byte, *times));
            }
            Spoil::Turn(..) | Spoil::Repeat(..) => {}
        }
    }
    body
}

/// The headers of a producer, some of them replaced.
fn headers() -> impl Strategy<Value = Map<String, Value>> {
    let names = [
        "task",
        "id",
        "eta",
        "expires",
        "retries",
        "timelimit",
        "group_index",
        "ignore_result",
        "compression",
        "root_id",
        ENQUEUED_AT,
        REPLAYED_AT,
    ];
    let odd = select(vec![
        "",
        "\0",
        "x\ny",
        "-1",
        "4294967295",
        "4294967296",
        "1e999",
        "inf",
        "NaN",
        "9999-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00+23:59",
        "2025-06-17T10:00:00.1234567890Z",
        "zlib",
        "gzip",
        "bzip2",
    ]);
    let value = prop_oneof![any_json(), odd.prop_map(Value::from)];
    prop::collection::vec((select(names.to_vec()), value), 0..4).prop_map(|changes| {
        let mut headers: Map<String, Value> = serde_json::from_str(SEND_TASK_HEADERS).unwrap();
        headers.extend(changes.into_iter().map(|(name, value)| (name.to_owned(), value)));
        headers
    })
}

fn check(outcome: Result<TaskMessage, DecodeError>) -> Result<(), TestCaseError> {
    match outcome {
        Ok(task) => {
            prop_assert!(field::is_name(&task.id) && field::is_name(&task.task));
            // What reads it goes on: binding must not panic either.
            let _ = crate::bind(&task, &["organization_id", "pseudo_account"]);
        }
        Err(error) => {
            prop_assert!(error.to_string().len() < 300 && !error.detail.contains('\n'), "{error}");
            prop_assert!(error.id.iter().chain(&error.task).all(|name| field::is_name(name)));
        }
    }
    Ok(())
}

/// Mostly small: packing a mebibyte takes long.
fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![60 => 0..5_000_usize, 1 => BODY_LIMIT - 1..BODY_LIMIT + 2]
}

proptest! {
    #[test]
    fn a_spoilt_message_is_read_or_refused(
        headers in headers(), spoils in spoils(), is_packed in any::<bool>(), is_old in any::<bool>(),
        content_type in prop::option::weighted(0.1, any::<String>()), id in prop::option::of(any::<String>()),
    ) {
        let body = spoilt(if is_old { PROTOCOL_1_BODY } else { SEND_TASK_BODY }.as_bytes(), &spoils);
        let mut headers = if is_old { Map::new() } else { headers };
        if is_packed {
            headers.insert("compression".to_owned(), "zlib".into());
        }
        let body = if is_packed { zlib(&body) } else { body };
        let envelope = Envelope {
            content_type: Some(content_type.as_deref().unwrap_or("application/json")),
            content_encoding: Some("utf-8"), correlation_id: id.as_deref(), headers: &headers, body: &body,
        };
        check(decode(&envelope))?;
    }

    #[test]
    fn a_spoilt_zlib_stream_is_read_or_refused(spoils in spoils(), size in sizes()) {
        let packed = zlib(&vec![b' '; size]);
        let packed = spoilt(&packed, &spoils);
        let mut headers: Map<String, Value> = serde_json::from_str(SEND_TASK_HEADERS).unwrap();
        headers.insert("compression".to_owned(), "application/x-gzip".into());
        check(decode(&Envelope {
            content_type: Some("application/json"), content_encoding: None, correlation_id: None,
            headers: &headers, body: &packed,
        }))?;
    }
}
