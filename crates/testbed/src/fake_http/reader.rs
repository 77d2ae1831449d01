//! Reading requests from a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Request, form};

/// How long a connection may be idle: longer than any test, shorter than for ever.
const IDLE: Duration = Duration::from_secs(120);

/// How long a request that has begun may stand still.
const STALLED: Duration = Duration::from_secs(10);

/// Of the request line and all headers together.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// Of a body: a batch of five hundred spans, many times over.
const BODY_BYTES_MAX: usize = 8 << 20;

/// The requests of one connection, one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    stream: BufReader<TcpStream>,
}

/// What came over a connection.
#[derive(Debug)]
pub(super) enum Came {
    /// A request, and whether its connection may stay open after the answer.
    Request(Request, bool),
    /// Something that is answered with this status, and then nothing more is read.
    Unusable(u16),
    /// The client has left, or has said nothing for too long.
    End,
}

impl Reader {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Waits for the next request.
    pub(super) fn next(&mut self) -> Came {
        self.read().unwrap_or(Came::End)
    }

    /// Where the answers go.
    pub(super) fn writer(&self) -> impl Write {
        self.stream.get_ref()
    }

    /// Returns when the client has left or the connection was closed on our side; what comes until then is ignored.
    pub(super) fn outlast(&mut self) {
        let _ = self.stream.get_ref().set_read_timeout(None);
        while let Ok(bytes) = self.stream.fill_buf().map(<[u8]>::len)
            && bytes > 0
        {
            self.stream.consume(bytes);
        }
    }

    fn read(&mut self) -> std::io::Result<Came> {
        self.stream.get_ref().set_read_timeout(Some(IDLE))?;
        if self.stream.fill_buf()?.is_empty() {
            return Ok(Came::End);
        }
        self.stream.get_ref().set_read_timeout(Some(STALLED))?;
        let Some(head) = self.head()? else { return Ok(Came::Unusable(431)) };
        let Some((mut request, version)) = parsed(&head) else { return Ok(Came::Unusable(400)) };
        match self.body(&request)? {
            Ok(body) if is_form(&request) => request.form = form::pairs(&String::from_utf8_lossy(&body)),
            Ok(body) => request.body = body,
            Err(status) => return Ok(Came::Unusable(status)),
        }
        let closes = request.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        let stays = version == "HTTP/1.1" && !closes;
        Ok(Came::Request(request, stays))
    }

    /// All lines up to the empty one, or nothing when they are too long.
    fn head(&mut self) -> std::io::Result<Option<String>> {
        let mut limited = (&mut self.stream).take(HEAD_BYTES_MAX);
        let mut head = Vec::new();
        loop {
            let before = head.len();
            limited.read_until(b'\n', &mut head)?;
            let line = &head[before..];
            if !line.ends_with(b"\n") {
                let too_long = limited.limit() == 0;
                return if too_long { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
            }
            if line.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(String::from_utf8_lossy(&head).into_owned()))
    }

    /// The body, or the status that refuses it. No client of ours sends one in chunks.
    fn body(&mut self, request: &Request) -> std::io::Result<Result<Vec<u8>, u16>> {
        if request.header("transfer-encoding").is_some() {
            return Ok(Err(411));
        }
        let Ok(length) = request.header("content-length").unwrap_or("0").parse::<usize>() else {
            return Ok(Err(400));
        };
        if length > BODY_BYTES_MAX {
            return Ok(Err(413));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Ok(body))
    }
}

/// The request of this head and its version of HTTP.
fn parsed(head: &str) -> Option<(Request, String)> {
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let request = Request {
        at: Instant::now(),
        method: method.into(),
        path: path.into(),
        query: form::pairs(query),
        headers,
        form: Vec::new(),
        body: Vec::new(),
    };
    Some((request, version.into()))
}

fn is_form(request: &Request) -> bool {
    request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}
