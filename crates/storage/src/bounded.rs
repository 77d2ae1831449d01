//! Connections whose every answer has a time limit, in a pool that costs a statement nothing.
//!
//! A host that vanishes closes nothing: whoever waits for its answer would wait for as long as TCP does, a quarter of an hour,
//! and longer where something between answers TCP in its place. sqlx has no limit of its own, so all statements go through here.
//! Its pool asks a server for a sign of life whenever a connection comes back, which costs as much as most statements of a sync;
//! this one asks only for those that have not been used for a second.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, unfold};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{ConnectOptions as _, Connection as _, Describe, Either, Execute, Executor, Postgres, SqlStr};

/// How long PostgreSQL may take to answer: for the next row, or the end of a statement. A little longer than it lets a
/// statement run ([`SETTINGS`](crate::session)), so that its own word comes first.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a caller waits for a connection before the server counts as away.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may take to show that it leads somewhere.
const PING_LIMIT: Duration = Duration::from_millis(1500);
/// A connection that was in use so shortly before is lent without a look.
const FRESH: Duration = Duration::from_secs(1);
/// A connection this old makes room for a new one: what a server process keeps for it does not grow for ever.
const LIFETIME: Duration = Duration::from_mins(30);
/// A connection that nobody used for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_mins(10);
/// How often it is looked for such.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A pool of such connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Connector>,
    looked: Arc<Mutex<Instant>>,
}

/// What makes the connections of a pool.
pub(crate) struct Connector {
    options: PgConnectOptions,
}

/// A connection.
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    opened: Instant,
    used: Instant,
    /// A statement or a transaction has begun on it and not ended; where nobody waits for its end any more it is of no use.
    pub(crate) is_busy: bool,
}

impl managed::Manager for Connector {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        let connection = self.options.connect().await?;
        let now = Instant::now();
        Ok(Session { connection, opened: now, used: now, is_busy: false })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<sqlx::Error> {
        if session.is_busy || session.opened.elapsed() > LIFETIME {
            return Err(RecycleError::message("not to be used again"));
        }
        if session.used.elapsed() > FRESH {
            let pong = tokio::time::timeout(PING_LIMIT, session.connection.ping()).await;
            pong.map_err(|_| RecycleError::message("no sign of life"))??;
        }
        Ok(())
    }
}

impl Session {
    /// After the end of a statement: one that PostgreSQL refused leaves a connection as good as before.
    pub(crate) fn ended<T>(&mut self, ended: &Result<T, sqlx::Error>) {
        self.used = Instant::now();
        let is_refused = |error: &sqlx::Error| {
            use sqlx::Error as E;
            let database = matches!(error, E::Database(error) if !error.code().is_some_and(|code| code.starts_with("57")));
            database || matches!(error, E::RowNotFound | E::ColumnDecode { .. } | E::Decode(_) | E::Encode(_))
        };
        self.is_busy = ended.as_ref().is_err_and(|error| !is_refused(error));
    }
}

impl Pool {
    /// At most `max` connections by these options; nothing is opened yet.
    pub(crate) fn new(options: PgConnectOptions, max: u32) -> Self {
        let connections = managed::Pool::builder(Connector { options })
            .max_size(usize::try_from(max).unwrap_or(usize::MAX))
            .wait_timeout(Some(ACQUIRE_LIMIT))
            .create_timeout(Some(ACQUIRE_LIMIT))
            // Each look has its own.
            .recycle_timeout(None)
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        // It fails only for time limits without a runtime.
        let connections = connections.unwrap_or_else(|error| unreachable!("{error}"));
        Self { connections, looked: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Connections that are open, those of them that nobody uses, and the most there may be.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        let status = self.connections.status();
        (status.size, status.available, status.max_size)
    }

    /// A connection out of the pool, which is closed when its user drops it.
    pub(crate) async fn take(&self) -> Result<PgConnection, sqlx::Error> {
        Ok(Object::take(self.lend().await?).connection)
    }

    /// A connection, free again when it is dropped.
    pub(crate) async fn lend(&self) -> Result<Object<Connector>, sqlx::Error> {
        self.close_idle();
        self.connections.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => sqlx::Error::PoolTimedOut,
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                sqlx::Error::PoolClosed
            }
        })
    }

    fn close_idle(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() > LOOK_EVERY {
            *looked = Instant::now();
            drop(looked);
            self.connections.retain(|session, _| session.used.elapsed() < IDLE_LIMIT);
        }
    }

    async fn run<'q, T, E>(
        &self,
        query: E,
        run: impl AsyncFnOnce(&mut PgConnection, E) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error>
    where
        E: 'q,
    {
        let mut session = self.lend().await?;
        session.is_busy = true;
        let ended = run(&mut session.connection, query).await;
        session.ended(&ended);
        ended
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options know the password.
        f.debug_struct("Pool").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// On a connection of the pool, which is free again when all rows have come.
impl<'c> Executor<'c> for &'c Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = self.run(query, async |connection, query| {
            let mut rows = Vec::new();
            let mut stream = each_answered(connection.fetch_many(query));
            while let Some(row) = stream.next().await {
                rows.push(row?);
            }
            Ok(rows)
        });
        stream::once(all)
            .flat_map(|rows| match rows {
                Ok(rows) => stream::iter(rows.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(error)]),
            })
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(self.run(query, async |connection, query| answered(connection.fetch_optional(query)).await))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(
            self.run(sql, async |connection, sql| answered(connection.prepare_with(sql, parameters)).await),
        )
    }

    // The trait's own, for sqlx's macros.
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(self.run(sql, async |connection, sql| answered(connection.describe(sql)).await))
    }
}

/// Waits for one answer.
pub(crate) async fn answered<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(silence()))
}

/// As many answers as there are rows; after a silence nothing more comes.
pub(crate) fn each_answered<'a, T: Send + 'a>(
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
