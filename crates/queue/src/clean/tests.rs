use proptest::prelude::*;

use super::*;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 1][..], &u32::try_from(payload.len()).unwrap().to_be_bytes(), payload, &[0xce]].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The header frame of a message with a content type and headers.
fn header(content_type: &[u8], headers: &[u8]) -> Vec<u8> {
    let payload = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0][..], &short(content_type), &long(headers)];
    frame(HEADER, &payload.concat())
}

/// What comes out when it comes in parts of so many bytes.
fn cleaned(bytes: &[u8], part: usize) -> Vec<u8> {
    let (mut cleaner, mut out) = (Cleaner::default(), Vec::new());
    let mut buffer = [0; 100];
    for part in bytes.chunks(part) {
        cleaner.take(part);
        loop {
            match cleaner.give(&mut buffer) {
                0 => break,
                count => out.extend_from_slice(&buffer[..count]),
            }
        }
    }
    cleaner.end();
    loop {
        match cleaner.give(&mut buffer) {
            0 => return out,
            count => out.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn names_and_short_strings_become_text_and_values_stay() {
    let entry = |name: &[u8]| [short(name), vec![b'S'], long(b"\xff")].concat();
    let deliver = |key: &[u8]| {
        frame(METHOD, &[&[0, 60, 0, 60][..], &short(b"tag"), &[0; 9], &short(b""), &short(key)].concat())
    };
    let body = frame(3, b"\xff\xfe");
    let sent = [deliver(b"k\xc3"), header(b"a\xffb", &entry(b"n\xe2\x82")), body.clone()].concat();
    let expected = [deliver(b"k?"), header(b"a?b", &entry(b"n??")), body].concat();
    for part in [1, 3, 50, 10_000] {
        assert_eq!(cleaned(&sent, part), expected, "in parts of {part}");
    }
}

#[test]
fn what_is_in_order_passes_unchanged_whatever_types_its_headers_have() {
    let fields: [(u8, &[u8]); 18] = [
        (b't', &[1]),
        (b'b', &[0xff]),
        (b'B', &[0xff]),
        (b's', &[0xff; 2]),
        (b'U', &[0xff; 2]),
        (b'u', &[0xff; 2]),
        (b'I', &[0xff; 4]),
        (b'i', &[0xff; 4]),
        (b'f', &[0x7f; 4]),
        (b'd', &[0x7f; 8]),
        (b'D', &[0xff; 5]),
        (b'L', &[0xff; 8]),
        (b'l', &[0xff; 8]),
        (b'T', &[0xff; 8]),
        (b'S', &[0, 0, 0, 1, 0xff]),
        (b'x', &[0, 0, 0, 1, 0xff]),
        (b'A', &[0, 0, 0, 2, b't', 1]),
        (b'F', &[0, 0, 0, 4, 1, b'x', b't', 1]),
    ];
    let mut headers: Vec<u8> =
        fields.iter().flat_map(|(kind, value)| [&short(&[*kind]), &[*kind][..], value].concat()).collect();
    headers.extend([1, b'v', b'V']);
    let sent = header("text/ü".as_bytes(), &headers);
    assert_eq!(cleaned(&sent, 10_000), sent);
    // The walk reached its end: what stands last is cleaned.
    headers.extend([1, 0xff, b'V']);
    assert_ne!(cleaned(&header(b"", &headers), 10_000), header(b"", &headers));
}

#[test]
fn what_is_nested_by_the_thousand_is_cut_off_where_nobody_reads_it_any_more() {
    for kind in *b"FA" {
        let name = if kind == b'F' { &[1, b'a'][..] } else { &[] };
        let nested = (0..3_000).fold(Vec::new(), |inner: Vec<u8>, _| {
            // Only the lengths matter, so the innermost may be built first.
            [name, &[kind], &long(&inner)].concat()
        });
        let headers = [&[1, b'a', kind][..], &long(&nested)].concat();
        let sent = header(b"", &headers);
        let out = cleaned(&sent, usize::MAX);
        let changed: Vec<_> = sent.iter().zip(&out).filter(|(sent, out)| sent != out).collect();
        assert_eq!((out.len(), changed), (sent.len(), vec![(&kind, &b'x')]));
    }
}

proptest! {
    #[test]
    fn any_bytes_come_out_in_the_same_number(bytes in any::<Vec<u8>>(), part in 1_usize..40) {
        prop_assert_eq!(cleaned(&bytes, part).len(), bytes.len());
    }

    #[test]
    fn any_header_frame_keeps_its_length_however_it_is_cut(headers in any::<Vec<u8>>(), flags in any::<u16>(), part in 1_usize..40) {
        let payload = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &flags.to_be_bytes(), &headers].concat();
        let sent = [frame(HEADER, &payload), frame(8, b"")].concat();
        let out = cleaned(&sent, part);
        prop_assert_eq!(&out, &cleaned(&sent, usize::MAX));
        prop_assert_eq!(out.len(), sent.len());
    }
}
