//! A stand-in for the AutoTrader Web API.

mod book;
pub mod rows;
mod server;
mod state;
#[cfg(test)]
mod tests;

pub use book::AutoTraderBook;
pub use server::FakeAutoTrader;
