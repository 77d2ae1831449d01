use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::contract::violations;
use serde_json::{Value, json};
use testbed::{
    Authority, Certified, Database, Message, OpenTransaction, Postgres, Process, RabbitMq, Redis, Vhost,
    binary, wait_until,
};

/// How long anything may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The queue in which a world collects every notification.
const SEEN: &str = "seen";

/// A database, a vhost and a Redis of one test's own, and the programs it starts on them.
pub struct World {
    /// PostgreSQL, migrated.
    pub database: Database,
    /// RabbitMQ.
    pub vhost: Vhost,
    /// Redis, which the test may stop.
    pub redis: Redis,
    /// A RabbitMQ of the test's own, where it asked for one.
    pub rabbitmq: Option<RabbitMq>,
    /// A PostgreSQL of the test's own, where it asked for one.
    pub postgres: Option<Postgres>,
    env: Vec<(String, String)>,
    files: tempfile::TempDir,
    /// On servers that no test stops.
    is_shared: bool,
}

/// What a command did.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Answer {
    /// The JSON document it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The answer, if the command ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Fresh servers with the database migrated and a queue that collects notifications.
    pub fn new() -> Self {
        Self::migrated(Self::empty())
    }

    /// As [`World::new`], on a RabbitMQ of its own, which the test may stop.
    pub fn on_rabbitmq(rabbitmq: RabbitMq) -> Self {
        let database = Database::create().expect("a database");
        let vhost = Vhost::create_on(&rabbitmq.url(), &rabbitmq.management_url()).expect("a vhost");
        let mut world = Self::on(database, vhost);
        world.rabbitmq = Some(rabbitmq);
        Self::migrated(world)
    }

    /// As [`World::new`], on a RabbitMQ cluster: programs are given all nodes, the test looks through the last one.
    pub fn on_rabbitmq_nodes(nodes: &[RabbitMq]) -> Self {
        let last = nodes.last().expect("a node");
        let vhost = Vhost::create_on(&last.url(), &last.management_url()).expect("a vhost");
        let through = |node: &RabbitMq| {
            let vhost =
                Vhost::open(vhost.name(), &node.url(), &node.management_url()).expect("a node's vhost");
            vhost.url()
        };
        let urls = nodes.iter().map(through).collect::<Vec<_>>().join(",");
        let world = Self::on(Database::create().expect("a database"), vhost);
        Self::migrated(world.with("RABBITMQ_URL", &urls))
    }

    /// As [`World::new`], on a PostgreSQL of its own, which the test may stop.
    pub fn on_postgres(postgres: Postgres) -> Self {
        let database = Database::create_on(&postgres.url()).expect("a database");
        let vhost = Vhost::create().expect("a vhost");
        let mut world = Self::on(database, vhost);
        world.postgres = Some(postgres);
        Self::migrated(world)
    }

    /// As [`World::new`], on servers of its own that programs reach over TLS only and must show a certificate to; all are
    /// of `authority`. The test looks at them in other ways.
    pub fn over_tls(authority: &Authority) -> Self {
        let certified = authority.certify().expect("a certificate");
        let postgres = Postgres::start_tls(&certified).expect("a PostgreSQL");
        let rabbitmq = RabbitMq::start_tls(&certified).expect("a RabbitMQ");
        let redis = Redis::start_tls(&certified).expect("a Redis");
        let database = Database::create_on(&postgres.url()).expect("a database");
        let vhost = Vhost::create_on(&rabbitmq.url(), &rabbitmq.management_url()).expect("a vhost");
        let amqps = format!("amqps://{}", rabbitmq.tls_address().expect("a port for TLS"));
        let amqps = Vhost::open(vhost.name(), &amqps, &rabbitmq.management_url()).expect("the vhost").url();
        let rediss = format!("rediss://{}/0", redis.tls_address().expect("a port for TLS"));
        let database_url = postgres.network_url_of(database.name());
        let mut world = Self::on(database, vhost);
        (world.rabbitmq, world.postgres, world.redis) = (Some(rabbitmq), Some(postgres), redis);
        let world = world
            .with("DATABASE_URL", &database_url)
            .with("RABBITMQ_URL", &amqps.replace("amqp://", "amqps://"))
            .with("REDIS_URL", &rediss)
            .trusting(&authority.pem())
            .showing(&authority.certify().expect("a certificate"));
        Self::migrated(world)
    }

    /// Makes programs trust servers of this authority.
    #[must_use]
    pub fn trusting(self, authority: &str) -> Self {
        let file = self.file("authority.pem", authority);
        self.with("TLS_CA_FILE", &file)
    }

    /// Makes programs show this certificate.
    #[must_use]
    pub fn showing(self, certified: &Certified) -> Self {
        let certificate = self.file("certificate.pem", &certified.certificate);
        let key = self.file("key.pem", &certified.key);
        self.with("TLS_CLIENT_CERT_FILE", &certificate).with("TLS_CLIENT_KEY_FILE", &key)
    }

    /// Fresh servers without tables.
    pub fn empty() -> Self {
        let mut world = Self::on(Database::create().expect("a database"), Vhost::create().expect("a vhost"));
        world.is_shared = true;
        world
    }

    fn migrated(world: Self) -> Self {
        world.syncfleet(&["migrate"]).expect(0);
        world
    }

    fn on(database: Database, vhost: Vhost) -> Self {
        let redis = Redis::start().expect("a Redis");
        vhost.declare_exchange("sync_notifications", "topic").expect("the exchange");
        vhost.declare_queue(SEEN, &json!({})).expect("a queue");
        vhost.bind("sync_notifications", SEEN, "#").expect("a binding");
        let env = [
            ("DATABASE_URL", database.url()),
            ("RABBITMQ_URL", vhost.url()),
            ("REDIS_URL", redis.url()),
            ("RETRY_INITIAL_SECONDS", "1".to_owned()),
            // Ticks are of full weeks since 1970 then: no test meets another one than it publishes.
            ("SYNC_INTERVAL_SECONDS", "604800".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let files = tempfile::tempdir().expect("a folder");
        Self { database, vhost, redis, rabbitmq: None, postgres: None, env, files, is_shared: false }
    }

    /// Sets a variable for every program started from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What programs are given as this variable.
    pub fn variable(&self, name: &str) -> String {
        let found = self.env.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).expect("a variable of the world's")
    }

    /// A command with the world's environment and nothing of ours.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary(program).expect("the built binaries"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a `syncfleet` command to its end.
    pub fn syncfleet(&self, arguments: &[&str]) -> Answer {
        answer(self.command("syncfleet", arguments))
    }

    /// Starts a worker and waits until it consumes.
    pub fn worker(&self, variables: &[(&str, &str)]) -> Process {
        let mut command = self.command("syncfleet-worker", &[]);
        command.envs(variables.iter().copied());
        let worker = Process::spawn(command).expect("a worker");
        worker.wait_for_line("consuming from", PATIENCE).expect("a consuming worker");
        worker
    }

    /// Starts a beat.
    pub fn beat(&self, variables: &[(&str, &str)]) -> Process {
        let mut command = self.command("syncfleet-beat", &[]);
        command.envs(variables.iter().copied());
        Process::spawn(command).expect("a beat")
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.files.path().join(name);
        fs::write(&path, text).expect("a written file");
        path.to_string_lossy().into_owned()
    }

    /// The folder of this world's files.
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    /// Imports JSON lines.
    pub fn import(&self, lines: &str) -> Answer {
        let file = self.file("orders.jsonl", lines);
        self.syncfleet(&["import", "orders", &file, "--json"])
    }

    /// Says that an account's brokerage is the fake one at `base_url`.
    pub fn add_kite(&self, account: &str, base_url: &str) {
        let secret = format!("file:{}", self.file("secret", "top-secret-token\n"));
        let words = [
            "brokerage",
            "add",
            account,
            "--kind",
            "kite",
            "--base-url",
            base_url,
            "--api-key",
            &secret,
            "--access-token",
            &secret,
        ];
        self.syncfleet(&words).expect(0);
    }

    /// Says that an account is at a brokerage of `kind`, with secrets of its own. Returns the file of its access token, to
    /// be written anew.
    pub fn add_login(&self, account: &str, kind: &str, base_url: &str, api_key: &str, token: &str) -> String {
        let api_key = format!("file:{}", self.file(&format!("key-{account}"), api_key));
        let token_file = self.file(&format!("token-{account}"), token);
        let token = format!("file:{token_file}");
        let mut words = vec!["brokerage", "add", account, "--kind", kind, "--base-url", base_url];
        words.extend(["--api-key", &api_key]);
        if kind == "kite" {
            words.extend(["--access-token", &token]);
        }
        self.syncfleet(&words).expect(0);
        token_file
    }

    /// Syncs one account and returns its `full_results`.
    #[track_caller]
    pub fn sync(&self, account: &str) -> Value {
        let answer = self.syncfleet(&["sync", account, "--wait", "60", "--json"]);
        let results = answer.json()["results"][0].clone();
        assert!(results.is_object(), "{answer:?}");
        results
    }

    /// The single value of a query, as text.
    pub fn sql(&self, query: &str) -> String {
        self.database.sql(query).expect("SQL that runs").trim().to_owned()
    }

    /// Until it is dropped no run gets past its generation, which PostgreSQL lets wait for 20 s at most.
    pub fn hold_runs(&self) -> OpenTransaction<'_> {
        self.database.hold("LOCK TABLE tradingdb.positions IN EXCLUSIVE MODE").expect("a lock")
    }

    /// A list of an account's snapshot in Redis, as in `Raghu:positions`.
    pub fn cached(&self, list: &str) -> Value {
        let text = self.redis.command(&format!("GET trade_data:default:{list}")).expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The number a query counts.
    pub fn count(&self, query: &str) -> usize {
        self.sql(query).parse().expect("a number")
    }

    /// Waits until the query counts exactly so many.
    #[track_caller]
    pub fn wait_for_count(&self, query: &str, expected: usize) {
        wait_until(&format!("{query} = {expected}"), PATIENCE, || self.count(query) == expected);
    }

    /// Waits until so many jobs have an outcome.
    #[track_caller]
    pub fn wait_for_outcomes(&self, expected: usize) {
        self.wait_for_count("SELECT count(*) FROM tradingdb.sync_outcomes", expected);
    }

    /// Takes every notification that has arrived so far. Each must be what consumers were promised.
    #[track_caller]
    pub fn notifications(&self) -> Vec<Message> {
        let messages = self.vhost.get(SEEN, 10_000).expect("the collected notifications");
        check(&messages);
        messages
    }

    /// Waits for so many dead letters and takes them.
    #[track_caller]
    pub fn dead_letters(&self, expected: usize) -> Vec<Message> {
        wait_until(&format!("{expected} dead letters"), PATIENCE, || {
            self.vhost.queue_depth("periodic.dead").is_ok_and(|(ready, _)| ready >= expected as u64)
        });
        self.vhost.get("periodic.dead", expected + 100).expect("the dead letters")
    }

    /// The rows of an account as `syncfleet account show --json` prints them.
    pub fn show(&self, account: &str) -> Value {
        self.syncfleet(&["account", "show", account, "--json"]).expect(0).json()
    }
}

/// Notifications that no test asked for must be what consumers were promised, too.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        loop {
            match self.vhost.get(SEEN, 10_000) {
                Ok(messages) if messages.is_empty() => return,
                Ok(messages) => check(&messages),
                Err(error) => {
                    assert!(!self.is_shared, "the notifications cannot be looked at: {error}");
                    return;
                }
            }
        }
    }
}

#[track_caller]
fn check(messages: &[Message]) {
    for message in messages {
        let found = violations(message);
        assert!(found.is_empty(), "a notification breaks the contract: {}\n{message:?}", found.join("\n"));
    }
}

/// Runs a command to its end.
pub(crate) fn answer(mut command: Command) -> Answer {
    let output = command.output().expect("a command that starts");
    Answer {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
