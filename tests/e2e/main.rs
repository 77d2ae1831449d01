//! End to end: real processes on real servers, one world of servers per test.

mod as_of;
mod bad_messages;
mod bad_settings;
mod beats;
mod brokerages;
mod celery;
mod chaos;
mod commands;
mod control;
mod crashes;
mod dead_letters;
mod drain;
mod failing_steps;
mod failures;
mod health;
mod hostile;
mod imports;
mod names;
mod pnl;
mod prices;
mod real_input;
mod retries;
mod secrets;
mod storm;
mod tls;
mod workers;
