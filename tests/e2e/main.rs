//! End to end: real processes on real servers, one world of servers per test.

mod bad_messages;
mod bad_settings;
mod beats;
mod commands;
mod drain;
mod failing_steps;
mod names;
mod real_input;
mod retries;
mod workers;
