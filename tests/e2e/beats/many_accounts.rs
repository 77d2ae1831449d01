use std::fs;
use std::time::{Duration, Instant};

use e2e::World;
use testbed::Process;

use super::{WEEK, book_accounts};

/// The most memory the process ever had, in KiB.
fn peak_kib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("a running process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The peak of a beat that publishes one tick of so many accounts.
#[expect(clippy::print_stdout, reason = "figures for whoever looks")]
fn peak_of_a_tick(world: &World, accounts: usize) -> u64 {
    book_accounts(world, accounts);
    world.sql("DELETE FROM tradingdb.ticks");
    let begun = Instant::now();
    let beat = world.beat(&[]);
    let published = format!(
        "SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL AND accounts = {accounts}"
    );
    testbed::wait_until(&published, Duration::from_secs(150), || world.count(&published) == 1);
    let peak = peak_kib(&beat);
    println!("{accounts} accounts: {:?}, {peak} KiB at most", begun.elapsed());
    peak
}

#[test]
fn accounts_are_streamed_not_held() {
    let world = World::new().with("SYNC_INTERVAL_SECONDS", WEEK);
    let few = peak_of_a_tick(&world, 2_000);
    let many = peak_of_a_tick(&world, 60_000);
    assert!(many < 64 * 1024, "{many} KiB");
    // Held, 58,000 jobs would take more than 50 MiB.
    assert!(many < few + 8 * 1024, "{few} KiB, then {many} KiB");
}
