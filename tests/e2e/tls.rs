//! TLS with all three servers, and what is said when there is none.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{World, fill, jsonl};
use serde_json::Value;
use testbed::{Authority, Postgres, Process, Redis, RedisCluster, wait_until};

/// Far less than programs wait for a server that is away.
const AT_ONCE: Duration = Duration::from_secs(30);

#[test]
fn a_sync_goes_over_tls_to_all_three_servers_of_a_private_authority_with_a_certificate_of_ours() {
    let world = World::over_tls(&Authority::new().unwrap());
    world.import(&jsonl(&[fill("Raghu", 1, 50, "100.05")])).expect(0);
    let _worker = world.worker(&[]);
    let beat = world.beat(&[]);
    let results = world.sync("Raghu");
    assert_eq!(results["status"], "success", "{results}");
    beat.wait_for_line("jobs published", AT_ONCE).unwrap();
    world.wait_for_outcomes(2);
    world.syncfleet(&["queue", "status"]).expect(0);
    assert!(!world.notifications().is_empty());
    assert_ne!(world.redis.command("DBSIZE").unwrap(), "0");
    let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                 WHERE application_name LIKE '%@%' AND NOT (ssl AND client_dn IS NOT NULL)";
    assert_eq!(world.count(plain), 0);
    assert!(world.count("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%@%'") >= 2);
    // The worker's two, and the beat's.
    wait_until("three connections", AT_ONCE, || connections(&world).len() >= 3);
    for connection in connections(&world) {
        assert_eq!(connection["ssl"], true, "{connection}");
        assert_eq!(connection["peer_cert_subject"], "CN=syncfleet", "{connection}");
    }
}

/// What RabbitMQ knows of the connections that it has looked at by now.
fn connections(world: &World) -> Vec<Value> {
    let path = format!("/api/vhosts/{}/connections", world.vhost.name());
    let listed = world.vhost.api("GET", &path, None).unwrap();
    listed.as_array().unwrap().iter().filter(|connection| connection["ssl"].is_boolean()).cloned().collect()
}

#[test]
fn a_redis_cluster_is_reached_over_tls() {
    let authority = Authority::new().unwrap();
    let certified = authority.certify().unwrap();
    let cluster = RedisCluster::start_tls(&certified).unwrap();
    let first = cluster.node(0).tls_address().unwrap();
    let world = World::new();
    // Not of the authority, and without TLS.
    let plain_database = format!("{}?sslmode=disable", world.database.url());
    let world = world
        .trusting(&authority.pem())
        .showing(&certified)
        .with("DATABASE_URL", &plain_database)
        .with("REDIS_URL", &format!("rediss://{first}/0"))
        .with("REDIS_CLUSTER_HOSTS", &cluster.tls_hosts())
        .with("ENVIRONMENT", "production")
        .with("RESULT_BACKEND_URL", "");
    world.import(&jsonl(&[fill("Raghu", 1, 50, "100.05")])).expect(0);
    let worker = world.worker(&[]);
    let results = world.sync("Raghu");
    assert_eq!(results["status"], "success", "{results}");
    assert_eq!(results["redis_sync"]["redis_type"], "cluster", "{results}\n{}", worker.output());
    let keys: usize = (0..6).map(|number| keys_of(cluster.node(number))).sum();
    assert!(keys > 0);
}

fn keys_of(node: &Redis) -> usize {
    node.command("DBSIZE").unwrap().parse().unwrap()
}

#[test]
fn a_certificate_that_is_refused_on_either_side_ends_programs_at_once_with_69_and_what_to_do() {
    let authority = Authority::new().unwrap();
    let stranger = Authority::new().unwrap();
    let world = World::over_tls(&authority);

    let world = world.trusting(&stranger.pem());
    assert_refused(&world, "from an authority that is not trusted: set TLS_CA_FILE to");

    let world = world.trusting(&authority.pem()).showing(&stranger.certify().unwrap());
    assert_refused(&world, "does not accept our certificate: set TLS_CLIENT_CERT_FILE to");

    let world = world.with("TLS_CLIENT_CERT_FILE", "").with("TLS_CLIENT_KEY_FILE", "");
    assert_refused(&world, "it wants");

    // The certificates are for 127.0.0.1 and for no name.
    let world = world.showing(&authority.certify().unwrap());
    let by_name = |variable: &str| {
        let url = world.variable(variable);
        (variable.to_owned(), url.replace("127.0.0.1", "localhost"))
    };
    let by_name = ["DATABASE_URL", "RABBITMQ_URL", "REDIS_URL"].map(by_name);
    let world = by_name.iter().fold(world, |world, (variable, url)| world.with(variable, url));
    assert_refused(&world, "its certificate is for another host");
}

