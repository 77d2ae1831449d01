//! Private RabbitMQ, PostgreSQL and Redis servers from the machine's own programs, for tests and demos.
//!
//! Every server listens on free ports of 127.0.0.1 and keeps its data in a folder of its own under `/tmp`; both go
//! when the server's value is dropped or the process that owns it dies, however it dies (see `guard.rs`). Servers
//! that run on the machine already are left alone. Missing programs are installed when we are root on Debian.
//! Linux only: `/proc` and abstract sockets are used.

mod account;
mod authority;
mod database;
mod error;
mod fake_autotrader;
mod fake_collector;
mod fake_http;
mod fake_kite;
mod fake_rows;
mod guard;
mod http;
mod install;
mod name;
mod open_transaction;
mod port;
mod postgres;
mod process;
mod programs;
mod prometheus;
mod proxy;
mod python;
mod rabbit_cluster;
mod rabbitmq;
mod redis;
mod redis_cluster;
mod server;
mod shared;
mod systemd;
mod vhost;
mod wait;

pub use authority::{Authority, Certified};
pub use database::Database;
pub use error::Error;
pub use fake_autotrader::{AutoTraderBook, FakeAutoTrader, rows as autotrader};
pub use fake_collector::FakeCollector;
pub use fake_http::{Answer, Request};
pub use fake_kite::{FakeKite, KiteBook, rows as kite};
pub use fake_rows::Row;
pub use open_transaction::OpenTransaction;
pub use postgres::{Postgres, pgbench, psql};
pub use process::{BIN_DIR, Process, binary};
pub use prometheus::{Prometheus, promtool};
pub use proxy::Proxy;
pub use python::python_environment;
pub use rabbit_cluster::RabbitCluster;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use shared::{Shared, shared, variable};
pub use systemd::systemd_analyze;
pub use vhost::{Message, Vhost};
pub use wait::wait_until;
