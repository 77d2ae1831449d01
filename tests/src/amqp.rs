//! A publisher that may send what no client library would: AMQP 0-9-1 byte by byte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The properties of AMQP that are short strings, and the bit by which each is announced.
pub const SHORT_STRINGS: [(&str, u16); 9] = [
    ("content_type", 1 << 15),
    ("content_encoding", 1 << 14),
    ("correlation_id", 1 << 10),
    ("reply_to", 1 << 9),
    ("expiration", 1 << 8),
    ("message_id", 1 << 7),
    ("type", 1 << 5),
    ("app_id", 1 << 3),
    ("cluster_id", 1 << 2),
];
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const TIMESTAMP: u16 = 1 << 6;
/// How long RabbitMQ may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A message of which nothing is checked.
#[derive(Debug, Clone, Default)]
pub struct RawMessage {
    properties: Vec<(u16, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RawMessage {
    /// A persistent message without any other property.
    pub fn new(body: Vec<u8>) -> Self {
        Self { properties: vec![(DELIVERY_MODE, vec![2])], body }
    }

    /// As a Celery producer would send a body: JSON, with an id of its own.
    pub fn json(id: &str, body: Vec<u8>) -> Self {
        let message = Self::new(body).short("content_type", b"application/json");
        message.short("content_encoding", b"utf-8").short("message_id", id.as_bytes())
    }

    /// Sets one of [`SHORT_STRINGS`] to any bytes, at most 255.
    #[must_use]
    pub fn short(self, name: &str, bytes: &[u8]) -> Self {
        let (_, bit) = SHORT_STRINGS.iter().find(|(known, _)| *known == name).expect("a known property");
        self.set(*bit, short(bytes))
    }

    /// Sets the headers.
    #[must_use]
    pub fn headers(self, headers: &RawTable) -> Self {
        self.set(HEADERS, long(&headers.0))
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        self.set(PRIORITY, vec![priority])
    }

    /// Sets the timestamp.
    #[must_use]
    pub fn timestamp(self, seconds: u64) -> Self {
        self.set(TIMESTAMP, seconds.to_be_bytes().to_vec())
    }

    fn set(mut self, bit: u16, value: Vec<u8>) -> Self {
        self.properties.retain(|(known, _)| *known != bit);
        self.properties.push((bit, value));
        self
    }

    fn header_frame(&self) -> Vec<u8> {
        let mut properties = self.properties.clone();
        // In the order of their bits, the highest first.
        properties.sort_by_key(|(bit, _)| std::cmp::Reverse(*bit));
        let flags = properties.iter().fold(0, |flags, (bit, _)| flags | bit);
        let mut payload =
            [&60_u16.to_be_bytes()[..], &[0, 0], &(self.body.len() as u64).to_be_bytes()].concat();
        payload.extend_from_slice(&u16::to_be_bytes(flags));
        properties.into_iter().for_each(|(_, value)| payload.extend(value));
        payload
    }
}

/// An AMQP table, or, without the names, an array.
#[derive(Debug, Clone, Default)]
pub struct RawTable(Vec<u8>);

impl RawTable {
    /// Adds a field: any name, the letter of a type, any bytes.
    pub fn push(&mut self, name: &[u8], kind: u8, value: &[u8]) {
        self.0.extend(short(name));
        self.element(kind, value);
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.push(name.as_bytes(), b'S', &long(text.as_bytes()));
        self
    }

    /// Adds an element of an array.
    pub fn element(&mut self, kind: u8, value: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(value);
    }

    /// Its bytes with their length before them, as they are nested in another one.
    pub fn nested(&self) -> Vec<u8> {
        long(&self.0)
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// Bytes with their length before them, in four bytes.
pub fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("less than 4 GiB");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(255)];
    [&[u8::try_from(bytes.len()).expect("at most 255")][..], bytes].concat()
}

/// One connection with one channel that confirms. It panics at whatever it does not expect: it is for tests.
#[derive(Debug)]
pub struct RawPublisher {
    stream: TcpStream,
    frame_max: usize,
    published: u64,
    confirmed: u64,
}

impl RawPublisher {
    /// Connects to `amqp://user:password@host:port/vhost`.
    pub fn connect(url: &str) -> Self {
        let rest = url.strip_prefix("amqp://").expect("an amqp URL");
        let (user, rest) = rest.split_once('@').expect("a user");
        let (user, password) = user.split_once(':').expect("a password");
        let (address, vhost) = rest.split_once('/').expect("a vhost");
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("a time limit");
        stream.write_all(b"AMQP\x00\x00\x09\x01").expect("the protocol header");
        let mut publisher = Self { stream, frame_max: 4096, published: 0, confirmed: 0 };
        publisher.expect(10, 10);
        let login = format!("\0{user}\0{password}");
        publisher.call(
            0,
            10,
            11,
            &[long(b""), short(b"PLAIN"), long(login.as_bytes()), short(b"en_US")].concat(),
        );
        let tune = publisher.expect(10, 30);
        let frame_max: [u8; 4] = tune[2..6].try_into().expect("four bytes");
        publisher.frame_max = u32::from_be_bytes(frame_max) as usize;
        publisher.call(0, 10, 31, &[&tune[..6], &[0, 0]].concat());
        publisher.call(0, 10, 40, &[short(vhost.as_bytes()), vec![0, 0]].concat());
        publisher.expect(10, 41);
        publisher.call(1, 20, 10, &[0]);
        publisher.expect(20, 11);
        publisher.call(1, 85, 10, &[0]);
        publisher.expect(85, 11);
        publisher
    }

    /// Publishes through the default exchange, and now and then waits for confirms.
    pub fn publish(&mut self, queue: &str, message: &RawMessage) {
        self.publish_to("", queue, message);
    }

    /// As [`RawPublisher::publish`], through any exchange.
    pub fn publish_to(&mut self, exchange: &str, routing_key: &str, message: &RawMessage) {
        let (exchange, key) = (short(exchange.as_bytes()), short(routing_key.as_bytes()));
        self.call(1, 60, 40, &[&[0, 0][..], &exchange, &key, &[0]].concat());
        self.frame(2, 1, &message.header_frame());
        for part in message.body.chunks(self.frame_max - 8) {
            self.frame(3, 1, part);
        }
        self.published += 1;
        if self.published - self.confirmed >= 200 {
            self.wait_for_confirms();
        }
    }

    /// Waits until everything that was published is confirmed.
    pub fn wait_for_confirms(&mut self) {
        while self.confirmed < self.published {
            let ack = self.expect(60, 80);
            let tag: [u8; 8] = ack[..8].try_into().expect("eight bytes");
            let multiple = ack[8] & 1 == 1;
            self.confirmed = if multiple { u64::from_be_bytes(tag) } else { self.confirmed + 1 };
        }
    }

    fn call(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        self.frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat());
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let frame = [&[kind][..], &channel.to_be_bytes(), &long(payload), &[0xce]].concat();
        self.stream.write_all(&frame).expect("a frame that is taken");
    }

    /// The arguments of the next method.
    #[track_caller]
    fn expect(&mut self, class: u16, method: u16) -> Vec<u8> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).expect("a frame");
        let length: [u8; 4] = head[3..].try_into().expect("four bytes");
        let mut payload = vec![0; u32::from_be_bytes(length) as usize + 1];
        self.stream.read_exact(&mut payload).expect("a whole frame");
        let found = payload.drain(..4).collect::<Vec<_>>();
        let expected = [class.to_be_bytes(), method.to_be_bytes()].concat();
        assert_eq!(found, expected, "RabbitMQ said: {:?}", String::from_utf8_lossy(&payload));
        payload.pop();
        payload
    }
}
