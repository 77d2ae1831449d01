//! Everything that the programs print, looked through for secrets.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::Command;
use std::time::Duration;

use e2e::{World, fill, free_address, get, jsonl};
use testbed::{FakeKite, Process, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
/// In every password, token and key that somebody sets here, and in nothing else.
const MARK: &str = "Zq7hush";

/// A secret, such as it is put into settings.
fn secret(what: &str) -> String {
    format!("{MARK}-{what}")
}

/// The words by which a program could give a secret away: as it is, and as base64 has it (basic authentication).
#[track_caller]
fn assert_keeps_silent(who: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains(MARK) && !line.contains("WnE3aHVza"), "{who} told a secret: {line}");
    }
}

/// The URLs of a world with passwords of ours in them: Redis has one of its own, PostgreSQL and RabbitMQ users.
fn guarded() -> World {
    let world = World::new();
    let password = secret("rabbit");
    let user = serde_json::json!({ "password": password, "tags": "administrator" });
    let vhost = world.vhost.name().to_owned();
    let name = format!("{vhost}-guarded");
    let rights = serde_json::json!({ "configure": ".*", "write": ".*", "read": ".*" });
    world.vhost.api("PUT", &format!("/api/users/{name}"), Some(&user)).unwrap();
    world.vhost.api("PUT", &format!("/api/permissions/{vhost}/{name}"), Some(&rights)).unwrap();
    let url = world.vhost.url();
    let (_, host) = url.rsplit_once('@').unwrap();
    let rabbitmq = format!("amqp://{name}:{password}@{host}");
    let management = world.vhost.management_url().to_owned();
    let (_, management_host) = management.rsplit_once('@').unwrap();
    let management = format!("http://{name}:{password}@{management_host}");
    let redis_password = secret("redis");
    world.redis.command(&format!("CONFIG SET requirepass {redis_password}")).unwrap();
    let redis = world.redis.url().replacen("://", &format!("://:{redis_password}@"), 1);
    let database = with_password(&world.database.url(), &secret("postgres"));
    world
        .with("DATABASE_URL", &database)
        .with("RABBITMQ_URL", &rabbitmq)
        .with("RABBITMQ_MANAGEMENT_URL", &management)
        .with("REDIS_URL", &redis)
        .with("RESULT_BACKEND_URL", &redis)
        // Nobody is there, so that it is also told that traces do not get there.
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://user:{}@127.0.0.1:9", secret("collector")))
        .with("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer%20{}", secret("header")))
}

/// A PostgreSQL that trusts its local users is not asked for the password, but it is there to be told.
fn with_password(url: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, host) = rest.split_once('@').unwrap_or(("postgres", rest));
    let (user, _) = user.split_once(':').unwrap_or((user, ""));
    format!("{scheme}://{user}:{password}@{host}")
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[test]
fn no_program_tells_a_secret_however_much_it_is_asked_to_log() {
    let world = guarded();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Meena", 2, 75, "100")])).expect(0);
    let kite = FakeKite::start().unwrap();
    let (key, token) = (secret("api-key"), secret("access-token"));
    world.add_login("Raghu", "kite", &kite.base_url(), &key, &token);
    let (worker_address, beat_address) = (free_address(), free_address());
    let worker = world.worker(&[("RUST_LOG", "trace"), ("METRICS_ADDR", &worker_address)]);
    let beat = world.beat(&[("RUST_LOG", "trace"), ("METRICS_ADDR", &beat_address), ("LOG_FORMAT", "json")]);
    world.wait_for_outcomes(2);
    let cli = |arguments: &[&str]| {
        let mut command = world.command("syncfleet", arguments);
        command.env("RUST_LOG", "trace");
        said(command)
    };
    for arguments in [
        &["sync", "Raghu", "--wait", "60", "--external"][..],
        &["queue", "status"],
        &["dead", "list"],
        &["account", "list"],
        &["account", "show", "Raghu"],
        &["brokerage", "list", "--json"],
        &["brokerage", "test", "Raghu"],
        &["migrate"],
        &["--help"],
        &["sync", "--help"],
    ] {
        assert_keeps_silent(&format!("{arguments:?}"), &cli(arguments));
    }
    assert!(kite.requests() > 1, "the brokerage was asked with the secrets");
    wait_until("metrics", PATIENCE, || get(&worker_address, "/metrics").contains("syncfleet_"));
    for address in [&worker_address, &beat_address] {
        for path in ["/metrics", "/health/ready", "/nothing"] {
            assert_keeps_silent(path, &get(address, path));
        }
    }
    assert!(worker.output().contains("DEBUG"), "it logs all that it can");
    for process in [&worker, &beat] {
        process.terminate().unwrap();
        process.wait(PATIENCE).unwrap();
    }
    assert_keeps_silent("the worker", &worker.output());
    assert_keeps_silent("the beat", &beat.output());
}

