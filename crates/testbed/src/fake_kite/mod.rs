//! A stand-in for the Kite Connect v3 API.

mod book;
pub mod rows;
mod server;
mod state;
#[cfg(test)]
mod tests;

pub use book::KiteBook;
pub use server::FakeKite;
