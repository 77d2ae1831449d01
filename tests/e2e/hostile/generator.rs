//! Hostile messages, the same ones from the same seed.

use std::io::Write as _;

use e2e::{RawMessage, RawTable, SHORT_STRINGS, long};
use flate2::Compression;
use flate2::write::ZlibEncoder;

pub(crate) const TASK: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
const FAN_OUT: &str = "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive";

const TEXTS: [&str; 24] = [
    "",
    " ",
    "0",
    "-1",
    "4294967295",
    "1e400000000",
    "NaN",
    "null",
    "true",
    "soon",
    "9999-12-31T23:59:59+00:00",
    "0000-01-01T00:00:00+23:59",
    "2001-01-01T00:00:00+00:00",
    "a\nERROR forged",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{feff}",
    "\0",
    "'; DROP TABLE tradingdb.orders;--",
    "#.*.#",
    "{a}:*",
    "../../etc/passwd",
    "${jndi:ldap://x}",
    "é日本",
];
/// Names that decide about a job, and those by which RabbitMQ and we know what became of one.
const NAMES: [&str; 22] = [
    "id",
    "task",
    "eta",
    "expires",
    "retries",
    "timelimit",
    "group",
    "group_index",
    "root_id",
    "parent_id",
    "ignore_result",
    "argsrepr",
    "kwargsrepr",
    "stamps",
    "compression",
    "x-death",
    "x-delivery-count",
    "x-acquired-count",
    "syncfleet-renewals",
    "syncfleet-enqueued-at",
    "syncfleet-reason",
    "syncfleet-error",
];

