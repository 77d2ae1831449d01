//! Against a real PostgreSQL, each test in a database of its own.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod accounts;
mod book;
mod book_rows;
mod cancelled;
mod changes;
mod corporate_actions;
mod external;
mod findings;
mod freshness;
mod holidays;
mod imports;
mod inputs;
mod lease;
mod migrations;
mod opening_lots;
mod other_days;
mod plans;
mod quotes;
mod replays;
mod support;
mod ticks;
mod together;
mod waits;
