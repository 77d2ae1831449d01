//! Frames of RabbitMQ made readable, in place and without changing their length.
//!
//! RabbitMQ takes any bytes for a header's name, a `content_type`, a `message_id`. lapin takes UTF-8 only, and ends the
//! connection over anything else: such a message came back to every worker for ever, and nobody did anything more. Tables
//! that are nested by the thousand end it by its stack. Here bytes that are no text become `?`, and what is nested too
//! deeply becomes a string of bytes; the body is never touched.

/// Tables and arrays within each other that lapin may read by recursion; more than `headers.rs` keeps.
const DEPTH_MAX: usize = 48;
/// A frame of RabbitMQ has 128 KiB at most unless somebody configured more; beyond this it is passed on as it is.
const FRAME_MAX: usize = 16 << 20;
/// Kind, channel and length before a frame, and the mark behind it.
const HEAD_BYTES: usize = 7;
const END_BYTES: usize = 1;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// The class of messages, and its methods that name exchange and routing key.
const BASIC: [u8; 2] = [0, 60];
const RETURN: [u8; 2] = [0, 50];
const DELIVER: [u8; 2] = [0, 60];
const GET_OK: [u8; 2] = [0, 71];

/// The properties of a message in their order, the first one announced by the highest bit.
const PROPERTIES: [Property; 14] = [
    Property::Text,
    Property::Text,
    Property::Table,
    Property::Fixed(1),
    Property::Fixed(1),
    Property::Text,
    Property::Text,
    Property::Text,
    Property::Text,
    Property::Fixed(8),
    Property::Text,
    Property::Text,
    Property::Text,
    Property::Text,
];

#[derive(Clone, Copy)]
enum Property {
    Text,
    Table,
    Fixed(usize),
}

/// What came from RabbitMQ: cleaned up to some point, behind which a frame is still to end.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    bytes: Vec<u8>,
    /// So many were given away.
    given: usize,
    /// So many are clean.
    clean: usize,
    /// So many more belong to a frame that is passed on as it comes.
    passing: usize,
}

impl Cleaner {
    /// Takes bytes as they came.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if self.given == self.clean {
            self.bytes.drain(..self.given);
            (self.given, self.clean) = (0, 0);
        }
        self.bytes.extend_from_slice(bytes);
        self.advance();
    }

    /// Gives clean bytes, as many as there are and fit; 0: more must come first.
    pub(crate) fn give(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.clean - self.given);
        into[..count].copy_from_slice(&self.bytes[self.given..self.given + count]);
        self.given += count;
        count
    }

    /// Nothing more comes: a frame that has not ended is given as it is.
    pub(crate) fn end(&mut self) {
        self.clean = self.bytes.len();
    }

    fn advance(&mut self) {
        loop {
            let passed = self.passing.min(self.bytes.len() - self.clean);
            self.clean += passed;
            self.passing -= passed;
            let rest = &mut self.bytes[self.clean..];
            let (&mut [kind, _, _, a, b, c, d, ..], 0) = (&mut *rest, self.passing) else { return };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let whole = HEAD_BYTES + length + END_BYTES;
            if !matches!(kind, METHOD | HEADER) || whole > FRAME_MAX {
                self.passing = whole;
                continue;
            }
            let Some(frame) = rest.get_mut(..whole) else { return };
            let mut reader = Reader { bytes: &mut frame[HEAD_BYTES..HEAD_BYTES + length], at: 0 };
            // One that does not end as it should is for lapin to judge.
            let _ = if kind == HEADER { reader.header() } else { reader.method() };
            self.clean += whole;
        }
    }
}

/// Walks over a frame; `None` as soon as it is not what it should be.
struct Reader<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Reader<'_> {
    fn method(&mut self) -> Option<()> {
        let (class, method) = (self.array()?, self.array()?);
        if class != BASIC {
            return None;
        }
        match method {
            DELIVER => {
                self.text()?;
                self.skip(9)?;
            }
            GET_OK => self.skip(9)?,
            RETURN => {
                self.skip(2)?;
                self.text()?;
            }
            _ => return None,
        }
        self.text()?;
        self.text()
    }

    fn header(&mut self) -> Option<()> {
        // Class, weight and the size of the body.
        self.skip(12)?;
        let flags = u16::from_be_bytes(self.array()?);
        for (place, property) in PROPERTIES.into_iter().enumerate() {
            if flags & (0x8000 >> place) != 0 {
                match property {
                    Property::Text => self.text()?,
                    Property::Table => self.table()?,
                    Property::Fixed(bytes) => self.skip(bytes)?,
                }
            }
        }
        Some(())
    }

    /// A table with all that is in it, however deep, without recursion.
    fn table(&mut self) -> Option<()> {
        let mut open = vec![(self.end_of_long()?, true)];
        while let Some(&(end, is_named)) = open.last() {
            if self.at >= end {
                open.pop();
                continue;
            }
            if is_named {
                self.text()?;
            }
            let kind = self.at;
            match self.array::<1>()?[0] {
                b't' | b'b' | b'B' => self.skip(1)?,
                b's' | b'U' | b'u' => self.skip(2)?,
                b'I' | b'i' | b'f' => self.skip(4)?,
                b'D' => self.skip(5)?,
                b'L' | b'l' | b'd' | b'T' => self.skip(8)?,
                b'V' => {}
                b'S' | b'x' => self.at = self.end_of_long()?,
                b'F' | b'A' if open.len() >= DEPTH_MAX => {
                    self.bytes[kind] = b'x';
                    self.at = self.end_of_long()?;
                }
                nested @ (b'F' | b'A') => {
                    let end = self.end_of_long()?;
                    open.push((end, nested == b'F'));
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Reads a length of four bytes; where what it measures ends.
    fn end_of_long(&mut self) -> Option<usize> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        self.at.checked_add(length).filter(|end| *end <= self.bytes.len())
    }

    /// A short string: at most 255 bytes, all of them text afterwards.
    fn text(&mut self) -> Option<()> {
        let length = usize::from(self.array::<1>()?[0]);
        let start = self.at;
        self.skip(length)?;
        let text = &mut self.bytes[start..self.at];
        while let Err(error) = std::str::from_utf8(text) {
            text[error.valid_up_to()] = b'?';
        }
        Some(())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let start = self.at;
        self.skip(N)?;
        self.bytes[start..self.at].try_into().ok()
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|end| *end <= self.bytes.len())?;
        Some(())
    }
}

#[cfg(test)]
mod tests;
