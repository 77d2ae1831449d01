//! Connections whose every answer has a time limit.
//!
//! A host that vanishes closes nothing: whoever waits for its answer would wait for as long as TCP does, a quarter of an hour,
//! and longer where something between answers TCP in its place. sqlx has no limit of its own, so all statements go through here.

use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use sqlx::postgres::{PgPool, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, Postgres, SqlStr};

/// How long PostgreSQL may take to answer: for the next row, or the end of a statement. A little longer than it lets a
/// statement run ([`STATEMENT_TIMEOUT`](crate::pool)), so that its own word comes first.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A pool of such connections.
#[derive(Clone, Debug)]
pub(crate) struct Pool(pub(crate) PgPool);

impl Deref for Pool {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.0
    }
}

/// A transaction on such a connection, rolled back if it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction(Within);

/// What a transaction's statements run on.
#[derive(Debug)]
pub(crate) struct Within(sqlx::Transaction<'static, Postgres>);

impl Transaction {
    pub(crate) fn new(begun: sqlx::Transaction<'static, Postgres>) -> Self {
        Self(Within(begun))
    }

    /// Commits. Where no answer comes it may have happened or not.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        answered(self.0.0.commit()).await
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

/// sqlx's own way to run a statement, with the limit: the same for the pool and for a transaction.
macro_rules! executor {
    ($bounded:ty, $self:ident => $inner:expr) => {
        impl<'c> Executor<'c> for $bounded {
            type Database = Postgres;

            fn fetch_many<'e, 'q: 'e, E>(
                $self,
                query: E,
            ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, Postgres>,
            {
                each_answered($inner.fetch_many(query))
            }

            fn fetch_optional<'e, 'q: 'e, E>($self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, Postgres>,
            {
                Box::pin(answered($inner.fetch_optional(query)))
            }

            fn prepare_with<'e>(
                $self,
                sql: SqlStr,
                parameters: &'e [PgTypeInfo],
            ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin(answered($inner.prepare_with(sql, parameters)))
            }

            // The trait's own, for sqlx's macros.
            fn describe<'e>($self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin(answered($inner.describe(sql)))
            }
        }
    };
}

executor!(&'c Pool, self => (&self.0));
executor!(&'c mut Within, self => (&mut *self.0));

/// Waits for one answer.
pub(crate) async fn answered<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(silence()))
}

/// As many answers as there are rows; after a silence nothing more comes.
fn each_answered<'a, T: Send + 'a>(
    rows: BoxStream<'a, Result<T, sqlx::Error>>,
) -> BoxStream<'a, Result<T, sqlx::Error>> {
    unfold(Some(rows), |rows| async move {
        let mut rows = rows?;
        match tokio::time::timeout(ANSWER_LIMIT, rows.next()).await {
            Ok(row) => row.map(|row| (row, Some(rows))),
            Err(_) => Some((Err(silence()), None)),
        }
    })
    .boxed()
}

fn silence() -> sqlx::Error {
    let text = format!("PostgreSQL gave no answer within {} s", ANSWER_LIMIT.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text))
}
