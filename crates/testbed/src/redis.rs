//! A private Redis.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::authority::Certified;
use crate::port::Port;
use crate::programs::Program;
use crate::server::{Endings, Server, command_line, on_free_ports};

/// Redis starts in milliseconds; only a machine in trouble needs longer.
const PATIENCE: Duration = Duration::from_secs(20);

const ENDINGS: Endings = Endings { orderly: "TERM", patience: Duration::from_secs(10), last: "KILL" };

/// One redis-server on a free port of 127.0.0.1, without a password.
///
/// It keeps nothing on disk: it comes back **empty** after [`Redis::restart`]. Stopped and deleted on drop, and
/// when the process that started it dies.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    port: Port,
    tls: Option<Port>,
}

impl Redis {
    /// Starts one and returns when it answers.
    pub fn start() -> Result<Self, Error> {
        on_free_ports(|| Self::start_on(Port::reserve()?, &[]))
    }

    /// As [`Redis::start`], with a second port for TLS, on which clients must show a certificate of the same authority.
    pub fn start_tls(certified: &Certified) -> Result<Self, Error> {
        on_free_ports(|| Self::start_tls_on(Port::reserve()?, Port::reserve()?, certified, &[]))
    }

    /// `options`: further words for the command line.
    pub(crate) fn start_on(port: Port, options: &[&str]) -> Result<Self, Error> {
        Self::start_server(Server::new("Redis", ENDINGS)?, port, None, options)
    }

    /// As [`Redis::start_on`], with a port for TLS.
    pub(crate) fn start_tls_on(
        port: Port,
        tls: Port,
        certified: &Certified,
        options: &[&str],
    ) -> Result<Self, Error> {
        let server = Server::new("Redis", ENDINGS)?;
        let files = certified.write(&server, Account::Ours)?;
        let number = tls.number().to_string();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (authority, certificate, key) =
            (text(&files.authority), text(&files.certificate), text(&files.key));
        let mut words = vec!["--tls-port", &number, "--tls-auth-clients", "yes"];
        words.extend(["--tls-ca-cert-file", &authority]);
        words.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key]);
        words.extend(options);
        Self::start_server(server, port, Some(tls), &words)
    }

    fn start_server(server: Server, port: Port, tls: Option<Port>, options: &[&str]) -> Result<Self, Error> {
        let program = Program::RedisServer.path()?.to_string_lossy().into_owned();
        let (folder, number) = (server.folder().to_string_lossy().into_owned(), port.number().to_string());
        let mut words: Vec<&str> = vec![&program, "--port", &number, "--bind", "127.0.0.1", "--dir", &folder];
        words.extend(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        words.extend(options);
        let run = format!("cd {folder}\necho $$ >pid\nexec {}\n", command_line(&[], &words));
        server.write("run", &run)?;
        let redis = Self { server, port, tls };
        redis.launch()?;
        Ok(redis)
    }

    /// `redis://127.0.0.1:<port>/0`
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// `127.0.0.1:<port>`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// `127.0.0.1:<port>` for TLS, of one that was started for it.
    pub fn tls_address(&self) -> Option<String> {
        self.tls.as_ref().map(|port| format!("127.0.0.1:{}", port.number()))
    }

    /// Orderly stop; clients see their connections closed.
    pub fn stop(&self) -> Result<(), Error> {
        self.server.stop()
    }

    /// SIGKILL.
    pub fn kill(&self) -> Result<(), Error> {
        self.server.kill()
    }

    /// Back on the same port, empty; stops it first if it runs.
    pub fn restart(&self) -> Result<(), Error> {
        self.server.stop()?;
        self.launch()
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<(), Error> {
        self.server.freeze()
    }

    /// Ends [`Redis::freeze`].
    pub fn thaw(&self) -> Result<(), Error> {
        self.server.thaw()
    }

    /// Sends one command given as a line, such as `SET a 1`, and returns the answer as text, an error as well.
    ///
    /// For looking at Redis from a test; words with blanks need Redis' own quoting.
    pub fn command(&self, line: &str) -> Result<String, Error> {
        ask(self.port.number(), line).map_err(Error::io(format!("ask Redis {line:?}")))
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    fn launch(&self) -> Result<(), Error> {
        // Whoever answers must be the process we started: another Redis may have taken the port just now.
        self.server.start(PATIENCE, |_| match (self.server.pid(), ask(self.port.number(), "INFO server")) {
            (Some(pid), Ok(info)) => info.lines().any(|line| line.trim() == format!("process_id:{pid}")),
            _ => false,
        })
    }
}

/// One question over a connection of its own: an inline command and whatever single answer follows.
fn ask(port: u16, line: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // QUIT makes the server close the connection behind the answer, so the answer's end needs no parsing.
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.strip_suffix("+OK\r\n").unwrap_or(&answer);
    let text = match answer.split_once("\r\n") {
        Some((length, text)) if length.starts_with('$') => text,
        _ => answer.strip_prefix(['+', ':']).unwrap_or(answer),
    };
    Ok(text.trim_end().to_owned())
}
