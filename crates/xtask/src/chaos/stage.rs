//! The servers and programs that the storm goes over.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use testbed::{Postgres, Process, Proxy, RabbitCluster, RedisCluster, Vhost, binary, psql};

use crate::workspace;

/// Between ticks. RabbitMQ drops a job of a tick that nobody has taken for twice that, which no fault of a storm may last.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
/// Where notifications are kept for the end.
pub(crate) const SEEN: &str = "seen";
const WORKERS: usize = 3;
const BEATS: usize = 2;

/// A worker or a beat, and whoever took its place.
pub(crate) struct Member {
    program: &'static str,
    pub(crate) name: String,
    address: String,
    process: Mutex<Option<Process>>,
}

/// All of it. Programs go before their servers.
pub(crate) struct Stage {
    pub(crate) workers: Vec<Member>,
    pub(crate) beats: Vec<Member>,
    env: Vec<(String, String)>,
    pub(crate) node_proxies: Vec<Proxy>,
    pub(crate) postgres_proxy: Proxy,
    /// The same one through each node; the first made it.
    pub(crate) vhosts: Vec<Vhost>,
    pub(crate) rabbitmq: RabbitCluster,
    pub(crate) postgres: Postgres,
    /// Its database, without a proxy between.
    pub(crate) database_url: String,
    pub(crate) redis: RedisCluster,
}

impl Stage {
    /// Starts the servers, each behind a proxy where there can be one, and migrates the database. No program runs yet.
    pub(crate) fn set() -> Result<Self> {
        let (rabbitmq, postgres, redis) = thread::scope(|scope| {
            let rabbitmq = scope.spawn(RabbitCluster::start);
            let postgres = scope.spawn(Postgres::start);
            let redis = scope.spawn(RedisCluster::start);
            (rabbitmq.join(), postgres.join(), redis.join())
        });
        let panicked = |_| anyhow!("the start of a server panicked");
        let rabbitmq = rabbitmq.map_err(panicked)?.context("cannot start a RabbitMQ cluster")?;
        let postgres = postgres.map_err(panicked)?.context("cannot start PostgreSQL")?;
        let redis = redis.map_err(panicked)?.context("cannot start a Redis Cluster")?;
        redis.wait_until_replicated().context("cannot replicate the Redis Cluster")?;

        let database_url = postgres.create_database("syncfleet")?;
        let (postgres_proxy, through) = Proxy::in_front_of(&database_url)?;
        let [first, others @ ..] = rabbitmq.nodes() else { bail!("a cluster without a node") };
        let mut vhosts = vec![Vhost::create_on(&first.url(), &first.management_url())?];
        for node in others {
            vhosts.push(Vhost::open(vhosts[0].name(), &node.url(), &node.management_url())?);
        }
        let (mut node_proxies, mut urls) = (Vec::new(), Vec::new());
        for vhost in &vhosts {
            let (proxy, through) = Proxy::in_front_of(&vhost.url())?;
            node_proxies.push(proxy);
            // A silent server is noticed after twice that.
            urls.push(format!("{through}?heartbeat=5"));
        }
        vhosts[0].declare_exchange("sync_notifications", "topic")?;
        vhosts[0].declare_queue(SEEN, &json!({ "x-queue-type": "quorum" }))?;
        vhosts[0].bind("sync_notifications", SEEN, "#")?;
        let env = [
            ("DATABASE_URL", through),
            ("RABBITMQ_URL", urls.join(",")),
            ("REDIS_URL", redis.urls()[0].clone()),
            ("ENVIRONMENT", "production".to_owned()),
            ("REDIS_CLUSTER_HOSTS", redis.hosts()),
            ("RESULT_BACKEND_URL", String::new()),
            ("SYNC_INTERVAL_SECONDS", INTERVAL.as_secs().to_string()),
            ("BEAT_CATCH_UP", "all".to_owned()),
            ("RETRY_INITIAL_SECONDS", "1".to_owned()),
            ("WORKER_CONCURRENCY", "4".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let members = |program, what: &str, count: usize| {
            (1..=count).map(|n| Member::new(program, format!("{what}-{n}"))).collect::<Result<Vec<_>>>()
        };
        let (workers, beats) =
            (members("syncfleet-worker", "worker", WORKERS)?, members("syncfleet-beat", "beat", BEATS)?);
        let stage = Self {
            workers,
            beats,
            env,
            node_proxies,
            postgres_proxy,
            vhosts,
            rabbitmq,
            postgres,
            database_url,
            redis,
        };
        fs::create_dir_all(logs()).context("cannot create target/chaos")?;
        stage.syncfleet(&["migrate"])?;
        psql(&stage.database_url, &["-c", include_str!("witness.sql")])?;
        Ok(stage)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.workers.iter().chain(&self.beats)
    }

    /// Starts a program in its place; what it does is not waited for.
    pub(crate) fn start(&self, member: &Member) -> Result<()> {
        let mut command = self.command(member.program)?;
        command.env("METRICS_ADDR", &member.address).env("LOG_FORMAT", "json");
        let process = Process::spawn(command)?;
        *member.process() = Some(process);
        Ok(())
    }

    /// Runs a `syncfleet` command to its end and returns what it printed.
    pub(crate) fn syncfleet(&self, words: &[&str]) -> Result<String> {
        let output = self
            .command("syncfleet")?
            .args(words)
            .stdin(Stdio::null())
            .output()
            .context("cannot run syncfleet")?;
        if !output.status.success() {
            bail!("syncfleet {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The vhost through whichever node answers.
    pub(crate) fn through_any<T>(
        &self,
        mut ask: impl FnMut(&Vhost) -> Result<T, testbed::Error>,
    ) -> Result<T> {
        let mut last = None;
        for vhost in &self.vhosts {
            match ask(vhost) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| anyhow!("no node"), Into::into))
    }

    /// Nothing of ours and nothing of the machine's settings, but for what is named here.
    fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(binary(program)?);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl Member {
    fn new(program: &'static str, name: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let address = listener.local_addr().context("a port without an address")?.to_string();
        Ok(Self { program, name, address, process: Mutex::new(None) })
    }

    pub(crate) fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&self, send: impl FnOnce(&Process) -> Result<(), testbed::Error>) -> Result<()> {
        self.process().as_ref().map_or(Ok(()), |process| Ok(send(process)?))
    }

    /// Takes the process away, if there is one, and keeps what it logged.
    pub(crate) fn bury(&self) -> Result<()> {
        let Some(process) = self.process().take() else { return Ok(()) };
        let file = logs().join(format!("{}.log", self.name));
        let mut log =
            OpenOptions::new().create(true).append(true).open(&file).context("cannot keep a log")?;
        log.write_all(process.output().as_bytes()).context("cannot keep a log")
    }

    /// Whether it says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

/// Where what the programs logged is kept.
pub(crate) fn logs() -> PathBuf {
    workspace::root().join("target/chaos")
}
