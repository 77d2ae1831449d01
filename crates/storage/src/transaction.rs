//! Transactions on connections whose every answer has a time limit.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::managed::Object;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::postgres::{PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, Postgres, SqlStr};

use crate::bounded::{Connector, Pool, answered, each_answered};

/// How long PostgreSQL may take to roll back before its connection is closed instead.
const ROLLBACK_LIMIT: Duration = Duration::from_millis(1500);

/// A transaction on a connection of the pool, rolled back if it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction(Within);

/// What a transaction's statements run on. Empty only once it has ended.
pub(crate) struct Within(Option<Object<Connector>>);

impl Transaction {
    /// Begins one by a statement such as `BEGIN`. Dropped while that is on its way, it is rolled back as at any other time.
    pub(crate) async fn begin(pool: &Pool, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut session = pool.lend().await?;
        session.is_busy = true;
        let mut transaction = Self(Within(Some(session)));
        answered(sqlx::raw_sql(statement).execute(transaction.connection()?)).await?;
        Ok(transaction)
    }

    /// Commits. Where no answer comes it may have happened or not.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        answered(sqlx::raw_sql("COMMIT").execute(self.connection()?)).await?;
        if let Some(mut session) = self.0.0.take() {
            session.ended(&Ok(()));
        }
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.connection()
    }
}

impl Within {
    fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_mut().map(|session| &mut session.connection).ok_or(sqlx::Error::WorkerCrashed)
    }
}

impl std::fmt::Debug for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Within").field("has_ended", &self.0.is_none()).finish()
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let Some(mut session) = self.0.take() else { return };
        // Without a runtime, or where it does not answer, the connection goes and PostgreSQL rolls back.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return drop(Object::take(session)) };
        runtime.spawn(async move {
            let rolling_back = sqlx::raw_sql("ROLLBACK").execute(&mut session.connection);
            match tokio::time::timeout(ROLLBACK_LIMIT, rolling_back).await {
                Ok(ended) => session.ended(&ended),
                Err(_) => drop(Object::take(session)),
            }
        });
    }
}

impl Deref for Transaction {
    type Target = Within;

    fn deref(&self) -> &Within {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Within {
        &mut self.0
    }
}

impl<'c> Executor<'c> for &'c mut Within {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.connection() {
            Ok(connection) => each_answered(connection.fetch_many(query)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move { answered(self.connection()?.fetch_optional(query)).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { answered(self.connection()?.prepare_with(sql, parameters)).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { answered(self.connection()?.describe(sql)).await })
    }
}
