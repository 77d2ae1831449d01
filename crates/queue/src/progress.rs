use std::sync::{Mutex, PoisonError};

/// How far a run is: told by the handler, shown to whoever asks what runs.
#[derive(Debug, Default)]
pub struct Progress(Mutex<&'static str>);

impl Progress {
    /// The run is at this step now.
    pub fn at(&self, step: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// The step the run is at; empty before the first.
    pub fn step(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
