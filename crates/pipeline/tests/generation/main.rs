//! Generations against a real PostgreSQL, each test in a database of its own.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod days;
mod desk;
mod interleaved;
mod odd_histories;
mod prices;
mod real_book;
mod real_fills;
mod replaced_system;
mod steps;
