use brokerage::{Access, Brokerage, BrokerageError, Gate, Http, Kind};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use storage::BrokerageAccount;
use thiserror::Error;

use crate::secret_ref::resolve;
use crate::{Environment, SecretError};

/// The client of one account's brokerage, and names by which others can speak of it without its secrets.
pub struct Client {
    /// The client.
    pub brokerage: Box<dyn Brokerage>,
    /// Which kind it is.
    pub kind: Kind,
    /// Digest of its secrets: another one is another login.
    pub login_digest: String,
    /// Digest of whose limits it spends: kind, place and API key.
    pub key_digest: String,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The kind is of a later version.
    #[error("this version has no client for the brokerage {0:?}")]
    UnknownKind(String),
    /// A secret cannot be read.
    #[error("{what} cannot be read")]
    Secret {
        /// Which one.
        what: &'static str,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The client cannot work with what it was given.
    #[error(transparent)]
    Brokerage(#[from] BrokerageError),
}

/// Opens the client of an account's brokerage: secrets are read now, nothing is sent.
///
/// `gate` is made from the names of the client, since whose limits a request spends follows from its secrets.
///
/// # Errors
/// [`ClientError`], without any secret.
pub async fn open_client(
    entry: &BrokerageAccount,
    http: Option<&Http>,
    environment: &Environment,
    gate: impl FnOnce(Kind, &str) -> Gate,
) -> Result<Client, ClientError> {
    let kind = Kind::parse(&entry.kind).ok_or_else(|| ClientError::UnknownKind(entry.kind.clone()))?;
    let base_url = kind.check_base_url(&entry.base_url)?;
    let needs = kind.needs();
    let api_key = secret(needs.api_key, "the API key", &entry.api_key_ref, environment).await?;
    let access_token =
        secret(needs.access_token, "the access token", &entry.access_token_ref, environment).await?;
    let key_digest = digest(&[kind.as_str(), base_url.as_str(), api_key.expose_secret()]);
    let login_digest = digest(&[&key_digest, access_token.expose_secret()]);
    let access = Access {
        base_url,
        pseudo_account: entry.account.pseudo_account.clone(),
        api_key,
        access_token,
        gate: gate(kind, &key_digest),
    };
    Ok(Client { brokerage: kind.open(http, access)?, kind, login_digest, key_digest })
}

async fn secret(
    is_needed: bool,
    what: &'static str,
    reference: &str,
    environment: &Environment,
) -> Result<SecretString, ClientError> {
    if !is_needed {
        return Ok(SecretString::default());
    }
    resolve(reference, environment).await.map_err(|source| ClientError::Secret { what, source })
}

/// Of texts none of which can be guessed from it.
fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
