//! Whom a server's certificate must be from, and the certificate we show it: the same for RabbitMQ, PostgreSQL and Redis.
//!
//! Each client library wants these in its own form, so they are kept as the PEM texts they came in, checked once.

mod certificates;
mod refusal;

pub use certificates::{Certificates, Unusable};
pub use refusal::{Refusal, refusal};
