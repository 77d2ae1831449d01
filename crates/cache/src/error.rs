use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::PoolError;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;
use tls::Refusal;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why an operation failed, by what the caller can do about it. Cloned where it failed for several callers.
#[derive(Debug, Clone, Error)]
pub enum CacheError {
    /// The settings cannot work: nothing was opened, and trying again does not help.
    #[error("unusable Redis settings: {reason}")]
    Settings {
        /// What is wrong, without any secret.
        reason: String,
    },

    /// Redis is away, starting, failing over or too slow: try again later.
    #[error("Redis is unavailable for {doing}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        #[source]
        source: Source,
    },

    /// Redis is there, but there is no TLS with it: somebody has to mend a certificate or a setting.
    #[error("Redis: {0}")]
    Untrusted(Refusal),

    /// A newer sync has been stored already: nothing was written, and this one is done with.
    #[error("version {stored} is stored, so version {offered} was not")]
    Stale {
        /// The version in Redis.
        stored: i64,
        /// The version that came too late.
        offered: i64,
    },

    /// Redis answered and refused (out of memory, read-only, wrong type, no permission, …): somebody
    /// has to look at the server.
    #[error("Redis refused {doing} ({code})")]
    Rejected {
        /// What was being done.
        doing: &'static str,
        /// The code Redis gave, such as `OOM`.
        code: String,
        /// What Redis said.
        #[source]
        source: Source,
    },
}

impl CacheError {
    pub(crate) fn redis(doing: &'static str, error: RedisError) -> Self {
        // Only of what did not come from the server: its answers may hold what somebody has stored.
        if matches!(error.kind(), ErrorKind::Io | ErrorKind::ClusterConnectionNotFound)
            && let Some(refusal) = tls::refusal(&error.to_string())
        {
            return Self::Untrusted(refusal);
        }
        // A `RedisError` shows the text of its own source; its text alone keeps a chain from saying
        // everything twice.
        let source = said(error.to_string());
        match refusal(error) {
            None => Self::Unavailable { doing, source },
            Some(code) => Self::Rejected { doing, code, source },
        }
    }

    pub(crate) fn pool(doing: &'static str, error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::redis(doing, error),
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Self::Unavailable { doing, source: Arc::new(error) },
        }
    }

    pub(crate) fn too_slow(doing: &'static str, limit: Duration) -> Self {
        Self::Unavailable { doing, source: said(format!("no answer within {limit:?}")) }
    }
}

/// A source that is no more than its text.
pub(crate) fn said(text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Source {
    Source::from(text.into())
}

/// The code of an answer that says no, or `None` when there was no answer worth the name.
fn refusal(error: RedisError) -> Option<String> {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown,
        ) => None,
        ErrorKind::AuthenticationFailed => Some("AUTH".to_owned()),
        kind => Some(
            // In a transaction the first complaint is the reason; `EXECABORT` only follows from it.
            error
                .into_server_errors()
                .and_then(|errors| errors.first().map(|(_, error)| error.code().to_owned()))
                .unwrap_or_else(|| format!("{kind:?}")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str) -> CacheError {
        let error = redis::make_extension_error(code.to_owned(), Some("details".to_owned()));
        CacheError::redis("writing", error)
    }

    fn is_outage(error: &CacheError) -> bool {
        matches!(error, CacheError::Unavailable { .. })
    }

    #[test]
    fn a_refusal_names_its_code_and_leaves_the_details_to_its_source() {
        let error = server("OOM");
        assert_eq!(error.to_string(), "Redis refused writing (OOM)");
        let source = std::error::Error::source(&error).expect("a source");
        assert!(source.to_string().contains("details"));
        assert!(source.source().is_none());
    }

    #[test]
    fn a_lost_connection_is_an_outage_and_a_refusal_is_not() {
        let lost = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(is_outage(&CacheError::redis("writing", lost)));
        let down = RedisError::from((ServerErrorKind::ClusterDown.into(), "down"));
        assert!(is_outage(&CacheError::redis("writing", down)));
        assert!(!is_outage(&server("WRONGTYPE")));
    }
}
