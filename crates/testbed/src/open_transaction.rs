//! A transaction that somebody else has open.

use std::process::Command;
use std::time::Duration;

use crate::name::unique;
use crate::programs::Program;
use crate::{Database, Error, Process, wait_until};

/// Longer than any test waits for what it blocks.
const HELD_FOR_SECONDS: u32 = 600;

/// A session of its own that holds what its statements have locked, until it is dropped.
#[derive(Debug)]
pub struct OpenTransaction<'a> {
    database: &'a Database,
    /// What PostgreSQL calls the session.
    name: String,
    _session: Process,
}

impl Database {
    /// Runs SQL such as `LOCK TABLE t` in a transaction that stays open, and returns when it has run.
    pub fn hold(&self, sql: &str) -> Result<OpenTransaction<'_>, Error> {
        let name = unique();
        let mut command = Command::new(Program::Psql.path()?);
        command.args(["-X", "-q", "-d", &self.url(), "-c"]).env("PGAPPNAME", &name);
        command.arg(format!("BEGIN; {sql}; SELECT pg_sleep({HELD_FOR_SECONDS})"));
        let held = OpenTransaction { database: self, name, _session: Process::spawn(command)? };
        let sleeps = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND wait_event = 'PgSleep'",
            held.name
        );
        wait_until(sql, Duration::from_secs(20), || self.sql(&sleeps).is_ok_and(|count| count == "1"));
        Ok(held)
    }
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        // PostgreSQL does not notice that its client is gone while it sleeps.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name =";
        let _ = self.database.sql(&format!("{end} '{}'", self.name));
    }
}
