//! A private RabbitMQ.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::authority::Certified;
use crate::http::Http;
use crate::port::Port;
use crate::programs::Program;
use crate::server::{Endings, Server, command_line, on_free_ports, quote};

/// A node needs some six seconds of two processors; on a busy machine several times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// An orderly stop takes some six seconds. KILL at the end: the data are deleted anyway.
const ENDINGS: Endings = Endings { orderly: "TERM", patience: Duration::from_secs(30), last: "KILL" };

/// What the node logs when all its plugins and listeners are up, from 3.8 to 4.x.
const STARTED: &str = "Server startup complete";

/// RabbitMQ makes this user on an empty node, with all rights.
const USER: &str = "guest:guest";

/// What nodes of one cluster know each other by; they listen on 127.0.0.1 only.
const COOKIE: &str = "SYNCFLEETTESTBED";

/// One RabbitMQ node with the management plugin, on free ports of 127.0.0.1.
///
/// It has an `epmd` of its own and neither uses nor disturbs one that runs already, and it reads no configuration
/// of the machine's RabbitMQ. Stopped and deleted on drop, and when the process that started it dies.
#[derive(Debug)]
pub struct RabbitMq {
    server: Server,
    ports: Ports,
}

#[derive(Debug)]
struct Ports {
    amqp: Port,
    management: Port,
    distribution: Port,
    epmd: Epmd,
    /// For AMQP over TLS, where it is wanted.
    tls: Option<Port>,
}

/// The port mapper by which Erlang nodes of a host find each other.
#[derive(Debug)]
enum Epmd {
    /// Started and ended with the node.
    Own(Port),
    /// That of the node's cluster, by its port.
    Shared(u16),
}

impl Epmd {
    fn number(&self) -> u16 {
        match self {
            Self::Own(port) => port.number(),
            Self::Shared(port) => *port,
        }
    }
}

impl RabbitMq {
    /// Starts an empty node and returns when AMQP and the management API answer.
    pub fn start() -> Result<Self, Error> {
        Self::start_with("")
    }

    /// As [`RabbitMq::start`], with further settings of the application `rabbit` as Erlang terms, such as
    /// `{consumer_timeout, 3000}, {channel_tick_interval, 500}`.
    pub fn start_with(settings: &str) -> Result<Self, Error> {
        Self::start_by(|| Port::reserve().map(Epmd::Own), settings, None)
    }

    /// As [`RabbitMq::start`], with a second port for AMQP over TLS, on which clients must show a certificate of the same
    /// authority.
    pub fn start_tls(certified: &Certified) -> Result<Self, Error> {
        Self::start_by(|| Port::reserve().map(Epmd::Own), "", Some(certified))
    }

    /// A node that others can join: they use the port mapper at `epmd`, and share a secret.
    pub(crate) fn start_for_cluster(epmd: u16) -> Result<Self, Error> {
        Self::start_by(|| Ok(Epmd::Shared(epmd)), "", None)
    }

    fn start_by(
        epmd: impl Fn() -> Result<Epmd, Error>,
        settings: &str,
        certified: Option<&Certified>,
    ) -> Result<Self, Error> {
        on_free_ports(|| {
            let ports = Ports {
                amqp: Port::reserve()?,
                management: Port::reserve()?,
                distribution: Port::reserve()?,
                epmd: epmd()?,
                tls: certified.map(|_| Port::reserve()).transpose()?,
            };
            let rabbitmq = Self { server: Server::new("RabbitMQ", ENDINGS)?, ports };
            rabbitmq.write_configuration(settings, certified)?;
            rabbitmq.write_run()?;
            rabbitmq.launch()?;
            Ok(rabbitmq)
        })
    }

    /// `amqp://guest:guest@127.0.0.1:<port>/%2f`: the default vhost.
    pub fn url(&self) -> String {
        format!("amqp://{USER}@127.0.0.1:{}/%2f", self.ports.amqp.number())
    }

    /// `127.0.0.1:<port>` for AMQP over TLS, of one that was started for it.
    pub fn tls_address(&self) -> Option<String> {
        self.ports.tls.as_ref().map(|port| format!("127.0.0.1:{}", port.number()))
    }

    /// `http://guest:guest@127.0.0.1:<port>`
    pub fn management_url(&self) -> String {
        format!("http://{USER}@127.0.0.1:{}", self.ports.management.number())
    }

    /// Orderly stop, some six seconds.
    pub fn stop(&self) -> Result<(), Error> {
        self.server.stop()
    }

    /// SIGKILL to all its processes.
    ///
    /// A quorum queue declared within the last half second may come back broken: listed, but never answering.
    /// RabbitMQ 3.10 registers a new queue on disk only after that time (tried: it is lost right after, and kept
    /// two seconds later). Messages that were confirmed in an older queue are kept.
    pub fn kill(&self) -> Result<(), Error> {
        self.server.kill()
    }

