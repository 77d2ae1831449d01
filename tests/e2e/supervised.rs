//! What a service manager (systemd) is told. It is a socket here, which is all that a program sees of it.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use e2e::World;
use testbed::{FakeKite, Process, wait_until};

use crate::drain::running;
use crate::failures::slow_accounts;

const PATIENCE: Duration = Duration::from_secs(60);
/// What `WATCHDOG_USEC` says: the program has to be heard twice in that time.
const WATCHDOG: Duration = Duration::from_secs(3);

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at_path(world: &World) -> Self {
        let path = world.folder().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), name: path.to_string_lossy().into_owned() }
    }

    fn by_name(name: &str) -> Self {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        Self { socket: UnixDatagram::bind_addr(&address).unwrap(), name: format!("@{name}") }
    }

    fn start(&self, world: &World, program: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = world.command(program, &[]);
        command.env("NOTIFY_SOCKET", &self.name).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        command.envs(variables.iter().copied());
        Process::spawn(command).unwrap()
    }

    /// The next assignment, if one comes within this time.
    fn hear(&self, within: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut datagram = [0; 4096];
        let length = self.socket.recv(&mut datagram).ok()?;
        let text = String::from_utf8(datagram[..length].to_vec()).unwrap();
        Some(text.lines().map(str::to_owned).collect())
    }

    /// Everything heard until a line that begins so, with it.
    #[track_caller]
    fn hear_until(&self, beginning: &str) -> Vec<String> {
        let (mut heard, begun) = (Vec::new(), Instant::now());
        while begun.elapsed() < PATIENCE {
            heard.extend(self.hear(Duration::from_millis(200)).unwrap_or_default());
            if heard.iter().any(|line| line.starts_with(beginning)) {
                return heard;
            }
        }
        panic!("no {beginning} in {heard:?}");
    }

    /// What had been said before now is forgotten.
    fn forget(&self) {
        while self.hear(Duration::from_millis(1)).is_some() {}
    }
}

fn has(heard: &[String], line: &str) -> bool {
    heard.iter().any(|heard| heard == line)
}

#[test]
fn a_worker_is_ready_when_it_consumes_and_feeds_the_watchdog_for_as_long_as_it_lives() {
    let world = World::new();
    let manager = Manager::at_path(&world);
    let worker = manager.start(&world, "syncfleet-worker", &[("WORKER_CONCURRENCY", "3")]);
    let heard = manager.hear_until("READY=1");
    assert!(worker.output().contains("consuming from"), "{}", worker.output());
    let before = heard.split(|line| line == "READY=1").next().unwrap();
    assert!(!has(before, "WATCHDOG=1"), "not before it is ready: {heard:?}");
    let consuming = "STATUS=consuming; 0 jobs running in 4 slots";
    if !has(&heard, consuming) {
        manager.hear_until(consuming);
    }

    let mut meals = Vec::new();
    for _ in 0..4 {
        manager.hear_until("WATCHDOG=1");
        meals.push(Instant::now());
    }
    for pair in meals.windows(2) {
        assert!(pair[1] - pair[0] < WATCHDOG, "twice in that time: {:?}", pair[1] - pair[0]);
    }

    worker.stop().unwrap();
    manager.forget();
    assert_eq!(manager.hear(2 * WATCHDOG), None, "one that hangs says nothing");
    worker.cont().unwrap();
    manager.hear_until("WATCHDOG=1");

    worker.terminate().unwrap();
    let heard = manager.hear_until("STOPPING=1");
    assert!(has(&heard, "EXTEND_TIMEOUT_USEC=40000000"), "25 s of grace and 15 s: {heard:?}");
    assert_eq!(worker.wait(PATIENCE).unwrap().code(), Some(0), "{}", worker.output());
    manager.forget();
    assert_eq!(manager.hear(WATCHDOG), None);
}

#[test]
fn a_draining_worker_says_how_long_it_needs_and_what_still_runs() {
    let world = World::new();
    let kite: FakeKite = slow_accounts(&world, 2, Duration::from_secs(4));
    let manager = Manager::at_path(&world);
    let worker = manager.start(&world, "syncfleet-worker", &[("SHUTDOWN_GRACE_SECONDS", "120")]);
    manager.hear_until("READY=1");
    let lock = world.hold_runs();
    let _beat = world.beat(&[]);
    wait_until("two running jobs", PATIENCE, || running(&world) == 2);
    manager.hear_until("STATUS=consuming; 2 jobs running");
    worker.terminate().unwrap();
    let heard = manager.hear_until("STOPPING=1");
    assert!(has(&heard, "EXTEND_TIMEOUT_USEC=135000000"), "{heard:?}");
    manager.hear_until("WATCHDOG=1");
    assert_eq!(running(&world), 2, "alive while it drains");
    drop(lock);
    assert_eq!(worker.wait(PATIENCE).unwrap().code(), Some(0), "{}", worker.output());
    drop(kite);
}

#[test]
fn a_program_that_waits_for_its_servers_says_for_which_and_is_not_ready() {
    let world = World::empty();
    let manager = Manager::at_path(&world);
    let worker = manager.start(&world, "syncfleet-worker", &[]);
    let heard = manager.hear_until("STATUS=waiting for PostgreSQL: ");
    assert!(!has(&heard, "READY=1"), "{heard:?}");
    world.syncfleet(&["migrate"]).expect(0);
    manager.hear_until("READY=1");
    assert!(worker.output().contains("consuming from"), "{}", worker.output());
}

#[test]
fn a_beat_tells_a_service_manager_that_is_in_no_file_system() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", "1");
    let manager = Manager::by_name(&format!("syncfleet-test-{}", std::process::id()));
    let beat = manager.start(&world, "syncfleet-beat", &[]);
    let heard = manager.hear_until("READY=1");
    assert!(!has(&heard, "STOPPING=1"), "{heard:?}");
    manager.hear_until("STATUS=tick 2");
    manager.hear_until("WATCHDOG=1");
    beat.stop().unwrap();
    manager.forget();
    assert_eq!(manager.hear(2 * WATCHDOG), None, "one that hangs says nothing");
    beat.cont().unwrap();
    manager.hear_until("WATCHDOG=1");
    beat.terminate().unwrap();
    manager.hear_until("STOPPING=1");
    assert_eq!(beat.wait(PATIENCE).unwrap().code(), Some(0), "{}", beat.output());
}

#[test]
fn a_watchdog_that_means_another_process_is_not_fed() {
    let world = World::new();
    let manager = Manager::at_path(&world);
    let _worker = manager.start(&world, "syncfleet-worker", &[("WATCHDOG_PID", "1")]);
    manager.hear_until("READY=1");
    let begun = Instant::now();
    while begun.elapsed() < 2 * WATCHDOG {
        let heard = manager.hear(Duration::from_millis(200)).unwrap_or_default();
        assert!(!has(&heard, "WATCHDOG=1"), "{heard:?}");
    }
}