/// Every program, with one server wrong after the other.
#[track_caller]
fn assert_refused(world: &World, said: &str) {
    for (program, words, server) in [
        ("syncfleet", &["account", "list"][..], "PostgreSQL"),
        ("syncfleet", &["queue", "status"], "RabbitMQ"),
        ("syncfleet-beat", &[], "PostgreSQL"),
        ("syncfleet-worker", &[], "PostgreSQL"),
    ] {
        assert_ends(|| world.command(program, words), &[server, said]);
    }
    // A database that lets everybody in leaves the next server to be refused.
    let open = Postgres::start().unwrap();
    let database = format!("{}?sslmode=disable", open.url());
    let migrated = |program: &str| {
        let mut command = world.command(program, &[]);
        command.env("DATABASE_URL", &database);
        command
    };
    let mut migrate = world.command("syncfleet", &["migrate"]);
    assert!(migrate.env("DATABASE_URL", &database).output().unwrap().status.success());
    assert_ends(|| migrated("syncfleet-beat"), &["RabbitMQ at", said]);
    assert_ends(|| migrated("syncfleet-worker"), &["Redis", said]);
    let redis = Redis::start().unwrap();
    let worker = || {
        let mut worker = migrated("syncfleet-worker");
        worker.env("REDIS_URL", redis.url());
        worker
    };
    assert_ends(worker, &["RabbitMQ at", said]);
}

/// It ends with 69 each time, and says why; but with TLS 1.3 a server refuses our certificate when we have begun to speak,
/// and what it says is lost if its hanging up overtakes it. So a command may have to be given once more to be told.
#[track_caller]
fn assert_ends(command: impl Fn() -> Command, said: &[&str]) {
    let shown = format!("{:?}", command());
    let mut outputs = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let process = Process::spawn(command()).unwrap();
        let code = process.wait(AT_ONCE).map(|status| status.code());
        let output = process.output();
        assert_eq!(code.unwrap_or_else(|error| panic!("{shown}: {error}")), Some(69), "{shown}: {output}");
        assert!(begun.elapsed() < AT_ONCE);
        if said.iter().all(|text| output.contains(text)) {
            return;
        }
        assert!(output.contains("reset") || output.contains("closed"), "{shown}: {said:?} in {output}");
        outputs.push(output);
    }
    panic!("{shown}: {said:?} in none of {outputs:?}");
}

#[test]
fn a_certificate_that_has_expired_is_refused_by_name() {
    let authority = Authority::new().unwrap();
    let expired = authority.certify_expired().unwrap();
    let world = World::new().trusting(&authority.pem()).showing(&authority.certify().unwrap());
    let postgres = Postgres::start_tls(&expired).unwrap();
    let command = || {
        let mut command = world.command("syncfleet", &["account", "list"]);
        command.env("DATABASE_URL", postgres.network_url_of("postgres"));
        command
    };
    assert_ends(command, &["PostgreSQL", "its certificate has expired"]);
}

#[test]
fn a_server_that_speaks_no_tls_is_not_spoken_to_in_plain_text() {
    let authority = Authority::new().unwrap();
    let world = World::new();
    let plain_database = world.variable("DATABASE_URL");
    let world = world.trusting(&authority.pem());
    assert_ends(|| world.command("syncfleet", &["account", "list"]), &["PostgreSQL", "sslmode=disable"]);
    let world = world.with("DATABASE_URL", &format!("{plain_database}?sslmode=disable"));
    world.syncfleet(&["account", "list"]).expect(0);
    let amqps = world.vhost.url().replace("amqp://", "amqps://");
    let world = world.with("RABBITMQ_URL", &amqps);
    assert_ends(|| world.command("syncfleet", &["queue", "status"]), &["RabbitMQ at"]);
}

#[test]
fn a_wrong_tls_file_is_named_with_its_setting() {
    let authority = Authority::new().unwrap();
    let (one, another) = (authority.certify().unwrap(), authority.certify().unwrap());
    let world = World::empty();
    let rubbish = world.file("rubbish.pem", "nonsense\n");
    let certificate = world.file("certificate.pem", &one.certificate);
    let (key, wrong_key) = (world.file("key.pem", &one.key), world.file("wrong.pem", &another.key));
    for (variables, setting, said) in [
        (vec![("TLS_CA_FILE", "/nowhere.pem")], "TLS_CA_FILE", "cannot read /nowhere.pem"),
        (vec![("TLS_CA_FILE", &*rubbish)], "TLS_CA_FILE", "there is no certificate in it"),
        (vec![("TLS_CA_FILE", &*key)], "TLS_CA_FILE", "there is no certificate in it"),
        (vec![("TLS_CLIENT_CERT_FILE", &*certificate)], "TLS_CLIENT_KEY_FILE", "they go together"),
        (vec![("TLS_CLIENT_KEY_FILE", &*key)], "TLS_CLIENT_CERT_FILE", "they go together"),
        (
            vec![("TLS_CLIENT_CERT_FILE", &*certificate), ("TLS_CLIENT_KEY_FILE", &*wrong_key)],
            "TLS_CLIENT_KEY_FILE",
            "not the key of the certificate",
        ),
        (
            vec![("TLS_CLIENT_CERT_FILE", &*certificate), ("TLS_CLIENT_KEY_FILE", &*certificate)],
            "TLS_CLIENT_KEY_FILE",
            "no private key",
        ),
    ] {
        for program in ["syncfleet-worker", "syncfleet-beat", "syncfleet"] {
            let words: &[&str] = if program == "syncfleet" { &["account", "list"] } else { &[] };
            let output = world.command(program, words).envs(variables.iter().copied()).output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            assert_eq!(output.status.code(), Some(78), "{program} {variables:?}: {text}");
            assert!(text.contains(setting) && text.contains(said), "{program} {variables:?}: {text}");
            assert!(!text.contains(one.key.lines().nth(1).unwrap()), "{text}");
        }
    }
}
