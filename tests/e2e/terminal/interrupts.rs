use std::fs;
use std::process::Command;
use std::time::Duration;

use e2e::{World, fill, jsonl};
use testbed::{Process, wait_until};

use super::on_terminal;

const PATIENCE: Duration = Duration::from_secs(30);

#[track_caller]
fn ended_with_130(process: &Process) -> String {
    let status = process.wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(130), "{}", process.output());
    process.output()
}

#[test]
fn a_sync_that_is_waited_for_says_what_goes_on() {
    let world = World::new();
    let sync =
        Process::spawn(world.command("syncfleet", &["sync", "Raghu", "Asha", "--wait", "60"])).unwrap();
    wait_until("two jobs", PATIENCE, || world.vhost.queue_depth("adhoc").is_ok_and(|depth| depth == (2, 0)));
    sync.interrupt().unwrap();
    let said = ended_with_130(&sync);
    assert!(said.contains("interrupted: 2 of 2 jobs are open and go on"), "{said}");
    assert!(said.contains("2 requested: 0 success, 0 partial_success, 0 failed, 2 timed out"), "{said}");
}

#[test]
fn an_import_that_is_ended_loads_nothing() {
    let world = World::new();
    let file =
        world.file("orders.jsonl", &jsonl(&[fill("Raghu", 1, 75, "100"), fill("Raghu", 2, 25, "100")]));
    std::thread::scope(|scope| {
        // It ends with its connection.
        let held = || world.database.sql("BEGIN; LOCK TABLE tradingdb.orders; SELECT pg_sleep(60)");
        scope.spawn(held);
        let locks = |granted: &str| {
            world.count(&format!(
                "SELECT count(*) FROM pg_locks WHERE relation = 'tradingdb.orders'::regclass AND database =
                 (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted = {granted}"
            ))
        };
        wait_until("a lock", PATIENCE, || locks("true") > 0);
        let import = Process::spawn(world.command("syncfleet", &["import", "orders", &file])).unwrap();
        wait_until("an import that waits", PATIENCE, || locks("false") > 0);
        import.interrupt().unwrap();
        let said = ended_with_130(&import);
        assert!(said.starts_with("interrupted: nothing was loaded"), "{said}");
        world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND datname = current_database()");
    });
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.orders"), 0);
    world.syncfleet(&["import", "orders", &file]).expect(0);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.orders"), 2);
}

#[test]
fn a_watcher_ends_without_a_word() {
    let world = World::new();
    let watch = Process::spawn(world.command("syncfleet", &["watch"])).unwrap();
    watch.wait_for_line("watching", PATIENCE).unwrap();
    watch.interrupt().unwrap();
    assert_eq!(ended_with_130(&watch), "watching; notifications from now on are printed\n");
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let world = World::new();
    let sync = Process::spawn(on_terminal(&world, "sync Raghu --wait 60", &[])).unwrap();
    wait_until("progress", PATIENCE, || sync.output().contains("0/1, "));
    assert!(sync.output().contains("to go"), "{:?}", sync.output());
    let pid = fs::read_to_string(world.folder().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-INT", pid.trim()]).status().unwrap().success());
    let said = ended_with_130(&sync);
    let (progress, after) = said.rsplit_once("0/1, ").unwrap();
    // The line of the progress is cleared, and a cursor that was hidden is there again.
    let cleared = after.find("\u{1b}[2K").unwrap_or_else(|| panic!("{said:?}"));
    assert!(after[cleared..].contains("interrupted: 1 of 1 jobs are open and go on"), "{said:?}");
    let hidden = progress.matches("\u{1b}[?25l").count();
    assert_eq!(hidden, said.matches("\u{1b}[?25h").count(), "{said:?}");
}
