use pipeline::chain;
use queue::{PublishError, QueueError};
use service::{BadSetting, exit};
use storage::StorageError;

use crate::output;

/// Why a command did not do what it was asked, with the exit code that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    code: i32,
    text: String,
}

impl Failure {
    /// The operation failed: exit code 1.
    pub(crate) fn operation(text: impl Into<String>) -> Self {
        Self { code: exit::FAILED, text: text.into() }
    }

    /// Ended by Ctrl-C: exit code 130. The text says what was done, or that nothing was.
    pub(crate) fn interrupted(text: &str) -> Self {
        Self { code: exit::INTERRUPTED, text: format!("interrupted: {text}") }
    }

    /// A server cannot be reached: exit code 69.
    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self { code: exit::UNAVAILABLE, text: text.into() }
    }

    /// A setting is wrong: exit code 78.
    pub(crate) fn setting(text: impl Into<String>) -> Self {
        Self { code: exit::CONFIG, text: text.into() }
    }

    /// The command line is wrong: exit code 2.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { code: 2, text: text.into() }
    }

    /// What happened.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Prints the text and returns the code.
    pub(crate) fn report(&self) -> i32 {
        match self.code {
            exit::INTERRUPTED => output::complain(&self.text),
            _ => output::complain(&format!("error: {}", self.text)),
        }
        self.code
    }
}

impl From<BadSetting> for Failure {
    fn from(BadSetting { variable, text }: BadSetting) -> Self {
        let flag = variable.to_lowercase().replace('_', "-");
        Self::setting(format!("setting {variable} (--{flag}): {text}"))
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Unavailable(_) | StorageError::Untrusted(_) => Self::unavailable(chain(&error)),
            StorageError::NotMigrated(_) => Self::operation(error.to_string()),
            _ => Self::operation(chain(&error)),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        match &error {
            QueueError::BadUrl(text) => {
                Self::setting(format!("setting RABBITMQ_URL (--rabbitmq-url): {text}"))
            }
            QueueError::Busy | QueueError::Unpublished(_) => Self::operation(chain(&error)),
            _ => Self::unavailable(chain(&error)),
        }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match &error {
            PublishError::TimedOut(_) | PublishError::Closed => {
                Self::unavailable(format!("RabbitMQ: {error}"))
            }
            _ => Self::operation(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::operation(error.to_string())
    }
}
