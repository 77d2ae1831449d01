//! The pure trading domain: fills, FIFO lots, positions, holdings and reconciliation.

mod account;
mod reported;

pub use account::Account;
pub use reported::{ReportedOrder, Side};
