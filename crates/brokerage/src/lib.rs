//! HTTP clients of trading brokers behind one trait, [`Brokerage`].
//!
//! One rule above all: a book that could not be fetched or understood is an error, never an empty book. Errors are
//! sorted by what the caller can do about them ([`BrokerageError`]) and hold no secrets.
//!
//! The clients use TLS through rustls, whose crypto provider the process must have installed before.

mod brokerage;
mod error;
mod http;
mod quotes;
mod tries;

pub mod kite;

pub use brokerage::{Brokerage, OrdersFuture, QuotesFuture};
pub use error::BrokerageError;
pub use http::{ANSWER_LIMIT, Http, Timeouts};
pub use kite::Kite;
pub use quotes::Quotes;
