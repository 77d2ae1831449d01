//! How the fleet does as a whole, as PostgreSQL knows it: what a beat tells beside its own metrics.
//!
//! Not gauges that are kept, because the worst accounts change, and what is no longer true must vanish. Looked at in the
//! background, so that whoever asks waits for no large database, and not more often than is useful.

mod text;
mod view;

use std::sync::Arc;
use std::time::Duration;

use storage::{Storage, StorageError};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
use tracing::debug;

use self::view::View;
use crate::chain;

/// A view is told for so long before the next look.
const FRESH: Duration = Duration::from_secs(15);
/// Looks may take this share of the time: one that took two seconds is the last for forty.
const SHARE: u32 = 20;
/// Without another look, a view is told for so long in all: later it would be a lie.
const TOLD: Duration = Duration::from_secs(60);
/// How long whoever asks waits for a look; then the view before it is told.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a look may take in all.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// The fleet, to be looked at. Clones share their looks.
#[derive(Debug, Clone)]
pub struct Fleet {
    storage: Storage,
    schedule: String,
    interval: Duration,
    spread: Duration,
    seen: Arc<watch::Sender<Option<Seen>>>,
    /// Held by the look that is going on.
    turn: Arc<Mutex<()>>,
}

#[derive(Debug, Clone)]
struct Seen {
    view: Arc<View>,
    at: Instant,
    took: Duration,
}

impl Seen {
    fn next_after(&self) -> Duration {
        FRESH.max(self.took * SHARE)
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < self.next_after()
    }

    fn is_true(&self) -> bool {
        self.at.elapsed() < TOLD.max(self.next_after() * 2)
    }
}

impl Fleet {
    /// The fleet whose accounts `schedule` has synced every `interval`, spread over `spread`.
    pub fn new(storage: Storage, schedule: &str, interval: Duration, spread: Duration) -> Self {
        Self {
            storage,
            schedule: schedule.to_owned(),
            interval,
            spread,
            seen: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// What is known, as lines of Prometheus's text format. Where PostgreSQL has not answered for a minute there is nothing
    /// but the interval.
    pub async fn told(&self) -> String {
        let mut looks = self.seen.subscribe();
        if !looks.borrow_and_update().as_ref().is_some_and(Seen::is_fresh) {
            self.begin_to_look();
            let _ = timeout(PATIENCE, looks.changed()).await;
        }
        let seen = looks.borrow().clone().filter(Seen::is_true);
        text::lines(self.interval, seen.as_ref().map(|seen| &*seen.view))
    }

    /// Seconds since the oldest job of a tick was due that has not ended; zero if there is none.
    ///
    /// # Errors
    /// As any statement.
    pub async fn queue_age(&self) -> Result<f64, StorageError> {
        Ok(view::look(self).await?.queue_age)
    }

    fn begin_to_look(&self) {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return };
        let fleet = self.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let begun = Instant::now();
            let looked = timeout(LOOK_LIMIT, view::look(&fleet)).await;
            let seen = match looked {
                Ok(Ok(view)) => Some(Seen { view: Arc::new(view), at: begun, took: begun.elapsed() }),
                Ok(Err(error)) => {
                    debug!("the fleet was not looked at: {}", chain(&error));
                    None
                }
                Err(_) => {
                    debug!("the fleet was not looked at within {LOOK_LIMIT:?}");
                    None
                }
            };
            // Whoever waits is told in any case.
            fleet.seen.send_modify(|known| {
                if seen.is_some() {
                    *known = seen;
                }
            });
        });
    }
}
