//! A stand-in for a collector of traces.

use crate::Error;
use crate::fake_http::{Answer, FakeHttp, Request};

/// Where traces are posted, by the OTLP specification.
const TRACES: &str = "/v1/traces";

/// A server on a free port of 127.0.0.1 that takes whatever spans are posted to it (OTLP over HTTP, protobuf) and keeps them
/// as they came. It ends on drop.
#[derive(Debug)]
pub struct FakeCollector {
    http: FakeHttp,
}

impl FakeCollector {
    /// Starts to listen.
    pub fn start() -> Result<Self, Error> {
        let http = FakeHttp::start("FakeCollector", |request| match is_batch(request) {
            // The empty message says that all were taken.
            true => Answer::bytes(200, "application/x-protobuf", ""),
            false => Answer::html(404),
        })?;
        Ok(Self { http })
    }

    /// `http://127.0.0.1:<port>`
    pub fn base_url(&self) -> String {
        self.http.base_url()
    }

    /// The batches of spans that came so far, those that were not taken among them.
    pub fn batches(&self) -> Vec<Request> {
        self.http.log().into_iter().filter(is_batch).collect()
    }

    /// From now on every batch gets this answer, until it is taken back with `None`.
    pub fn always(&self, answer: Option<Answer>) {
        self.http.always(TRACES, answer);
    }
}

fn is_batch(request: &Request) -> bool {
    request.method == "POST"
        && request.path == TRACES
        && request.header("content-type") == Some("application/x-protobuf")
}
