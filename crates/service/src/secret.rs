use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// A server URL with a password in it. `Debug` and `Display` show scheme, host and port only.
#[derive(Clone)]
pub struct SecretUrl {
    url: SecretString,
    shown: String,
}

impl SecretUrl {
    /// Accepts a URL of one of the schemes with a host.
    ///
    /// # Errors
    /// What was expected; never the URL.
    pub(crate) fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let expected = format!("expected a {}:// URL", schemes.join(":// or "));
        let url = Url::parse(text).map_err(|error| format!("{expected} ({error})"))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("{expected}, not {}://", url.scheme()));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(format!("{expected} with a host"))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}", url.scheme());
        Ok(Self { url: SecretString::from(text.to_owned()), shown })
    }

    /// The whole URL, for the one who connects.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({})", self.shown)
    }
}
