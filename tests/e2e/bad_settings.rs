use std::time::Duration;

use e2e::World;
use testbed::Process;

#[test]
fn a_wrong_setting_is_named_with_what_was_expected_and_nothing_is_opened() {
    let world = World::empty();
    for (program, name, value, expected) in [
        ("syncfleet-beat", "SYNC_INTERVAL_SECONDS", "soon", "whole seconds"),
        ("syncfleet-beat", "BEAT_CATCH_UP", "never", "skip, latest, all"),
        ("syncfleet-worker", "RETRY_JITTER", "2", "from 0 to 1"),
        ("syncfleet-worker", "RABBITMQ_URL", "http://u:s3cret@h", "amqp"),
        ("syncfleet-worker", "POSITION_GENERATION_ENABLED", "maybe", "true or false"),
        ("syncfleet-worker", "WORKER_QUEUES", "others", "periodic"),
        ("syncfleet-worker", "REDIS_CLUSTER_HOSTS", "host", "host:port"),
        ("syncfleet-worker", "OTEL_EXPORTER_OTLP_ENDPOINT", "u:s3cret@collector:4318", "http:// or https://"),
        ("syncfleet-beat", "OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://u:s3cret@collector", "http:// or https://"),
        ("syncfleet", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "http:// or https://"),
        ("syncfleet-beat", "OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "name=value"),
        ("syncfleet-worker", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("syncfleet-worker", "OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on"),
        ("syncfleet-worker", "OTEL_TRACES_SAMPLER_ARG", "2", "from 0 to 1"),
        ("syncfleet", "DATABASE_URL", "mysql://u:s3cret@h/db", "postgres"),
        ("syncfleet", "RABBITMQ_URL", "amqp://u:s3cret@:x", "amqp"),
    ] {
        let mut command =
            world.command(program, if program == "syncfleet" { &["account", "list"] } else { &[] });
        let output = command.env(name, value).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{program} {name}: {text}");
        assert!(text.contains(name) && text.contains(expected), "{program} {name}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(world.vhost.connections().unwrap().is_empty());
}

#[test]
fn commands_end_with_69_when_a_server_is_away() {
    let world = World::new();
    // Port 9 is the discard port: nothing listens there.
    for (variable, url, command) in [
        ("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:9/db", vec!["account", "list"]),
        ("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:9/db", vec!["migrate"]),
        ("RABBITMQ_URL", "amqp://u:s3cret@127.0.0.1:9/%2f", vec!["sync", "Raghu"]),
        ("RABBITMQ_URL", "amqp://u:s3cret@127.0.0.1:9/%2f", vec!["queue", "status"]),
        ("RABBITMQ_URL", "amqp://u:s3cret@127.0.0.1:9/%2f", vec!["watch", "-n", "1"]),
    ] {
        let output = world.command("syncfleet", &command).env(variable, url).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{command:?}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let world = World::empty();
    for command in
        [&["sync"][..], &["sync", "a", "--all"], &["nonsense"], &["import", "orders"], &["sync", ""]]
    {
        world.syncfleet(command).expect(2);
    }
}

#[test]
fn commands_on_a_database_that_is_not_migrated_say_what_to_do() {
    let world = World::empty();
    let answer = world.syncfleet(&["account", "list"]).expect(1);
    assert!(answer.err.contains("syncfleet migrate"), "{}", answer.err);
}

#[test]
fn a_worker_waits_for_its_servers_with_one_line_a_try() {
    let world = World::empty();
    let mut command = world.command("syncfleet-worker", &[]);
    command.env("RABBITMQ_URL", "amqp://u:s3cret@127.0.0.1:9/%2f");
    let worker = Process::spawn(command).unwrap();
    worker.wait_for_line("PostgreSQL is not ready, trying again", Duration::from_secs(20)).unwrap();
    world.syncfleet(&["migrate"]).expect(0);
    worker.wait_for_line("cannot connect for publishing", Duration::from_secs(20)).unwrap();
    assert!(worker.try_wait().unwrap().is_none());
    assert!(!worker.output().contains("s3cret"));
    worker.terminate().unwrap();
    assert_eq!(worker.wait(Duration::from_secs(10)).unwrap().code(), Some(0));
}
