//! The text of the commands, as it is checked in under `tests/e2e/terminal/shown`. After a change that is meant:
//! `SYNCFLEET_UPDATE_SNAPSHOTS=1`, and read the difference.

use std::fs;
use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::wait_until;

use crate::failures::slow_accounts;

const SHOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/terminal/shown");
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs commands, and compares all that they print with what is checked in.
#[track_caller]
fn shown(world: &World, name: &str, commands: &[&[&str]]) {
    shown_without(world, name, commands, &[]);
}

/// The same, with something else hidden that differs each time.
#[track_caller]
fn shown_without(world: &World, name: &str, commands: &[&[&str]], hidden: &[&str]) {
    let mut text = String::new();
    for words in commands {
        let answer = world.syncfleet(words);
        text += &format!("$ syncfleet {}\n", words.join(" "));
        text += &answer.out;
        text += &answer.err.lines().map(|line| format!("! {line}\n")).collect::<String>();
        text += &format!("= {}\n\n", answer.code.unwrap_or(-1));
    }
    let text = hidden.iter().fold(text, |text, hidden| text.replace(hidden, "<hidden>"));
    let text = masked(world, &text);
    let path = format!("{SHOWN}/{name}.txt");
    if std::env::var_os("SYNCFLEET_UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(SHOWN).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{path} is otherwise; what is printed now:\n{text}");
}

/// Without what differs each time: ids, instants, seconds, addresses. Such text has lines of other widths, too, so blanks and
/// rules are shortened in it.
fn masked(world: &World, text: &str) -> String {
    let folder = world.folder().to_string_lossy().into_owned();
    let text = text.replace(&folder, "<folder>");
    // Headers that only some versions of RabbitMQ add.
    let lines = text.lines().filter(|line| !line.starts_with("  x-"));
    let lines: Vec<String> = lines.map(|line| words(line.trim_end())).collect();
    let masked = lines.join("\n") + "\n";
    if masked.contains('<') { shortened(&masked) } else { masked }
}

fn words(line: &str) -> String {
    let mut masked: Vec<String> = Vec::new();
    let mut words = line.split(' ').peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_matches(['"', ',', ':', ';', '(', ')']);
        let mask = match bare {
            _ if bare.len() == 36 && bare.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) => {
                "<id>"
            }
            // Those of the history are always the same.
            _ if !bare.starts_with("2025-") && chrono::DateTime::parse_from_rfc3339(bare).is_ok() => "<time>",
            _ if bare.starts_with("http://127.0.0.1:") => "<url>",
            _ if words.peek() == Some(&"s")
                && !bare.is_empty()
                && bare.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                "<n>"
            }
            _ => bare,
        };
        masked.push(if bare.is_empty() { word.to_owned() } else { word.replace(bare, mask) });
    }
    masked.join(" ")
}

fn shortened(text: &str) -> String {
    let mut short = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let body = line.trim_start().split("  ").map(str::trim).filter(|part| !part.is_empty());
        let body = body.collect::<Vec<_>>().join("  ");
        let rule = if body.starts_with('─') { "───".to_owned() } else { body };
        short += &format!("{}{rule}\n", " ".repeat(indent.min(2)));
    }
    short
}

/// A share and a contract, bought and partly sold.
fn history() -> String {
    let share = |id: u32, quantity: i64, price: &str, time: &str| {
        let mut order = fill("Raghu", id, quantity, price);
        order["exchange"] = json!("NSE");
        order["symbol"] = json!("INFY");
        order["instrument_key"] = json!("NSE@INFY@equities");
        order["isin"] = json!("INE009A01021");
        order["product_type"] = json!("CNC");
        order["strategy_id"] = json!("long-term");
        order["exchange_time"] = json!(time);
        order
    };
    jsonl(&[
        share(1, 100, "1480.50", "2025-06-10T04:00:00Z"),
        share(2, -40, "1520", "2025-06-12T05:30:00Z"),
        fill("Raghu", 3, 75, "100.25"),
        fill("Raghu", 4, -25, "101"),
        fill("Asha", 5, -75, "99.9"),
    ])
}

/// An hour and a minute ago, so that it is `61 min ago` for a minute.
fn aged(world: &World) {
    world.sql(
        "UPDATE tradingdb.account_sync_state SET last_sync_at = now() - interval '61 minutes 20 seconds',
             last_success_at = now() - interval '61 minutes 20 seconds'",
    );
}

#[test]
fn accounts_are_shown_as_before() {
    let world = World::new();
    let file = world.file("orders.jsonl", &history());
    shown(&world, "import", &[&["import", "orders", &file], &["import", "orders", &file]]);
    shown(&world, "account_never_synced", &[&["account", "show", "Raghu"]]);
    let _worker = world.worker(&[]);
    shown(
        &world,
        "sync_wait",
        &[&["sync", "Raghu", "--wait", "60"], &["sync", "Asha", "--wait", "60", "--force"]],
    );
    world.syncfleet(&["account", "pause", "Asha"]).expect(0);
    world.sql("UPDATE tradingdb.account_sync_state SET last_status = 'partial_success' WHERE pseudo_account = 'Asha'");
    aged(&world);
    let seconds = ["3680", "3681", "3682", "3683", "3684", "3685"];
    shown_without(&world, "account_list", &[&["account", "list"]], &seconds);
    aged(&world);
    shown(
        &world,
        "account_show",
        &[
            &["account", "show", "Raghu"],
            &["account", "show", "Asha"],
            &["account", "show", "Raghu", "--as-of", "2025-06-10"],
        ],
    );
    shown(
        &world,
        "account_orders",
        &[
            &["account", "orders", "Raghu"],
            &["account", "orders", "Raghu", "-n", "1"],
            &["account", "orders", "Raghu", "--external"],
        ],
    );
    shown(
        &world,
        "account_pnl",
        &[
            &["account", "pnl", "Raghu"],
            &["account", "pnl", "Raghu", "--lots"],
            &["account", "pnl", "Raghu", "--from", "2030-01-01"],
        ],
    );
    shown(&world, "account_pause", &[&["account", "pause", "Raghu"], &["account", "resume", "Raghu"]]);
}

