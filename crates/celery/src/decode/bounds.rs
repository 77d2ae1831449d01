//! Bodies that are compressed, or larger than anybody needs.

use std::io::Write;

use serde_json::json;

use super::tests::{SEND_TASK_BODY, decode_body, decode_with, reason, zlib};
use crate::{BODY_LIMIT, VALUES_LIMIT};

type Packing = fn(&[u8]) -> Vec<u8>;

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn compressed_bodies_are_read_under_every_name_of_kombus_and_no_other() {
    let headers = |compression: &str| json!({"task": "a", "id": "1", "compression": compression});
    let all: [(&[&str], Packing); 3] = [
        (&["application/x-gzip", "gzip", "zlib"], zlib),
        (&["application/x-bz2", "bzip2", "bzip"], bzip2),
        (&["application/zstd", "zstd", "zstandard"], zstd),
    ];
    for (names, pack) in all {
        let packed = pack(SEND_TASK_BODY.as_bytes());
        for name in names {
            assert_eq!(decode_with(&headers(name), &packed).unwrap().args.len(), 2, "{name}");
        }
        for broken in [SEND_TASK_BODY.as_bytes(), &packed[..packed.len() / 2]] {
            assert_eq!(reason(decode_with(&headers(names[0]), broken)), "bad_body", "{names:?}");
        }
        assert_eq!(reason(decode_with(&headers("application/x-lzma"), &packed)), "unsupported_encoding");
    }
    assert_eq!(reason(decode_with(&headers(""), b"x")), "unsupported_encoding");
}

#[test]
fn a_body_is_bounded_before_and_after_decompression() {
    let headers = json!({"task": "a", "id": "1"});
    let of_size = |size: usize| format!("[[\"{}\"],{{}},{{}}]", "x".repeat(size - 12)).into_bytes();
    assert_eq!(of_size(BODY_LIMIT).len(), BODY_LIMIT);
    assert!(decode_with(&headers, &of_size(BODY_LIMIT)).is_ok());
    assert_eq!(reason(decode_with(&headers, &of_size(BODY_LIMIT + 1))), "too_large");
    let all: [(&str, Packing); 3] = [("zlib", zlib), ("bzip2", bzip2), ("zstd", zstd)];
    for (name, pack) in all {
        let headers = json!({"task": "a", "id": "1", "compression": name});
        assert!(decode_with(&headers, &pack(&of_size(BODY_LIMIT))).is_ok(), "{name}");
        assert_eq!(reason(decode_with(&headers, &pack(&of_size(BODY_LIMIT + 1)))), "too_large", "{name}");
        let bomb = pack(&vec![b' '; 8 << 20]);
        assert!(bomb.len() < BODY_LIMIT);
        assert_eq!(reason(decode_with(&headers, &bomb)), "too_large", "{name}");
    }
}

#[test]
fn a_zstd_stream_that_asks_for_much_memory_is_refused() {
    // A frame whose window is 2 GiB, and no block.
    let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let headers = json!({"task": "a", "id": "1", "compression": "zstd"});
    let error = decode_with(&headers, &packed).unwrap_err();
    assert_eq!(error.reason.as_str(), "bad_body");
    assert!(error.detail.contains("indow"), "{error}");
}

#[test]
fn a_body_of_very_many_small_values_is_refused_before_it_fills_the_memory() {
    for small in ["0,", "[],", "{\"\":0},", "\"\","] {
        let many = small.repeat(BODY_LIMIT / small.len() - 8);
        let outcome = decode_body(&format!("[[{}0],{{}},{{}}]", many));
        assert_eq!(reason(outcome), "too_large", "{small}");
    }
    // What looks like one inside a text is none.
    let text = "a,[{\\\",".repeat(VALUES_LIMIT);
    assert!(decode_body(&format!("[[\"{text}\"],{{}},{{}}]")).is_ok());
    let values = "0,".repeat(VALUES_LIMIT - 10);
    assert!(decode_body(&format!("[[{values}0],{{}},{{}}]")).is_ok());
}
