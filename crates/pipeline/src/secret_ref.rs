use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use thiserror::Error;

/// Looks a variable up in the process's environment; the program hands it in, so that this crate reads none.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Why a secret could not be read. Never the secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Neither `env:NAME` nor `file:PATH`.
    #[error("a secret must be given as env:NAME or file:PATH")]
    BadReference,
    /// The worker has no such variable.
    #[error("variable {0} is not set in this worker's environment")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("secret file {path} cannot be read")]
    NoFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Whether the text is a reference to a secret.
///
/// # Errors
/// [`SecretError::BadReference`], without repeating the text, which may be the secret itself.
pub fn check_reference(reference: &str) -> Result<(), SecretError> {
    match reference.split_once(':') {
        Some(("env" | "file", rest)) if !rest.is_empty() => Ok(()),
        _ => Err(SecretError::BadReference),
    }
}

/// Reads a secret: `env:NAME` from the environment the process was started with, `file:PATH` anew each time.
pub(crate) async fn resolve(reference: &str, environment: &Environment) -> Result<SecretString, SecretError> {
    match reference.split_once(':') {
        Some(("env", name)) => {
            let value = environment(name).ok_or_else(|| SecretError::NoVariable(name.to_owned()))?;
            Ok(SecretString::from(value))
        }
        Some(("file", path)) => match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(SecretString::from(text.trim_end().to_owned())),
            Err(source) => Err(SecretError::NoFile { path: path.into(), source }),
        },
        _ => Err(SecretError::BadReference),
    }
}
