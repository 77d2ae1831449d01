//! Clients of trading brokers behind one trait, [`Brokerage`], opened by their [`Kind`].
//!
//! One rule above all: a book that could not be fetched or understood is an error, never an empty book, and never one
//! with an order left out. Errors are sorted by what the caller can do about them ([`BrokerageError`]) and hold no
//! secrets.
//!
//! The HTTP clients use TLS through rustls, whose crypto provider the process must have installed before.

mod access;
mod answer;
mod autotrader;
mod base_url;
mod brokerage;
mod capabilities;
mod error;
mod field;
mod gate;
mod http;
mod kind;
mod kite;
mod limit;
mod number;
mod paper;
mod quotes;
mod reader;
mod retry_after;
mod tries;

pub use access::Access;
pub use brokerage::{Brokerage, Reading};
pub use capabilities::Capabilities;
pub use error::BrokerageError;
pub use gate::Gate;
pub use http::{ANSWER_LIMIT, Http, Timeouts};
pub use kind::{Kind, Login};
pub use limit::{Limit, Scope};
pub use quotes::quotes;

#[cfg(test)]
mod tests;
