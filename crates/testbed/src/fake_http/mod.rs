//! One small HTTP/1.1 server on a free port of 127.0.0.1: what the fakes of all brokerages have in common.
//!
//! A fake is a function from a [`Request`] to an [`Answer`]. What is the same for each of them happens around it: every
//! request is logged with the instant it came, and answers scripted for a path come before the fake's own. Connections
//! are kept alive, for a real client pools them. Threads and `std` only, so that it needs no runtime and a frozen one
//! does not freeze it.

mod answer;
#[cfg(test)]
pub(crate) mod client;
mod connections;
mod form;
mod limit;
mod log;
mod reader;
mod request;
mod script;
mod server;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use request::Request;

pub(crate) use limit::Limit;
pub(crate) use server::FakeHttp;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panicked with the lock held has failed already; the server goes on for the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