/// Numbers from a seed (`SplitMix64`).
pub(crate) struct Generator {
    state: u64,
    bomb: Vec<u8>,
    number: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, bomb: zlib(&vec![b' '; 30 << 20]), number: 0 }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let length = self.below(limit);
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn text(&mut self) -> &'static str {
        TEXTS[self.below(TEXTS.len())]
    }

    /// The next hostile message.
    pub(crate) fn message(&mut self) -> RawMessage {
        self.number += 1;
        let id = format!("hostile-{}", self.number);
        let (body, is_packed) = self.body(&id);
        let mut headers = RawTable::default();
        if !self.one_in(5) {
            headers = headers.text("id", &id).text("task", if self.one_in(4) { self.text() } else { TASK });
        }
        if is_packed {
            headers = headers.text("compression", "application/x-gzip");
        }
        for _ in 0..self.below(6) {
            self.field(&mut headers, 0);
        }
        match self.below(400) {
            0 => (0..7_000).for_each(|at| headers.push(format!("syncfleet-{at:05}").as_bytes(), b't', &[1])),
            1 => headers = headers.text("argsrepr", &"a".repeat(110_000)),
            2 => {
                headers = headers.text("id", &"x".repeat(60_000)).text("syncfleet-error", &"x".repeat(50_000))
            }
            3 => self.nest(&mut headers),
            _ => {}
        }
        let mut message = RawMessage::json(&id, body).headers(&headers);
        if self.one_in(8) {
            message = message.short("content_type", self.text().as_bytes());
        }
        if self.one_in(8) {
            let encoding = ["utf-8", "UTF8", "gzip", "binary", "us-ascii"][self.below(5)];
            message = message.short("content_encoding", encoding.as_bytes());
        }
        if self.one_in(3) {
            let (name, _) = SHORT_STRINGS[self.below(SHORT_STRINGS.len())];
            // RabbitMQ reads an expiration, and refuses one that is no number.
            if name != "expiration" {
                let bytes = self.bytes(256);
                message = message.short(name, &bytes);
            }
        }
        if self.one_in(4) {
            message = message.priority(self.next().to_be_bytes()[0]);
        }
        if self.one_in(4) {
            message = message.timestamp(self.next());
        }
        message
    }

    fn body(&mut self, id: &str) -> (Vec<u8>, bool) {
        let job = format!(r#"[["default", "Raghu"], {{"check_external_orders": {}}}, {{}}]"#, self.one_in(2));
        let body = match self.below(16) {
            0 => self.bytes(600),
            1 => return (self.bytes(600), true),
            2 => {
                let mut packed = zlib(job.as_bytes());
                let at = self.below(packed.len());
                packed[at] ^= self.next().to_be_bytes()[0];
                return (packed, true);
            }
            3 if self.one_in(4) => return (self.bomb.clone(), true),
            4 if self.one_in(40) => vec![b'['; 2 << 20],
            5 if self.one_in(40) => format!("[[{}0], {{}}, {{}}]", "{\"\":0},".repeat(130_000)).into_bytes(),
            6 => "[".repeat(self.below(2_000)).into_bytes(),
            7 => format!(r#"{{"task": "{TASK}", "id": "{id}", "args": ["default", {}]}}"#, self.next())
                .into_bytes(),
            8 => format!(r#"[["default", {}], {{}}, {{}}]"#, serde_json::json!(self.text())).into_bytes(),
            9 => format!(r#"[["{}", "x"], {{}}, {{}}]"#, "o".repeat(self.below(3_000))).into_bytes(),
            10 => format!(r#"[[], {{"{}": 1}}, {{}}]"#, "k".repeat(self.below(300))).into_bytes(),
            11 => format!(r#"[["default", "Raghu"], {{}}, {{"chord": {}}}]"#, self.next()).into_bytes(),
            12 => Vec::new(),
            13 => format!(r#"[[1e{}], {{}}, {{}}]"#, self.next()).into_bytes(),
            14 => job.clone().into_bytes(),
            _ => {
                let mut spoilt = job.clone().into_bytes();
                let at = self.below(spoilt.len());
                spoilt[at] = self.next().to_be_bytes()[0];
                spoilt
            }
        };
        (body, false)
    }

    /// A header of any type that RabbitMQ reads.
    fn field(&mut self, table: &mut RawTable, depth: usize) {
        let name = match self.below(3) {
            0 => self.bytes(40),
            _ => NAMES[self.below(NAMES.len())].as_bytes().to_vec(),
        };
        let (kind, value) = self.value(depth);
        table.push(&name, kind, &value);
    }

    fn value(&mut self, depth: usize) -> (u8, Vec<u8>) {
        let any = self.next().to_be_bytes();
        match self.below(16) {
            0 => (b't', vec![any[0] & 1]),
            1 => (b'b', any[..1].to_vec()),
            2 => (b'B', any[..1].to_vec()),
            3 => (b's', any[..2].to_vec()),
            4 => (b'u', any[..2].to_vec()),
            5 => (b'I', any[..4].to_vec()),
            6 => (b'i', any[..4].to_vec()),
            7 => (b'l', any.to_vec()),
            8 => (b'T', any.to_vec()),
            9 => (b'D', any[..5].to_vec()),
            // Erlang has no infinity, and RabbitMQ ends the connection over one.
            10 => (b'f', f32::from(any[0]).to_be_bytes().to_vec()),
            11 => (b'd', (f64::from(any[0]) * 1e300).to_be_bytes().to_vec()),
            12 => (b'x', long(&self.bytes(50))),
            13 if depth < 5 => {
                let mut inner = RawTable::default();
                (0..self.below(4)).for_each(|_| self.field(&mut inner, depth + 1));
                (b'F', inner.nested())
            }
            14 if depth < 5 => {
                let mut inner = RawTable::default();
                for _ in 0..self.below(4) {
                    let (kind, value) = self.value(depth + 1);
                    inner.element(kind, &value);
                }
                (b'A', inner.nested())
            }
            15 => (b'V', Vec::new()),
            _ if self.one_in(2) => (b'S', long(&self.bytes(100))),
            _ => (b'S', long(self.text().as_bytes())),
        }
    }

    /// Tables in tables, a thousand or two.
    fn nest(&mut self, headers: &mut RawTable) {
        let mut inner = RawTable::default();
        for _ in 0..1_000 + self.below(1_000) {
            let mut outer = RawTable::default();
            outer.push(b"a", b'F', &inner.nested());
            inner = outer;
        }
        headers.push(b"deep", b'F', &inner.nested());
    }

    /// A message of the other task whose arguments nobody gave it.
    pub(crate) fn fan_out(&mut self) -> RawMessage {
        self.number += 1;
        let id = format!("hostile-{}", self.number);
        let headers = RawTable::default().text("id", &id).text("task", FAN_OUT);
        RawMessage::json(&id, format!("[[{}], {{}}, {{}}]", self.next()).into_bytes()).headers(&headers)
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}
