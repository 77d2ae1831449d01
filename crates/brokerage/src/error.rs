use std::error::Error;
use std::time::Duration;

/// How much of a brokerage's own words an error repeats.
const MESSAGE_LIMIT: usize = 300;

/// Why the brokerage did not answer as asked, by what the caller can do about it.
///
/// `Display` is one line of bounded length, without secrets and without its source.
#[derive(Debug, thiserror::Error)]
pub enum BrokerageError {
    /// The login is refused or has run out. Trying again never helps: somebody has to log in.
    #[error("login refused: {message}")]
    Auth {
        /// What the brokerage said.
        message: String,
    },
    /// Too many requests; wait, for as long as the brokerage says if it does, before asking anything again.
    #[error("too many requests{}", wait(.retry_after))]
    RateLimited {
        /// How long to wait at least, at most a day.
        retry_after: Option<Duration>,
    },
    /// A fault on the way or at the brokerage that may be over soon. Two quick tries have been made.
    #[error("brokerage unavailable: {message}")]
    Transient {
        /// What happened.
        message: String,
        /// The fault below, where there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The brokerage understood the request and will not do it. The same request would be refused again.
    #[error("request refused: {message}")]
    Rejected {
        /// What the brokerage said.
        message: String,
    },
    /// The answer is not what the brokerage's documentation promises: our side has to change.
    #[error("answer not understood: {message}")]
    Malformed {
        /// What was not understood, and where.
        message: String,
    },
}

impl BrokerageError {
    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), source: None }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed { message: message.into() }
    }

    /// The same error with its message fit for a log: one line, of bounded length, `secrets` blacked out.
    pub(crate) fn cleaned(mut self, secrets: &[&str]) -> Self {
        match &mut self {
            Self::Auth { message }
            | Self::Transient { message, .. }
            | Self::Rejected { message }
            | Self::Malformed { message } => *message = clean(message, secrets),
            Self::RateLimited { .. } => {}
        }
        self
    }
}

fn wait(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(pause) => format!(", wait {} s", pause.as_secs()),
        None => String::new(),
    }
}

fn clean(message: &str, secrets: &[&str]) -> String {
    let mut text = message.to_owned();
    // A key of a few letters is nobody's, and would black out common words.
    for secret in secrets.iter().filter(|secret| secret.len() >= 6) {
        text = text.replace(secret, "***");
    }
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.len() > MESSAGE_LIMIT {
        text.truncate(text.floor_char_boundary(MESSAGE_LIMIT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_without_secrets() {
        let message = format!("bad token s3cr3t-token\r\nsecond line {}", "é".repeat(1_000));
        let error = BrokerageError::Auth { message }.cleaned(&["s3cr3t-token", "a"]).to_string();
        assert!(error.starts_with("login refused: bad token ***  second line é"), "{error}");
        assert!(error.len() < 350 && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_rate_limit_says_how_long_to_wait_where_that_is_known() {
        assert_eq!(BrokerageError::RateLimited { retry_after: None }.to_string(), "too many requests");
        let error = BrokerageError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(error.to_string(), "too many requests, wait 7 s");
    }
}
