use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::notify::{is_wanted, notify, status, watchdog};

/// How often a program's vitals are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A program that has not got on for so long is not alive. Everything it waits for has a limit of ten seconds or less.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// What a service manager may know of a program that stays.
pub trait Vitals: Send + Sync + 'static {
    /// Whether it has begun to do its work.
    fn is_at_work(&self) -> bool;

    /// When it last got on, be it with a vain try: what it waits for has nothing to do with whether it is alive.
    fn got_on_at(&self) -> Instant;

    /// What it does at the moment, in one line without secrets.
    fn status(&self) -> String;

    /// How long it takes to stop, at most.
    fn stops_within(&self) -> Duration;
}

/// Tells the service manager that started this program (systemd, with `Type=notify`) when it is ready, what it does, and
/// when it stops; and, if `WatchdogSec=` is set, that it is alive, twice in that time, for as long as the runtime and the
/// program get on. Nothing happens without `NOTIFY_SOCKET`.
///
/// A program that stops tells how long that may take, so that a short `TimeoutStopSec=` does not cut it off.
pub fn supervise(vitals: impl Vitals, stop: CancellationToken) {
    if is_wanted() {
        tokio::spawn(tell(vitals, stop, watchdog()));
    }
}

async fn tell(vitals: impl Vitals, stop: CancellationToken, watchdog: Option<Duration>) {
    let mut looks = interval(LOOK_EVERY);
    let mut feeds = interval(watchdog.map_or(LOOK_EVERY, |limit| limit / 2));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    feeds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !told.stopping => {
                told.stopping = true;
                let micros = vitals.stops_within().as_micros();
                notify(&["STOPPING=1".to_owned(), format!("EXTEND_TIMEOUT_USEC={micros}")]).await;
            }
            _ = feeds.tick(), if watchdog.is_some() => told.is_hungry = true,
            _ = looks.tick() => {}
        }
        let lines = told.news(&vitals);
        if !lines.is_empty() {
            notify(&lines).await;
        }
    }
}

/// What the service manager has heard.
#[derive(Debug, Default)]
struct Told {
    ready: bool,
    stopping: bool,
    stalled: bool,
    /// The watchdog waits for a sign of life.
    is_hungry: bool,
    status: String,
}

impl Told {
    /// What is to be told now.
    fn news(&mut self, vitals: &impl Vitals) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.ready && !self.stopping && vitals.is_at_work() {
            self.ready = true;
            lines.push("READY=1".to_owned());
        }
        let still_for = vitals.got_on_at().elapsed();
        let is_stalled = still_for > STALL_LIMIT;
        if is_stalled && !self.stalled {
            warn!(
                "nothing has got on for {} s: the service manager is not told that all is well",
                still_for.as_secs()
            );
        }
        self.stalled = is_stalled;
        if self.ready && self.is_hungry && !is_stalled {
            self.is_hungry = false;
            lines.push("WATCHDOG=1".to_owned());
        }
        let now = vitals.status();
        if now != self.status {
            lines.push(status(&now));
            self.status = now;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Fake {
        at_work: bool,
        got_on_at: Instant,
        status: &'static str,
    }

    impl Vitals for Arc<Mutex<Fake>> {
        fn is_at_work(&self) -> bool {
            self.lock().unwrap().at_work
        }

        fn got_on_at(&self) -> Instant {
            self.lock().unwrap().got_on_at
        }

        fn status(&self) -> String {
            self.lock().unwrap().status.to_owned()
        }

        fn stops_within(&self) -> Duration {
            Duration::from_secs(40)
        }
    }

    fn fake() -> Arc<Mutex<Fake>> {
        Arc::new(Mutex::new(Fake { at_work: false, got_on_at: Instant::now(), status: "waiting" }))
    }

    #[tokio::test(start_paused = true)]
    async fn ready_is_told_once_and_a_status_when_it_changes() {
        let (vitals, mut told) = (fake(), Told::default());
        assert_eq!(told.news(&vitals), ["STATUS=waiting"]);
        assert!(told.news(&vitals).is_empty());
        vitals.lock().unwrap().at_work = true;
        vitals.lock().unwrap().status = "consuming";
        assert_eq!(told.news(&vitals), ["READY=1", "STATUS=consuming"]);
        vitals.lock().unwrap().at_work = false;
        assert!(told.news(&vitals).is_empty(), "a lost connection does not make it unready");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_only_while_the_program_gets_on() {
        let (vitals, mut told) =
            (fake(), Told { ready: true, status: "waiting".to_owned(), ..Told::default() });
        told.is_hungry = true;
        assert_eq!(told.news(&vitals), ["WATCHDOG=1"]);
        assert!(told.news(&vitals).is_empty(), "it is fed when it is hungry");
        tokio::time::advance(STALL_LIMIT + Duration::from_secs(1)).await;
        told.is_hungry = true;
        assert!(told.news(&vitals).is_empty(), "it has stalled");
        vitals.lock().unwrap().got_on_at = Instant::now();
        assert_eq!(
            told.news(&vitals),
            ["WATCHDOG=1"],
            "and got on again: at the next look, not at the next meal"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_stops_before_it_was_ready_never_says_ready() {
        let (vitals, mut told) = (fake(), Told { stopping: true, ..Told::default() });
        vitals.lock().unwrap().at_work = true;
        assert_eq!(told.news(&vitals), ["STATUS=waiting"]);
    }
}
