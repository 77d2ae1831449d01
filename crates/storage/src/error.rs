use std::sync::Arc;

use sqlx::migrate::MigrateError;
use thiserror::Error;
use tls::Refusal;

/// Why a statement did not do what it should, by what the caller can do about it. Cloned where it did it for several callers.
#[derive(Debug, Clone, Error)]
pub enum StorageError {
    /// No server, no connection or no free slot: the same call may go through later.
    #[error("PostgreSQL is away")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// PostgreSQL is there, but there is no TLS with it: somebody has to mend a certificate or a setting.
    #[error("PostgreSQL: {0}")]
    Untrusted(Refusal),
    /// A table or column is missing: run `syncfleet migrate`.
    #[error("the database is not migrated: run `syncfleet migrate`")]
    NotMigrated(#[source] Arc<sqlx::Error>),
    /// Another run holds the account by now: what this one still wants to write must not be written.
    #[error("the lease on the account was lost to another run")]
    LeaseLost,
    /// A migration failed; the database is as before it.
    #[error("a migration failed")]
    Migration(#[source] Arc<MigrateError>),
    /// PostgreSQL refused the data or the statement: trying again gives the same answer.
    #[error("PostgreSQL refused a statement")]
    Rejected(#[source] Arc<sqlx::Error>),
}

impl StorageError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Untrusted(_))
    }

    /// Whether PostgreSQL itself ended the statement, so that nothing of it was done: what it did not like may have been another
    /// caller's part of it.
    pub(crate) fn is_of_the_statement(&self) -> bool {
        match self {
            Self::NotMigrated(_) | Self::Rejected(_) => true,
            Self::Unavailable(error) => matches!(**error, sqlx::Error::Database(_)),
            Self::Untrusted(_) | Self::LeaseLost | Self::Migration(_) => false,
        }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        if let Some(refusal) = tls_refusal(&error) {
            return Self::Untrusted(refusal);
        }
        match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Protocol(_) => {
                Self::Unavailable(Arc::new(error))
            }
            E::Database(database) => match database.code().as_deref() {
                // undefined_table, invalid_schema_name, undefined_column
                Some("42P01" | "3F000" | "42703") => Self::NotMigrated(Arc::new(error)),
                // Classes 08 (connection), 53 (resources), 57 (operator intervention), 40 (rolled back: deadlock,
                // serialization), 55P03 (lock not available), 25006 (a standby: read only)
                Some(code)
                    if ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
                        || matches!(code, "55P03" | "25006") =>
                {
                    Self::Unavailable(Arc::new(error))
                }
                _ => Self::Rejected(Arc::new(error)),
            },
            _ => Self::Rejected(Arc::new(error)),
        }
    }
}

impl From<MigrateError> for StorageError {
    fn from(error: MigrateError) -> Self {
        Self::Migration(Arc::new(error))
    }
}

/// Only of errors that arise while a connection is made: the text of others may hold what somebody has stored.
fn tls_refusal(error: &sqlx::Error) -> Option<Refusal> {
    let is_of_a_connection = match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => true,
        // Class 28: invalid authorization.
        sqlx::Error::Database(database) => database.code().is_some_and(|code| code.starts_with("28")),
        _ => false,
    };
    is_of_a_connection.then(|| tls::refusal(&error.to_string())).flatten()
}
