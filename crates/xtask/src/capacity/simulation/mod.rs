//! A fleet event by event: jobs are published, wait in one line for a slot, for their brokerage, for a core of their worker and
//! for one of PostgreSQL, fail and come back. No time passes; the same scenario has the same outcome.
//!
//! What it leaves out: RabbitMQ, Redis and the network take no time; a job uses its worker first and PostgreSQL then, each in
//! one piece; two jobs of one account may run side by side; a job that is not due takes no slot on its delay steps.

mod bank;
mod fleet;
mod job;
mod outcome;
mod scenario;
#[cfg(test)]
mod tests;

pub(crate) use self::fleet::simulate;
pub(crate) use self::outcome::Outcome;
pub(crate) use self::scenario::Scenario;
