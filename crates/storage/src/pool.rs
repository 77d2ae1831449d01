use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use ledger::Account;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tls::Certificates;

use crate::StorageError;
use crate::bounded::Pool;
use crate::encryption;
use crate::ended_runs::{EndedRuns, ended_runs};
use crate::free_accounts::{FreeAccounts, free_accounts};
use crate::session::SETTINGS;
use crate::transaction::Transaction;

/// The migrations of `migrations/`, compiled in.
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");
    &MIGRATOR
}

/// A pool of connections with every statement of the product as a method. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    pub(crate) pool: Pool,
    pub(crate) free_accounts: FreeAccounts,
    pub(crate) ended_runs: EndedRuns,
    pub(crate) default_organization: Arc<str>,
    /// When this process first found its tables, by PostgreSQL's clock: what has begun before is another's.
    pub(crate) born: Arc<OnceLock<DateTime<Utc>>>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool knows the password.
        f.debug_struct("Storage").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Storage {
    /// A pool of at most `max_connections` to the database of `url`; nothing is opened yet.
    ///
    /// `application_name` is what PostgreSQL shows in `pg_stat_activity`. Rows without an organization read as
    /// `default_organization`'s. `certificates` are
    /// for servers reached over a network; with authorities in them, PostgreSQL is checked unless `sslmode` in the URL says
    /// otherwise.
    ///
    /// # Errors
    /// [`StorageError::Rejected`] when `url` is not a PostgreSQL URL.
    pub fn new(
        url: &str,
        certificates: &Certificates,
        max_connections: u32,
        application_name: &str,
        default_organization: &str,
    ) -> Result<Self, StorageError> {
        let options = encryption::apply(PgConnectOptions::from_str(url)?, url, certificates)
            .application_name(application_name)
            .options(SETTINGS);
        // What a statement costs is for metrics; a log line with its whole text helps nobody.
        let options = options.disable_statement_logging();
        let pool = Pool::new(options, max_connections);
        let default_organization: Arc<str> = default_organization.into();
        Ok(Self {
            free_accounts: free_accounts(pool.clone(), Arc::clone(&default_organization)),
            ended_runs: ended_runs(pool.clone()),
            pool,
            default_organization,
            born: Arc::default(),
        })
    }

    /// PostgreSQL's clock: the only one that decides about ticks, leases and ages.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when no server answers within five seconds.
    pub async fn now(&self) -> Result<DateTime<Utc>, StorageError> {
        Ok(sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&self.pool).await?)
    }

    /// Runs the migrations that have not run yet and returns how many there were; a second call does nothing.
    ///
    /// # Errors
    /// [`StorageError::Migration`] names the migration; those before it stay done.
    pub async fn migrate(&self) -> Result<usize, StorageError> {
        let before = self.applied_migrations().await?;
        // Not one of the pool's: its time limit goes.
        let mut connection = self.pool.take().await?;
        // An index over a large table may take longer than any statement of ours may.
        sqlx::query!("SET statement_timeout = 0").execute(&mut connection).await?;
        let migrated = migrator().run(&mut connection).await;
        connection.close().await?;
        migrated?;
        Ok(self.applied_migrations().await?.saturating_sub(before))
    }

    /// Whether every migration of this program has run.
    ///
    /// # Errors
    /// [`StorageError::NotMigrated`] when one is missing.
    pub async fn check_migrated(&self) -> Result<(), StorageError> {
        if self.applied_migrations().await? < migrator().iter().count() {
            return Err(StorageError::NotMigrated(Arc::new(sqlx::Error::RowNotFound)));
        }
        let now = self.now().await?;
        self.born.get_or_init(|| now);
        Ok(())
    }

    async fn applied_migrations(&self) -> Result<usize, StorageError> {
        Ok(self.applied_versions().await?.len())
    }

    /// The migrations that ran here; read without the compile-time check because sqlx owns the table.
    pub(crate) async fn applied_versions(&self) -> Result<Vec<i64>, StorageError> {
        let known = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "known!""#)
            .fetch_one(&self.pool)
            .await?;
        if !known {
            return Ok(Vec::new());
        }
        let versions = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
        Ok(versions.fetch_all(&self.pool).await?)
    }

    /// Begins a transaction that is rolled back whenever its caller is dropped.
    pub(crate) async fn begin(&self) -> Result<Transaction, StorageError> {
        self.begin_with("BEGIN").await
    }

    /// As [`Storage::begin`], by a statement that says more.
    pub(crate) async fn begin_with(&self, statement: &'static str) -> Result<Transaction, StorageError> {
        Ok(Transaction::begin(&self.pool, statement).await?)
    }

    /// The account of a row: an absent organization is the default one.
    pub(crate) fn account(&self, organization: Option<String>, pseudo_account: String) -> Account {
        let organization = organization
            .filter(|organization| !organization.is_empty())
            .unwrap_or_else(|| self.default_organization.to_string());
        Account::new(organization, pseudo_account)
    }

    /// The values of `coalesce(organization_id, '')` under which the account's rows are stored.
    pub(crate) fn organization_keys(&self, account: &Account) -> Vec<String> {
        let mut keys = vec![account.organization_id.clone()];
        if account.organization_id == *self.default_organization {
            keys.push(String::new());
        }
        keys
    }
}
