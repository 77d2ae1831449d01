use std::time::Duration;

use service::Vitals;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a beat takes to give back a tick and to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How a beat gets on, told by its scheduler.
#[derive(Clone)]
pub(crate) struct Course(watch::Sender<State>);

#[derive(Clone)]
struct State {
    got_on_at: Instant,
    /// The last tick it has published.
    tick: Option<String>,
}

impl Default for Course {
    fn default() -> Self {
        Self(watch::Sender::new(State { got_on_at: Instant::now(), tick: None }))
    }
}

impl Course {
    /// The scheduler has looked at the tick ledger, or still holds the tick that it publishes.
    pub(crate) fn gets_on(&self) {
        self.0.send_modify(|state| state.got_on_at = Instant::now());
    }

    /// A tick is published.
    pub(crate) fn published(&self, tick: &str, accounts: usize) {
        self.0.send_modify(|state| state.tick = Some(format!("tick {tick} published: {accounts} jobs")));
    }
}

impl Vitals for Course {
    fn is_at_work(&self) -> bool {
        // Made when the servers answer.
        true
    }

    fn got_on_at(&self) -> Instant {
        self.0.borrow().got_on_at
    }

    fn status(&self) -> String {
        self.0.borrow().tick.clone().unwrap_or_else(|| "waiting for the next tick".to_owned())
    }

    fn stops_within(&self) -> Duration {
        STOP_LIMIT
    }
}
