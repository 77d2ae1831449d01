//! A private PostgreSQL.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::authority::Certified;
use crate::port::Port;
use crate::programs::Program;
use crate::server::{Endings, Server, command_line, on_free_ports};

/// Covers `initdb` on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// INT is the "fast" shutdown. QUIT at the end, as KILL would leave PostgreSQL's System V shared memory behind.
const ENDINGS: Endings = Endings { orderly: "INT", patience: Duration::from_secs(20), last: "QUIT" };

/// The superuser of the server; may create databases.
const USER: &str = "syncfleet";

/// Does not wait for the disk.
const QUICK: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// One PostgreSQL on a free port of 127.0.0.1, where it trusts everybody.
///
/// Stopped and deleted on drop, and when the process that started it dies. As root it runs as the user
/// `postgres` or `nobody`.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: Port,
    is_encrypted: bool,
}

impl Postgres {
    /// Starts one that does not wait for the disk: for tests. What it has committed outlives a killed server, but
    /// not a power cut.
    pub fn start() -> Result<Self, Error> {
        // Not `synchronous_commit=off`: without fsync it saves next to nothing, and a killed server would lose the
        // transactions it committed last.
        Self::start_with(&QUICK, None)
    }

    /// As [`Postgres::start`], but its port is for TLS only, and clients must show a certificate of the same authority
    /// there. [`Postgres::url`] leads to its socket, for those who look.
    pub fn start_tls(certified: &Certified) -> Result<Self, Error> {
        Self::start_with(&QUICK, Some(certified))
    }

    /// Starts one that syncs to disk as PostgreSQL does by default: for measurements.
    pub fn start_durable() -> Result<Self, Error> {
        Self::start_with(&[], None)
    }

    fn start_with(settings: &[&str], certified: Option<&Certified>) -> Result<Self, Error> {
        on_free_ports(|| {
            let postgres = Self {
                server: Server::new("PostgreSQL", ENDINGS)?,
                port: Port::reserve()?,
                is_encrypted: certified.is_some(),
            };
            let encryption = certified.map(|certified| postgres.write_encryption(certified)).transpose()?;
            let mut settings: Vec<&str> = settings.to_vec();
            settings.extend(encryption.iter().flatten().map(String::as_str));
            postgres.write_run(&settings)?;
            postgres.launch()?;
            Ok(postgres)
        })
    }

    /// `postgres://syncfleet@127.0.0.1:<port>/postgres`
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        if !self.is_encrypted {
            return self.network_url_of(database);
        }
        let socket = self.server.folder().join("socket");
        format!("postgres://{USER}@/{database}?host={}&port={}", socket.display(), self.port.number())
    }

    /// As [`Postgres::url_of`], through the port, also where that is for TLS only.
    pub fn network_url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port.number())
    }

    /// Creates an empty database and returns its URL.
    pub fn create_database(&self, name: &str) -> Result<String, Error> {
        psql(&self.url(), &["-c", &format!("CREATE DATABASE \"{name}\"")])?;
        Ok(self.url_of(name))
    }

    /// Orderly ("fast") stop: open transactions are rolled back, clients disconnected.
    pub fn stop(&self) -> Result<(), Error> {
        self.server.stop()
    }

    /// SIGKILL to all its processes.
    pub fn kill(&self) -> Result<(), Error> {
        self.server.kill()
    }

    /// Back on the same port with the same data; stops it first if it runs.
    pub fn restart(&self) -> Result<(), Error> {
        self.server.stop()?;
        self.launch()
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<(), Error> {
        self.server.freeze()
    }

    /// Ends [`Postgres::freeze`].
    pub fn thaw(&self) -> Result<(), Error> {
        self.server.thaw()
    }

    fn launch(&self) -> Result<(), Error> {
        // The eighth line is the state; the file is in our folder, so this is our server and no other.
        let file = self.server.folder().join("data/postmaster.pid");
        self.server.start(PATIENCE, |_| {
            let text = fs::read_to_string(&file).unwrap_or_default();
            // One left by a killed server also says "ready", for another process.
            let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
            pid.is_some()
                && pid == self.server.pid()
                && text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
        })
    }

    /// The settings of a server that speaks TLS only, with the files that they name.
    fn write_encryption(&self, certified: &Certified) -> Result<Vec<String>, Error> {
        let files = certified.write(&self.server, Account::unprivileged()?)?;
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n";
        let rules = self.server.write("pg_hba.conf", rules)?;
        Ok(vec![
            "ssl=on".to_owned(),
            format!("ssl_ca_file={}", files.authority.display()),
            format!("ssl_cert_file={}", files.certificate.display()),
            format!("ssl_key_file={}", files.key.display()),
            format!("hba_file={}", rules.display()),
        ])
    }

    /// The cluster is made by the same script, so that a killed owner leaves no `initdb` behind either.
    fn write_run(&self, settings: &[&str]) -> Result<(), Error> {
        let account = Account::unprivileged()?;
        let folder = self.server.folder().to_string_lossy().into_owned();
        for name in ["data", "socket"] {
            let path = self.server.folder().join(name);
            fs::create_dir(&path).map_err(Error::io(format!("create {}", path.display())))?;
            account.own(&path)?;
        }

        let mut initdb = account.prefix();
        initdb.push(Program::Initdb.path()?.to_string_lossy().into_owned());
        initdb.extend(
            ["-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
                .map(String::from),
        );

        let mut postgres = account.prefix();
        postgres.push(Program::Postgres.path()?.to_string_lossy().into_owned());
        postgres.extend(["-D".into(), "data".into(), "-p".into(), self.port.number().to_string()]);
        let socket = format!("unix_socket_directories={folder}/socket");
        // Shared memory as files among the data: nothing is left in /dev/shm by a killed server.
        let own =
            ["listen_addresses=127.0.0.1", "max_connections=300", "dynamic_shared_memory_type=mmap", &socket];
        for setting in own.iter().chain(settings) {
            postgres.extend(["-c".into(), (*setting).to_owned()]);
        }

        let run = format!(
            "cd {folder}\n[ -e data/PG_VERSION ] || {} || exit\necho $$ >pid\nexec {}\n",
            command_line(&[], &initdb),
            command_line(&[], &postgres),
        );
        self.server.write("run", &run)?;
        Ok(())
    }
}

/// Runs `psql` on a database with the given words and stops at the first error; returns what it prints, unaligned.
pub fn psql(url: &str, words: &[&str]) -> Result<String, Error> {
    let output = Command::new(Program::Psql.path()?)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run psql"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(Error::Tool { tool: "psql", output: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// `pgbench`, which comes with the server; a missing one is installed first.
///
/// # Errors
/// It is not there and cannot be installed.
pub fn pgbench() -> Result<PathBuf, Error> {
    Program::Pgbench.path()
}
