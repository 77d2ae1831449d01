//! From the delivered bytes to JSON: size, content type, encoding.

use serde_json::Value;

use crate::compression;
use crate::repr::repr_str;
use crate::{DecodeError, Envelope, Reason};

/// The largest body that is read, before and after decompression: 1 MiB.
pub const BODY_LIMIT: usize = 1 << 20;

/// The most values that a body is read with. In memory each takes up to a hundred times its bytes: a mebibyte of small
/// objects would be a hundred of them, in each slot of a worker.
pub const VALUES_LIMIT: usize = 20_000;

/// How much of a stranger's value an error may quote.
pub(crate) const QUOTE_LIMIT: usize = 80;

/// How deeply `serde_json` reads.
const DEPTH_LIMIT: usize = 128;

/// The body as JSON. Nesting is bounded by `serde_json`'s recursion limit.
pub(crate) fn parse(envelope: &Envelope<'_>) -> Result<Value, DecodeError> {
    check_size(envelope.body)?;
    check_content(envelope)?;
    read_json(&compression::undo(envelope)?)
}

/// A stranger's bytes as JSON, if they are that, at most [`BODY_LIMIT`] bytes with at most [`VALUES_LIMIT`] values.
///
/// # Errors
///
/// [`Reason::NotJson`] or [`Reason::TooLarge`].
pub fn read_json(text: &[u8]) -> Result<Value, DecodeError> {
    check_size(text)?;
    if values_at_most(text) > VALUES_LIMIT {
        let detail = format!("the body may have more than {VALUES_LIMIT} values");
        return Err(DecodeError::new(Reason::TooLarge, detail));
    }
    serde_json::from_slice(text).map_err(|error| DecodeError::new(Reason::NotJson, error.to_string()))
}

fn check_size(text: &[u8]) -> Result<(), DecodeError> {
    match text.len() {
        ..=BODY_LIMIT => Ok(()),
        bytes => Err(too_large(format!("the body has {bytes} bytes"))),
    }
}

/// No more values are made of these bytes: each but the first is the first of a list or an object, or comes after a
/// comma, and where it is nested too deeply the reading ends.
fn values_at_most(text: &[u8]) -> usize {
    let (mut values, mut depth, mut is_text, mut is_escaped) = (1, 0_usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b',' => values += 1,
            b'[' | b'{' => (values, depth) = (values + 1, depth + 1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            break;
        }
    }
    values
}

fn check_content(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    // Exactly this: Celery workers of the same fleet refuse `text/json` and parameters such as `; charset`.
    match envelope.content_type {
        Some("application/json") => {}
        Some(other) => {
            let detail = format!("content type {}", repr_str(other, QUOTE_LIMIT));
            return Err(DecodeError::new(Reason::UnsupportedContentType, detail));
        }
        None => return Err(DecodeError::new(Reason::UnsupportedContentType, "no content type")),
    }
    match envelope.content_encoding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => {
            let detail = format!("content encoding {}", repr_str(other, QUOTE_LIMIT));
            Err(DecodeError::new(Reason::UnsupportedEncoding, detail))
        }
    }
}

pub(crate) fn too_large(what: String) -> DecodeError {
    DecodeError::new(Reason::TooLarge, format!("{what}, over the limit of {BODY_LIMIT} bytes"))
}