#[test]
fn a_failure_tells_no_secret_either() {
    let world = guarded();
    let away = |scheme: &str| format!("{scheme}://user:{}@127.0.0.1:9/x", secret("away"));
    let rabbitmq = world.vhost.url();
    let (_, host) = rabbitmq.rsplit_once('@').unwrap();
    let refused = format!("amqp://somebody:{}@{host}", secret("wrong"));
    let no_vhost = format!("{}-nowhere", rabbitmq.replace(":testbed@", &format!(":{}@", secret("wrong"))));
    for (program, arguments, variable, value) in [
        ("syncfleet", vec!["account", "list"], "DATABASE_URL", away("postgres")),
        ("syncfleet", vec!["account", "list"], "DATABASE_URL", format!("postgres://u:{MARK}@h:port/db")),
        (
            "syncfleet",
            vec!["account", "list"],
            "DATABASE_URL",
            format!("postgres://u:{MARK}@127.0.0.1:9/db?password={MARK}&sslmode=odd"),
        ),
        ("syncfleet", vec!["account", "list"], "DATABASE_URL", format!("{MARK}://u:{MARK}@h/db")),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_URL", away("amqp")),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_URL", refused.clone()),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_URL", no_vhost),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_URL", format!("amqp://u:{MARK}@h:x/%2f")),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_URL", format!("amqp://h?heartbeat={MARK}")),
        ("syncfleet", vec!["queue", "status"], "RABBITMQ_MANAGEMENT_URL", away("http")),
        ("syncfleet", vec!["sync", "Raghu"], "RABBITMQ_URL", refused),
        ("syncfleet-worker", vec![], "REDIS_URL", format!("redis://:{MARK}@h:port")),
        ("syncfleet-worker", vec![], "REDIS_URL", format!("redis://:{MARK}@127.0.0.1/{MARK}")),
        ("syncfleet-worker", vec![], "RESULT_BACKEND_URL", MARK.to_owned()),
        ("syncfleet-worker", vec![], "METRICS_ADDR", MARK.to_owned()),
    ] {
        let mut command = world.command(program, &arguments);
        command.env("RUST_LOG", "trace").env(variable, &value);
        let text = said(command);
        assert!(!text.is_empty(), "{program} {variable}");
        assert_keeps_silent(&format!("{program} {arguments:?} with {variable}"), &text);
    }
    // Those that wait for their servers say why, line after line.
    for (variable, value, line) in [
        ("DATABASE_URL", away("postgres"), "PostgreSQL is not ready"),
        (
            "REDIS_URL",
            world.redis.url().replacen("://", &format!("://:{}@", secret("wrong")), 1),
            "Redis is not ready",
        ),
        ("RABBITMQ_URL", away("amqp"), "cannot connect for publishing"),
    ] {
        let mut command = world.command("syncfleet-worker", &[]);
        command.env("RUST_LOG", "trace").env(variable, &value);
        let worker = Process::spawn(command).unwrap();
        worker.wait_for_line(line, PATIENCE).unwrap();
        worker.kill().unwrap();
        assert_keeps_silent(variable, &worker.output());
    }
}
