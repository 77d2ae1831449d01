//! Servers that many tests share.
//!
//! `cargo xtask test` starts one of each and names them in the environment; then all tests use those. Otherwise,
//! as under a plain `cargo nextest run`, each test process starts what it asks for, once, and takes it along when
//! it ends. Tests do not share data: each makes its own [`Database`](crate::Database) and
//! [`Vhost`](crate::Vhost), or starts a [`Redis`] of its own, which takes milliseconds.

use std::env;
use std::sync::{Mutex, PoisonError};

use crate::{Error, Postgres, RabbitMq, Redis};

/// The environment variables that name running servers.
pub mod variable {
    /// A PostgreSQL URL whose user may create databases.
    pub const DATABASE_URL: &str = "SYNCFLEET_TESTBED_DATABASE_URL";
    /// An AMQP URL that ends in `/%2f`.
    pub const RABBITMQ_URL: &str = "SYNCFLEET_TESTBED_RABBITMQ_URL";
    /// `http://user:password@host:port` of the same RabbitMQ.
    pub const RABBITMQ_MANAGEMENT_URL: &str = "SYNCFLEET_TESTBED_RABBITMQ_MANAGEMENT_URL";
    /// A Redis URL.
    pub const REDIS_URL: &str = "SYNCFLEET_TESTBED_REDIS_URL";
}

static POSTGRES: Mutex<Option<&Postgres>> = Mutex::new(None);
static RABBITMQ: Mutex<Option<&RabbitMq>> = Mutex::new(None);
static REDIS: Mutex<Option<&Redis>> = Mutex::new(None);

/// The servers shared by all tests; each is started when its URL is first asked for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Shared;

/// See [`Shared`].
pub fn shared() -> Shared {
    Shared
}

impl Shared {
    /// PostgreSQL, at some database that always exists.
    pub fn database_url(self) -> Result<String, Error> {
        named_or(variable::DATABASE_URL, || Ok(once(&POSTGRES, Postgres::start)?.url()))
    }

    /// RabbitMQ, at the default vhost.
    pub fn rabbitmq_url(self) -> Result<String, Error> {
        named_or(variable::RABBITMQ_URL, || Ok(once(&RABBITMQ, RabbitMq::start)?.url()))
    }

    /// The management API of the same RabbitMQ.
    pub fn rabbitmq_management_url(self) -> Result<String, Error> {
        named_or(variable::RABBITMQ_MANAGEMENT_URL, || Ok(once(&RABBITMQ, RabbitMq::start)?.management_url()))
    }

    /// Redis; the tests that use this one see each other's keys.
    pub fn redis_url(self) -> Result<String, Error> {
        named_or(variable::REDIS_URL, || Ok(once(&REDIS, Redis::start)?.url()))
    }
}

fn named_or(variable: &str, start: impl FnOnce() -> Result<String, Error>) -> Result<String, Error> {
    match env::var(variable) {
        Ok(url) if !url.is_empty() => Ok(url),
        _ => start(),
    }
}

/// Starts at most one per process. It is never dropped: its guard ends it with the process.
fn once<T>(
    server: &'static Mutex<Option<&'static T>>,
    start: impl FnOnce() -> Result<T, Error>,
) -> Result<&'static T, Error> {
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    match *server {
        Some(server) => Ok(server),
        None => Ok(server.insert(Box::leak(Box::new(start()?)))),
    }
}
