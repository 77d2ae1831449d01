//! The open connections of a server: how many there may be, and their end.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::lock;

/// Each has a thread of its own. One more waits in the backlog of the system until another has left.
pub(super) const OPEN_MAX: usize = 128;

/// While more are open, answers close their connection: the idle ones alone can never take all the places.
pub(super) const KEPT_MAX: usize = OPEN_MAX / 2;

/// How long the end waits for threads that are just writing an answer.
const END: Duration = Duration::from_secs(5);

/// The open connections of one server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<u64, TcpStream>,
    next: u64,
    ending: bool,
}

/// A place among the open connections; the connection is closed when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Connections {
    /// Waits for a place; none when the server is ending.
    pub(super) fn enter(self: &Arc<Self>, stream: &TcpStream) -> Option<Place> {
        let stream = stream.try_clone().ok()?;
        let full = |state: &mut State| !state.ending && state.open.len() >= OPEN_MAX;
        let mut state =
            self.changed.wait_while(lock(&self.state), full).unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.ending {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.open.insert(number, stream);
        Some(Place { connections: Arc::clone(self), number })
    }

    /// Whether a connection may stay open after its answer.
    pub(super) fn may_stay(&self) -> bool {
        let state = lock(&self.state);
        !state.ending && state.open.len() <= KEPT_MAX
    }

    /// Waits, but not beyond the end of the server.
    pub(super) fn pause(&self, time: Duration) {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
            && !state.ending
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        lock(&self.state).ending
    }

    /// Closes all of them, wakes every thread that waits, and returns when they are gone.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ending = true;
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
        let _ = self.changed.wait_timeout_while(state, END, |state| !state.open.is_empty());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let stream = lock(&self.connections.state).open.remove(&self.number);
        if let Some(stream) = stream {
            // The thread's own handle may be dropped later; the client is to see the end now.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.connections.changed.notify_all();
    }
}
