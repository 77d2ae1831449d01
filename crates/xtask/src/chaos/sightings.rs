use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::market::PROBE;
use super::stage::Stage;

/// When the fleet was seen well: every program ready, and a job done that was enqueued just then.
#[derive(Default)]
pub(super) struct Sightings(Mutex<Vec<(Instant, Instant)>>);

impl Sightings {
    /// Looks until it is over.
    pub(super) fn watch(&self, stage: &Stage, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let is_well = stage.members().all(|member| member.is_ready())
                && stage.syncfleet(&["sync", PROBE, "--wait", "20"]).is_ok();
            if is_well {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push((begun, Instant::now()));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// When a look that began after `moment` found everything well.
    pub(super) fn well_after(&self, moment: Instant, patience: Duration) -> Option<Instant> {
        while moment.elapsed() < patience {
            let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, well)) = seen.iter().rev().take_while(|(begun, _)| *begun >= moment).last() {
                return Some(*well);
            }
            drop(seen);
            thread::sleep(Duration::from_millis(50));
        }
        None
    }
}
