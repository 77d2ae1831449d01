use std::fmt;

/// Why a message is no task of ours. The words of [`Reason::as_str`] are stable: dead letters and metrics carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The body is not JSON, or nested too deeply.
    NotJson,
    /// The body is JSON of another shape than `[args, kwargs, embed]`, or its compression is broken.
    BadBody,
    /// There is no task id.
    NoId,
    /// There is no task name.
    NoTask,
    /// A header that decides about the run has an impossible value.
    BadHeaders,
    /// The content type is not exactly `application/json`.
    UnsupportedContentType,
    /// The content encoding or the compression is not one we read.
    UnsupportedEncoding,
    /// The body is over [`BODY_LIMIT`](crate::BODY_LIMIT), before or after decompression.
    TooLarge,
}

impl Reason {
    /// The stable word for this reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::BadBody => "bad_body",
            Self::NoId => "no_id",
            Self::NoTask => "no_task",
            Self::BadHeaders => "bad_headers",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message that cannot be decoded. Trying again never helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct DecodeError {
    /// What is wrong.
    pub reason: Reason,
    /// One line for people, at most a few hundred bytes, whatever was sent.
    pub detail: String,
    /// The task id where a valid one is known, so that a waiting caller can be told.
    pub id: Option<String>,
    /// The task name where a valid one is known.
    pub task: Option<String>,
}

impl DecodeError {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), id: None, task: None }
    }
}
