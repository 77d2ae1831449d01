//! Generations against a real PostgreSQL, each test in a database of its own.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod desk;
mod interleaved;
mod prices;
mod real_book;
mod steps;
