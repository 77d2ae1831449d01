use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::{BrokerageError, Gate, Http, Timeouts, tries};

/// How an HTTP client reads one answer: through the gate, twice where that may help, and with errors free of secrets.
pub(crate) struct Reader {
    http: Http,
    gate: Gate,
    headers: HeaderMap,
    secrets: Vec<SecretString>,
}

impl Reader {
    /// `headers` go with every request, `secrets` into no error.
    pub(crate) fn new(http: Http, gate: Gate, headers: HeaderMap, secrets: Vec<SecretString>) -> Self {
        Self { http, gate, headers, secrets }
    }

    /// Asks `url`, takes the data out of its answer with `open` and reads them with `read`; ends `within` that time.
    ///
    /// # Errors
    ///
    /// Those of the gate, of [`Http::get`], of `open`, which may make up for a second try, and of `read`.
    pub(crate) async fn read<T>(
        &self,
        url: &Url,
        within: Duration,
        open: fn(Answer) -> Result<Value, BrokerageError>,
        read: impl Fn(Value) -> Result<T, BrokerageError>,
    ) -> Result<T, BrokerageError> {
        let timeouts = Timeouts { total: within.min(self.http.timeouts.total), ..self.http.timeouts };
        let data = tries::twice(&timeouts, &self.gate, |limit| async move {
            let answer = self.http.get(url, &self.headers, limit).await?;
            // Cleaned here: the first failure of two is logged.
            open(answer).map_err(|error| self.cleaned(error))
        });
        read(data.await?).map_err(|error| self.cleaned(error))
    }

    fn cleaned(&self, error: BrokerageError) -> BrokerageError {
        let secrets: Vec<&str> = self.secrets.iter().map(|secret| secret.expose_secret().trim()).collect();
        error.cleaned(&secrets)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// A header that holds a secret.
///
/// # Errors
///
/// [`BrokerageError::Auth`] for characters that no header can hold.
pub(crate) fn secret_header(text: &str, what: &str) -> Result<HeaderValue, BrokerageError> {
    let mut header = HeaderValue::from_str(text).map_err(|_| BrokerageError::Auth {
        message: format!("the {what} has characters that no header can hold"),
    })?;
    header.set_sensitive(true);
    Ok(header)
}