/// A dead letter as a worker writes one, so many days ago.
fn bury(world: &World, id: &str, account: &str, error: &str, days: i64) {
    let at = |hours: i64| (chrono::Utc::now() - chrono::Duration::hours(24 * days + hours)).to_rfc3339();
    let task = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
    let headers = json!({"id": id, "task": task, "lang": "py", "syncfleet-reason": "retries_exhausted",
        "syncfleet-error": error, "syncfleet-attempts": 6, "syncfleet-worker": "syncfleet@host-17",
        "syncfleet-queue": "adhoc", "syncfleet-first-failed-at": at(2), "syncfleet-last-failed-at": at(1)});
    let properties = json!({"message_id": id, "correlation_id": id, "content_type": "application/json",
        "content_encoding": "utf-8", "delivery_mode": 2, "headers": headers});
    let body = json!([["default", account], {}, {}]).to_string();
    assert!(world.vhost.publish("", "periodic.dead", &properties, body.as_bytes()).unwrap());
}

#[test]
fn queues_and_dead_letters_are_shown_as_before() {
    let world = World::new();
    shown(
        &world,
        "dead_none",
        &[&["dead", "list"], &["dead", "list", "--group"], &["dead", "show", "nothing"]],
    );
    bury(&world, "job-1", "Raghu", "Redis sync failed: connection refused", 3);
    bury(&world, "job-2", "Asha", "Redis sync failed: connection refused", 4);
    bury(&world, "job-3", "Asha", "Position generation failed: PostgreSQL is away", 5);
    shown(&world, "dead_list", &[&["dead", "list"], &["dead", "list", "--group"]]);
    shown(&world, "dead_show", &[&["dead", "show", "job-1"]]);
    shown(&world, "sync_enqueued", &[&["sync", "Raghu", "Asha"]]);
    wait_until("the depths", PATIENCE, || {
        world.vhost.queue_depth("adhoc").is_ok_and(|depth| depth == (2, 0))
    });
    shown(&world, "queue_status", &[&["queue", "status"]]);
    shown(
        &world,
        "dead_replay",
        &[
            &["dead", "replay", "--error", "Redis sync"],
            &["dead", "replay", "job-1"],
            &["dead", "purge", "--all"],
            &["dead", "purge", "--all", "--yes"],
        ],
    );
}

#[test]
fn workers_and_brokerages_are_shown_as_before() {
    let world = World::new();
    shown(&world, "account_none", &[&["account", "list"], &["account", "list", "--json"]]);
    shown(&world, "worker_none", &[&["worker", "list"], &["worker", "inspect"], &["worker", "ping"]]);
    let _kite = slow_accounts(&world, 1, Duration::from_secs(20));
    world
        .syncfleet(&["brokerage", "add", "Demo", "--kind", "paper", "--base-url", "file:///srv/demo.json"])
        .expect(0);
    shown(&world, "brokerage_list", &[&["brokerage", "list"]]);
    let settings = [("WORKER_NAME", "syncfleet@host-17"), ("WORKER_CONCURRENCY", "8")];
    let worker = world.worker(&settings);
    // It runs until all is seen.
    let _lock = world.hold_runs();
    world.syncfleet(&["sync", "account-0"]).expect(0);
    let running = || world.syncfleet(&["worker", "inspect", "--json"]).out;
    wait_until("a running job", PATIENCE, || {
        serde_json::from_str::<Value>(&running()).is_ok_and(|jobs| jobs[0]["id"].is_string())
    });
    shown_without(&world, "worker_list", &[&["worker", "list"]], &[&worker.id().to_string()]);
    shown(
        &world,
        "worker_inspect",
        &[&["worker", "inspect"], &["worker", "ping"], &["worker", "ping", "nobody@host"]],
    );
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let world = World::new();
    shown(
        &world,
        "errors",
        &[
            &["account", "show", "Nobody"],
            &["account", "orders", "Nobody"],
            &["account", "pnl", "Nobody", "--from", "2026-01-02", "--to", "2026-01-01"],
            &["brokerage", "test", "Nobody"],
            &["worker", "shutdown", "nobody@host"],
            &["sync"],
            &["sync", "Raghu", "--wait", "1"],
            &["dead", "purge", "--all"],
            &["import", "orders", "/nowhere.jsonl"],
            &["account", "list", "--database-url", "postgres://u:s3cret@127.0.0.1:9/db"],
            &["queue", "status", "--rabbitmq-url", "amqp://u:s3cret@127.0.0.1:9/%2f"],
            &["queue", "status", "--rabbitmq-url", "http://u:s3cret@rabbitmq"],
            &["account", "list", "--tls-ca-file", "/nowhere.pem"],
            &["account", "show", "Raghu", "--as-of", "yesterday"],
        ],
    );
    let empty = World::empty();
    shown(&empty, "errors_not_migrated", &[&["account", "list"], &["migrate"], &["migrate"]]);
}
