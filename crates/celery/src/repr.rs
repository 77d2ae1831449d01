//! Values as Python's `repr` shows them: what Flower displays and Python's error texts quote.

use std::fmt::Write;

use serde_json::Value;

/// The `repr` of a JSON value, cut to about `limit` bytes, the cut marked by `...`.
///
/// Work and recursion are bounded by `limit` too: every level of nesting writes at least one byte.
pub(crate) fn repr(value: &Value, limit: usize) -> String {
    let mut out = String::new();
    write_value(&mut out, value, limit);
    shorten(out, limit)
}

/// The `repr` of a string as Python shows it, cut to about `limit` bytes, the cut marked by `...`.
pub fn repr_str(text: &str, limit: usize) -> String {
    let mut out = String::new();
    write_text(&mut out, text, limit);
    shorten(out, limit)
}

fn shorten(mut out: String, limit: usize) -> String {
    if out.len() > limit {
        out.truncate(out.floor_char_boundary(limit));
        out.push_str("...");
    }
    out
}

fn write_value(out: &mut String, value: &Value, limit: usize) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => write_text(out, text, limit),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if out.len() > limit {
                    return;
                }
                if index > 0 {
                    out.push_str(", ");
                }
                write_value(out, item, limit);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if out.len() > limit {
                    return;
                }
                if index > 0 {
                    out.push_str(", ");
                }
                write_text(out, key, limit);
                out.push_str(": ");
                write_value(out, item, limit);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str, limit: usize) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        if out.len() > limit {
            return;
        }
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', quote]),
            ' '..='~' => out.push(character),
            _ if is_printable(character) => out.push(character),
            _ => write_escape(out, character),
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable` and Rust's `escape_debug` follow the same Unicode categories. The letter before keeps
/// Rust from escaping a combining mark that opens a string, which Python prints as it is.
fn is_printable(character: char) -> bool {
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

fn write_escape(out: &mut String, character: char) {
    let _ = match u32::from(character) {
        code @ ..=0xff => write!(out, "\\x{code:02x}"),
        code @ ..=0xffff => write!(out, "\\u{code:04x}"),
        code => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_python_prints_them() {
        for (value, expected) in [
            (json!(null), "None"),
            (json!([]), "[]"),
            (json!({}), "{}"),
            (json!(["org1", "Raghu"]), "['org1', 'Raghu']"),
            (
                json!({"force_position_regeneration": true, "n": [1, 2.5, false]}),
                "{'force_position_regeneration': True, 'n': [1, 2.5, False]}",
            ),
            (json!("it's"), r#""it's""#),
            (json!(r#"it's "so""#), r#"'it\'s "so"'"#),
            (json!("a\\b\n\t\u{0}\u{7f}"), r"'a\\b\n\t\x00\x7f'"),
            (
                json!("é日\u{301}\u{a0}\u{200b}\u{e000}\u{10ffff}"),
                "'é日\u{301}\\xa0\\u200b\\ue000\\U0010ffff'",
            ),
        ] {
            assert_eq!(repr(&value, 1024), expected);
        }
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let text = repr(&json!(["é".repeat(2_000)]), 1024);
        assert!(text.len() <= 1024 + 3 && text.ends_with("é..."), "{}", text.len());
        assert!(repr(&json!(vec![0; 100_000]), 1024).len() <= 1027);
    }
}
