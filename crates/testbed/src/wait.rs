//! Waiting for a state instead of sleeping.

use std::time::{Duration, Instant};

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Returns as soon as `reached` says so, and panics with `what` when it has not within `deadline`.
///
/// Wait for a state that stays once it is there ("the queue is empty"), not for one that passes.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < deadline, "after {deadline:?} still not so: {what}");
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_comes_is_waited_for() {
        let mut looks = 0;
        wait_until("three looks", Duration::from_secs(5), || {
            looks += 1;
            looks == 3
        });
    }

    #[test]
    #[should_panic(expected = "still not so: pigs fly")]
    fn a_state_that_does_not_come_is_named() {
        wait_until("pigs fly", Duration::from_millis(1), || false);
    }
}
