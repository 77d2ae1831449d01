//! What the tests of several clients share, and the tests of what they have in common.

mod fetching;
pub(crate) mod mangling;
mod paper;
pub(crate) mod samples;
pub(crate) mod server;

use std::time::Duration;

use reqwest::StatusCode;

use crate::answer::Answer;
use crate::{Http, Timeouts};

pub(crate) const API_KEY: &str = "an-api-key-123456";
pub(crate) const ACCESS_TOKEN: &str = "s3cr3t-access-token";
pub(crate) const PSEUDO_ACCOUNT: &str = "Raghu & Söhne+";

/// Long enough for whatever a test waits for.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn http(timeouts: Timeouts) -> Http {
    // The first test to come installs it, for all of them.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Http::new(timeouts).unwrap()
}

/// An answer; an empty content type is none.
pub(crate) fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        content_type: Some(content_type.to_owned()).filter(|declared| !declared.is_empty()),
        retry_after: None,
        body: body.as_bytes().to_vec(),
    }
}
