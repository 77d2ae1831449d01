//! A producer who may publish, and means harm.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod control;
mod generator;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use e2e::{RawMessage, RawPublisher, RawTable, World, fill, free_address, get, jsonl, long};
use testbed::{Message, Process, wait_until};

use self::generator::{Generator, TASK};

const HOSTILE: usize = 10_000;
/// One valid job after so many hostile ones.
const EVERY: usize = 500;
/// What a worker may take at its worst, in MiB; a debug build that does nothing takes some 60.
const MEMORY_MAX: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn ten_thousand_hostile_messages_are_dead_letters_with_a_reason_while_the_fleet_serves_on() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Meena", 2, 75, "100")])).expect(0);
    let address = free_address();
    let worker = world.worker(&[("METRICS_ADDR", &address), ("WORKER_CONCURRENCY", "16")]);
    let begun = Instant::now();
    let mut generator = Generator::new(20_250_617);
    let mut publisher = RawPublisher::connect(&world.vhost.url());
    let mut bodies: BTreeMap<u64, i64> = BTreeMap::new();
    for number in 0..HOSTILE {
        let message = if number % 100 == 0 { generator.fan_out() } else { generator.message() };
        *bodies.entry(hash(&message.body)).or_default() += 1;
        publisher.publish("periodic", &message);
        if number % EVERY == 0 {
            publisher.publish("periodic", &valid(number));
        }
        if number == HOSTILE / 2 {
            // An operator in the middle of it.
            world.syncfleet(&["sync", "Meena", "--wait", "30"]).expect(0);
        }
    }
    publisher.wait_for_confirms();
    let published = begun.elapsed();
    let valid = HOSTILE / EVERY;
    wait_until("everything is done with", PATIENCE, || ended(&address) > HOSTILE + valid);
    let done = begun.elapsed();

    let told = get(&address, "/metrics");
    let dispositions = sums(&told, "syncfleet_dispositions_total", "disposition");
    let reasons = sums(&told, "syncfleet_dead_letters_total", "reason");
    let run = ["ack", "expire", "fail_expired"].map(|ended| dispositions.get(ended).copied().unwrap_or(0));
    let run = run.iter().sum::<usize>() - valid - 1;
    let letters = letters(&world, HOSTILE - run);
    // Each hostile message is a letter with a reason, as it came, or was what it seemed: a job.
    assert_eq!(letters.len() + run, HOSTILE, "{dispositions:?}");
    let mut of_letters: BTreeMap<String, usize> = BTreeMap::new();
    for letter in &letters {
        *bodies.entry(hash(&letter.payload)).or_default() -= 1;
        assert!(
            letter.headers["syncfleet-error"].as_str().is_some_and(|error| !error.is_empty()),
            "{:?}",
            letter.headers
        );
        *of_letters.entry(letter.headers["syncfleet-reason"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(of_letters, reasons);
    assert!(bodies.values().all(|left| *left >= 0), "a letter has a body that nobody sent");
    assert_eq!(bodies.values().sum::<i64>(), run as i64);
    assert!(run < HOSTILE / 10, "{run} were jobs");

    // It serves: the valid jobs were done, it is ready, nothing goes round, nothing was lost on the way.
    let succeeded =
        "SELECT count(*) FROM tradingdb.sync_outcomes WHERE sync_id LIKE 'valid-%' AND status = 'success'";
    assert_eq!(world.count(succeeded), valid);
    assert!(get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(!dispositions.contains_key("requeue") && !dispositions.contains_key("renew"), "{dispositions:?}");
    for queue in world.vhost.queues().unwrap().iter().filter(|queue| *queue != "seen") {
        wait_until(&format!("nothing in {queue}"), PATIENCE, || {
            world.vhost.queue_depth(queue).is_ok_and(|depth| depth == (0, 0))
        });
    }
    assert!(!worker.output().contains(" lost"), "a session ended");
    let memory = memory(&worker);
    assert!(memory < MEMORY_MAX, "{memory} MiB");
    report(&format!(
        "{HOSTILE} published in {published:.1?}, done after {done:.1?}, {run} run, at most {memory} MiB\n{reasons:?}"
    ));
}

#[test]
fn a_message_whose_names_are_no_text_is_a_dead_letter_like_any_other() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let worker = world.worker(&[("WORKER_CONCURRENCY", "2")]);
    let mut publisher = RawPublisher::connect(&world.vhost.url());
    let headers = RawTable::default().text("task", "app.tasks.mystery").text("id", "x");
    let body = b"[[], {}, {}]".to_vec();
    let mut spoilt = headers.clone();
    spoilt.push(b"bad\xffname", b'S', &long(b"value"));
    publisher.publish("periodic", &RawMessage::json("a", body.clone()).headers(&spoilt));
    let properties = ["content_type", "correlation_id", "message_id", "reply_to", "type", "app_id"];
    for property in properties {
        let message = RawMessage::json(property, body.clone()).headers(&headers).short(property, b"\xfe\xff");
        publisher.publish("periodic", &message);
    }
    publisher.wait_for_confirms();
    let letters = world.dead_letters(1 + properties.len());
    assert_eq!(letters.len(), 1 + properties.len(), "{}", worker.output());
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    assert!(!worker.output().contains(" lost"), "{}", worker.output());
}

/// A job as it should be.
fn valid(number: usize) -> RawMessage {
    let id = format!("valid-{number}");
    let headers = RawTable::default().text("task", TASK).text("id", &id);
    RawMessage::json(&id, br#"[["default", "Raghu"], {}, {}]"#.to_vec()).headers(&headers)
}

/// Deliveries that came to an end, whichever.
fn ended(address: &str) -> usize {
    let dispositions = sums(&get(address, "/metrics"), "syncfleet_dispositions_total", "disposition");
    ["ack", "expire", "fail_expired", "dead"].iter().filter_map(|ended| dispositions.get(*ended)).sum()
}

/// The values of a metric, added up by one of its labels.
fn sums(told: &str, metric: &str, label: &str) -> BTreeMap<String, usize> {
    let mut sums = BTreeMap::new();
    for line in told.lines().filter(|line| line.starts_with(metric)) {
        let (_, rest) = line.split_once(&format!("{label}=\"")).unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        let (_, count) = line.rsplit_once(' ').unwrap();
        let count = count.parse::<usize>().unwrap();
        // Counters are told from the start, before anything is counted.
        if count > 0 {
            *sums.entry(value.to_owned()).or_default() += count;
        }
    }
    sums
}

/// So many dead letters, which are taken a few hundred at a time.
fn letters(world: &World, expected: usize) -> Vec<Message> {
    wait_until(&format!("{expected} dead letters"), PATIENCE, || {
        world.vhost.queue_depth("periodic.dead").is_ok_and(|(ready, _)| ready >= expected as u64)
    });
    let mut letters = Vec::new();
    loop {
        let more = world.vhost.get("periodic.dead", 250).unwrap();
        if more.is_empty() {
            return letters;
        }
        letters.extend(more);
    }
}

fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// The most memory that a process ever had, in MiB.
fn memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[expect(clippy::print_stderr, reason = "the figures are what one wants to see of a test of limits")]
fn report(text: &str) {
    eprintln!("{text}");
}
