use std::sync::OnceLock;

/// The field of `connection.start`'s server properties, as AMQP writes it: a short string, and the letter of a long one.
const VERSION: &[u8] = b"\x07versionS";

/// What RabbitMQ says of itself when a connection begins; lapin keeps nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Greeting(OnceLock<String>);

impl Greeting {
    /// RabbitMQ's version, such as `3.10.8`.
    pub(crate) fn version(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Reads the first bytes of a connection; a version that is not whole in them stays unknown.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        let Some(at) = bytes.windows(VERSION.len()).position(|window| window == VERSION) else { return };
        let rest = &bytes[at + VERSION.len()..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let text = rest.get(..length).filter(|text| text.len() < 100);
        if let Some(Ok(text)) = text.map(std::str::from_utf8) {
            let _ = self.0.set(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_among_the_server_properties_and_rubbish_is_none() {
        let greeting = Greeting::default();
        greeting.hear(b"\x07versionS\xff\xff\xff\xff3");
        greeting.hear(b"\x07versionS\0\0");
        assert_eq!(greeting.version(), None);
        greeting.hear(b"\x08platformS\0\0\0\x05OTP 2\x07versionS\0\0\0\x063.10.8\x09copyright");
        assert_eq!(greeting.version(), Some("3.10.8"));
    }
}
