use std::time::Duration;

use ledger::Account;
use queue::{Publisher, RabbitUrls};
use service::{Connections, ManagementArgs, SecretUrl};
use storage::Storage;
use tls::Certificates;

use crate::failure::Failure;

/// How long a command waits for RabbitMQ.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);

/// What RabbitMQ, PostgreSQL and traces know us by.
pub(crate) const CLIENT: &str = "syncfleet-cli";

/// Opens connections to servers when a command needs them.
pub(crate) struct Servers {
    pub(crate) settings: Connections,
    pub(crate) management_url: Option<SecretUrl>,
    pub(crate) client: String,
    pub(crate) certificates: Certificates,
}

impl Servers {
    /// Opens nothing, but reads the certificates.
    pub(crate) fn new(settings: Connections, management: ManagementArgs) -> Result<Self, Failure> {
        let management_url = management.rabbitmq_management_url.0;
        let certificates = settings.tls.certificates()?;
        Ok(Self { settings, management_url, client: service::process_name(CLIENT), certificates })
    }

    /// PostgreSQL, opened at the first statement.
    pub(crate) fn storage(&self) -> Result<Storage, Failure> {
        let settings = &self.settings;
        let url = settings.database_url.expose();
        Storage::new(url, &self.certificates, 4, &self.client, &settings.default_organization_id).map_err(
            |error| {
                let text = pipeline::chain(&error);
                Failure::setting(format!("setting DATABASE_URL (--database-url): {text}"))
            },
        )
    }

    /// PostgreSQL, migrated.
    pub(crate) async fn migrated_storage(&self) -> Result<Storage, Failure> {
        let storage = self.storage()?;
        storage.check_migrated().await?;
        Ok(storage)
    }

    pub(crate) fn rabbit_urls(&self) -> Result<RabbitUrls, Failure> {
        let urls = RabbitUrls::parse(self.settings.rabbitmq_url.expose())?;
        Ok(urls.with_certificates(self.certificates.clone()))
    }

    /// A connected publisher.
    pub(crate) async fn publisher(&self) -> Result<Publisher, Failure> {
        let publisher = Publisher::start(self.rabbit_urls()?, &self.client);
        publisher.connected(CONNECT_LIMIT).await.map_err(Failure::unavailable)?;
        Ok(publisher)
    }

    /// The account of that name, in the given organization or the default one.
    pub(crate) fn account(&self, organization: Option<&str>, name: &str) -> Result<Account, Failure> {
        if name.is_empty() || name.contains('\0') {
            return Err(Failure::usage("an account's name must not be empty or contain NUL"));
        }
        let organization = organization.unwrap_or(&self.settings.default_organization_id);
        if organization.is_empty() || organization.contains('\0') {
            return Err(Failure::usage("an organization's name must not be empty or contain NUL"));
        }
        Ok(Account::new(organization, name))
    }
}
