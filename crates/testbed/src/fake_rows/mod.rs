//! What the rows of all faked brokerages are made of.

mod row;
mod time;
mod traded;

pub use row::Row;

pub(crate) use row::{number, token_of};
pub(crate) use time::{ist, millis};
pub(crate) use traded::Traded;
