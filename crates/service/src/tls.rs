use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;
use tls::{Certificates, Unusable};

/// How RabbitMQ, PostgreSQL and Redis are checked, and what they are shown: the same for all three.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// PEM file of the authorities that servers' certificates must be from [default: the machine's]
    #[arg(long, env = "TLS_CA_FILE", value_name = "FILE", global = true, value_parser = path)]
    pub tls_ca_file: Option<PathBuf>,
    /// PEM file of the certificate that servers which ask for one are shown
    #[arg(long, env = "TLS_CLIENT_CERT_FILE", value_name = "FILE", global = true, value_parser = path)]
    pub tls_client_cert_file: Option<PathBuf>,
    /// PEM file of its private key, not encrypted
    #[arg(long, env = "TLS_CLIENT_KEY_FILE", value_name = "FILE", global = true, value_parser = path)]
    pub tls_client_key_file: Option<PathBuf>,
}

const CA: &str = "TLS_CA_FILE";
const CERTIFICATE: &str = "TLS_CLIENT_CERT_FILE";
const KEY: &str = "TLS_CLIENT_KEY_FILE";

/// A setting that turned out to be wrong only when it was used.
#[derive(Debug)]
pub struct BadSetting {
    /// Its variable.
    pub variable: &'static str,
    /// What is wrong.
    pub text: String,
}

impl TlsArgs {
    /// Reads and checks the files. A variable that is set to nothing counts as not set.
    ///
    /// # Errors
    /// The setting to mend: a file that cannot be read or holds something else, or one of the pair without the other.
    pub fn certificates(&self) -> Result<Certificates, BadSetting> {
        let mut certificates = Certificates::default();
        if let Some(file) = given(self.tls_ca_file.as_ref()) {
            certificates.trust(read(CA, file)?).map_err(|error| unusable(&error, self))?;
        }
        let pair = (given(self.tls_client_cert_file.as_ref()), given(self.tls_client_key_file.as_ref()));
        match pair {
            (None, None) => {}
            (Some(certificate), Some(key)) => certificates
                .show(read(CERTIFICATE, certificate)?, read(KEY, key)?)
                .map_err(|error| unusable(&error, self))?,
            (Some(_), None) => return Err(missing(KEY, CERTIFICATE)),
            (None, Some(_)) => return Err(missing(CERTIFICATE, KEY)),
        }
        Ok(certificates)
    }
}

/// Also an empty one, which clap's own parser of paths refuses.
fn path(text: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(text))
}

fn given(file: Option<&PathBuf>) -> Option<&PathBuf> {
    file.filter(|file| !file.as_os_str().is_empty())
}

fn read(variable: &'static str, file: &PathBuf) -> Result<Vec<u8>, BadSetting> {
    std::fs::read(file)
        .map_err(|error| BadSetting { variable, text: format!("cannot read {}: {error}", file.display()) })
}

fn missing(variable: &'static str, other: &str) -> BadSetting {
    BadSetting { variable, text: format!("expected a file, because {other} is set: they go together") }
}

fn unusable(error: &Unusable, given: &TlsArgs) -> BadSetting {
    let (variable, file) = match error {
        Unusable::Authorities(_) => (CA, &given.tls_ca_file),
        Unusable::Certificate(_) => (CERTIFICATE, &given.tls_client_cert_file),
        Unusable::Key(_) => (KEY, &given.tls_client_key_file),
    };
    let file = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    BadSetting { variable, text: format!("{file}: {error}") }
}