    /// Back on the same ports with the same data; stops it first if it runs.
    pub fn restart(&self) -> Result<(), Error> {
        self.server.stop()?;
        self.launch()
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<(), Error> {
        self.server.freeze()
    }

    /// Ends [`RabbitMq::freeze`].
    pub fn thaw(&self) -> Result<(), Error> {
        self.server.thaw()
    }

    /// Raises the memory alarm, in which RabbitMQ takes no messages, or ends it.
    pub fn set_memory_alarm(&self, on: bool) -> Result<(), Error> {
        self.control(&["set_vm_memory_high_watermark", if on { "0" } else { "0.4" }]).map(drop)
    }

    /// Makes this node, which must be empty, one of another's cluster.
    pub(crate) fn join(&self, other: &Self) -> Result<(), Error> {
        self.control(&["stop_app"])?;
        self.control(&["join_cluster", &other.node_name()])?;
        self.control(&["start_app"]).map(drop)
    }

    /// Runs a command of `rabbitmqctl`, about a second, and returns what it prints.
    fn control(&self, words: &[&str]) -> Result<String, Error> {
        let output = Command::new(Program::RabbitMq.path()?.with_file_name("rabbitmqctl"))
            .args(["--quiet", "--node", &self.node_name()])
            .args(words)
            .env_clear()
            .env("PATH", crate::programs::search_path())
            .env("HOME", self.server.folder())
            .env("LC_ALL", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.ports.epmd.number().to_string())
            .env("RABBITMQ_CONF_ENV_FILE", self.server.folder().join("environment.conf"))
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run rabbitmqctl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Tool { tool: "rabbitmqctl", output: String::from_utf8_lossy(&output.stderr).into_owned() })
    }

    fn node_name(&self) -> String {
        format!("syncfleet{}@localhost", self.ports.amqp.number())
    }

    fn launch(&self) -> Result<(), Error> {
        let management = Http::new(&self.management_url())?;
        // The log is in our folder, so it is our node that has started and no other that took the port.
        self.server.start(PATIENCE, |log| log.contains(STARTED) && management.get("/api/overview").is_ok())
    }

    fn write_configuration(&self, settings: &str, certified: Option<&Certified>) -> Result<(), Error> {
        let Ports { amqp, management, tls, .. } = &self.ports;
        // Statistics come twenty times as often as by default: tests wait for them in queue depths.
        let mut configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {}\n\
             collect_statistics_interval = 250\n\
             disk_free_limit.absolute = 10MB\n\
             log.console = true\n\
             log.file = false\n",
            amqp.number(),
            management.number(),
        );
        if let (Some(port), Some(certified)) = (tls, certified) {
            let files = certified.write(&self.server, Account::Ours)?;
            let _ = write!(
                configuration,
                "listeners.ssl.1 = 127.0.0.1:{}\n\
                 ssl_options.cacertfile = {}\n\
                 ssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\n\
                 ssl_options.verify = verify_peer\n\
                 ssl_options.fail_if_no_peer_cert = true\n",
                port.number(),
                files.authority.display(),
                files.certificate.display(),
                files.key.display(),
            );
        }
        self.server.write("rabbitmq.conf", &configuration)?;
        let settings = if settings.is_empty() { String::new() } else { format!(", {settings}") };
        // A hop out of a delay step that was on its way to a node that stopped is repeated after that long, or twice that; 180 s
        // by default.
        let terms = format!(
            "[{{rabbit, [{{quorum_tick_interval, 250}}, {{dead_letter_worker_publisher_confirm_timeout, 10000}}{settings}]}}].\n"
        );
        self.server.write("advanced.config", &terms)?;
        self.server.write("enabled_plugins", "[rabbitmq_management].\n")?;
        self.server.write("environment.conf", "")?;
        if matches!(self.ports.epmd, Epmd::Shared(_)) {
            self.server.write_secret(".erlang.cookie", COOKIE)?;
        }
        Ok(())
    }

    fn write_run(&self) -> Result<(), Error> {
        let folder = self.server.folder().to_string_lossy().into_owned();
        let at = |file: &str| format!("{folder}/{file}");
        let epmd_port = self.ports.epmd.number().to_string();
        let variables = [
            ("HOME", folder.clone()),
            ("ERL_EPMD_PORT", epmd_port.clone()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_NODENAME", self.node_name()),
            ("RABBITMQ_NODE_PORT", self.ports.amqp.number().to_string()),
            ("RABBITMQ_DIST_PORT", self.ports.distribution.number().to_string()),
            ("RABBITMQ_CONF_ENV_FILE", at("environment.conf")),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            // Else /etc/rabbitmq/conf.d of the machine's own RabbitMQ is read.
            ("RABBITMQ_CONFIG_FILES", at("conf.d")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", at("data")),
            ("RABBITMQ_LOG_BASE", at("logs")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", at("generated")),
            ("RABBITMQ_PID_FILE", at("pid")),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none".into(),
            ),
        ];
        let node = [Program::RabbitMq.path()?];
        // epmd first and in the foreground: the node's own attempt would make a daemon that outlives it.
        let epmd = match &self.ports.epmd {
            Epmd::Own(port) => format!("{} &\n", epmd_line(port.number())?),
            Epmd::Shared(_) => String::new(),
        };
        let run = format!("cd {}\n{epmd}exec {}\n", quote(&folder), command_line(&variables, &node));
        self.server.write("run", &run)?;
        Ok(())
    }
}

/// The command of a port mapper on 127.0.0.1.
pub(crate) fn epmd_line(port: u16) -> Result<String, Error> {
    let program = Program::Epmd.path()?.to_string_lossy().into_owned();
    Ok(command_line(&[], &[&program, "-port", &port.to_string(), "-address", "127.0.0.1"]))
}
