//! What a job waits for that neither runs nor has ended: for people who look, told by its handler.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::decide::{Disposition, Event, Facts};

/// Where a job is between two deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// Whether an attempt failed, or none was made.
    pub state: WaitState,
    /// A stable word: `failed`, `held`, `early`, `crashed`, `returned`, `rate_limit`, `task_rate_limit`, `busy`, `suspect`.
    pub reason: &'static str,
    /// What failed, or more about the reason.
    pub error: Option<String>,
    /// Retries so far, the one it waits for included.
    pub retries: u32,
    /// Retries it may have.
    pub retries_max: u32,
    /// When it is due to run, or looked at again.
    pub due: DateTime<Utc>,
    /// Seen at one of the delay steps that lead to when it is due: why it waits was told when it set out.
    pub is_on_its_way: bool,
}

/// See [`Wait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitState {
    /// An attempt failed: it waits for its next one.
    Retry,
    /// It has not run, or not to its end for want of room: no attempt is spent.
    Parked,
}

impl WaitState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Parked => "parked",
        }
    }
}

impl Wait {
    /// The wait that a disposition puts a job into, if it does. `last_error` is that of the attempt before.
    pub(crate) fn of(
        event: &Event,
        disposition: &Disposition,
        facts: &Facts,
        last_error: Option<&str>,
    ) -> Option<Self> {
        let is_on_its_way = matches!(event, Event::Early { .. });
        let wait = |state, reason, error: Option<String>, retries, due| {
            let retries_max = facts.retries_max;
            Some(Self { state, reason, error, retries, retries_max, due, is_on_its_way })
        };
        let after = |delay: Duration| facts.now + chrono::Duration::from_std(delay).unwrap_or_default();
        match (disposition, event) {
            (Disposition::Retry { retries, due, error, .. }, _) => {
                wait(WaitState::Retry, "failed", Some(error.clone()), *retries, *due)
            }
            // On its way over the delay steps: it is seen at each, and due when it says.
            (Disposition::Park { .. }, Event::Early { eta }) if facts.retries > 0 => {
                wait(WaitState::Retry, "failed", last_error.map(str::to_owned), facts.retries, *eta)
            }
            (Disposition::Park { .. }, Event::Early { eta }) => {
                wait(WaitState::Parked, "early", None, facts.retries, *eta)
            }
            (Disposition::Park { delay, due }, event) => {
                let (reason, error) = match event {
                    Event::Held => ("held", None),
                    Event::Crashed { crashes } => {
                        ("crashed", Some(format!("workers that died while they ran it: {crashes}")))
                    }
                    Event::Waiting { why, .. } => (*why, None),
                    _ => return None,
                };
                wait(WaitState::Parked, reason, error, facts.retries, due.unwrap_or_else(|| after(*delay)))
            }
            (Disposition::Renew { delay, .. }, _) => {
                wait(WaitState::Parked, "returned", None, facts.retries, after(*delay))
            }
            _ => None,
        }
    }
}
