//! Compressed bodies, as kombu writes them.

use std::borrow::Cow;
use std::io::Read;

use bzip2::read::BzDecoder;
use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;

use crate::body::{BODY_LIMIT, QUOTE_LIMIT, too_large};
use crate::repr::repr;
use crate::{DecodeError, Envelope, Reason};

/// The most of a zstd stream that is held to copy from: what every decoder must be able to hold (RFC 8878, 3.1.1.1.2).
const ZSTD_WINDOW_LIMIT: u64 = 8 << 20;

/// The body as it was before its producer compressed it.
pub(crate) fn undo<'a>(envelope: &Envelope<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    let body = envelope.body;
    let name = match envelope.headers.get("compression") {
        None | Some(Value::Null) => return Ok(Cow::Borrowed(body)),
        Some(Value::String(name)) => name.as_str(),
        Some(other) => return Err(unknown(other)),
    };
    let text = match name {
        // Celery's name for a bare zlib stream, and kombu's aliases of it; never a gzip file.
        "application/x-gzip" | "gzip" | "zlib" => read("zlib", ZlibDecoder::new(body)),
        "application/x-bz2" | "bzip2" | "bzip" => read("bzip2", BzDecoder::new(body)),
        "application/zstd" | "zstd" | "zstandard" => {
            match StreamingDecoder::new_with_max_window_size(body, ZSTD_WINDOW_LIMIT) {
                Ok(decoder) => read("zstd", decoder),
                Err(error) => Err(broken("zstd", &error)),
            }
        }
        other => Err(unknown(&Value::from(other))),
    };
    text.map(Cow::Owned)
}

fn read(kind: &str, decoder: impl Read) -> Result<Vec<u8>, DecodeError> {
    let mut text = Vec::new();
    // One byte more than the limit tells "exactly at the limit" from "over it" without inflating a bomb.
    let mut bounded = decoder.take(BODY_LIMIT as u64 + 1);
    bounded.read_to_end(&mut text).map_err(|error| broken(kind, &error))?;
    if text.len() > BODY_LIMIT {
        return Err(too_large("the decompressed body goes on".to_owned()));
    }
    Ok(text)
}

fn broken(kind: &str, error: &dyn std::error::Error) -> DecodeError {
    DecodeError::new(Reason::BadBody, format!("no {kind} stream: {error}"))
}

fn unknown(name: &Value) -> DecodeError {
    DecodeError::new(Reason::UnsupportedEncoding, format!("compression {}", repr(name, QUOTE_LIMIT)))
}
