use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{MetricsAddress, exit};

/// How long the program that is asked may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What a program may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// Whether it runs.
    Live,
    /// Whether it can do its work.
    Ready,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
        }
    }
}

/// Asks the program that listens on this address, prints its answer, and returns the exit code: 0 when all is well, 1 when
/// it says no or nothing. So a container needs no other program to check its health.
pub async fn probe(what: Probe, address: MetricsAddress) -> i32 {
    let Some(address) = address.get() else {
        let _ = writeln!(io::stderr(), "error: setting METRICS_ADDR: a probe needs the address to ask");
        return exit::CONFIG;
    };
    let asked = tokio::time::timeout(ANSWER_LIMIT, ask(what, reachable(address))).await;
    match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok((is_well, said)) => {
            let _ = writeln!(io::stdout(), "{said}");
            if is_well { exit::DONE } else { exit::FAILED }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {address}: {error}");
            exit::FAILED
        }
    }
}

/// Where one that listens on all addresses is asked.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the answer is 200, and what it says.
async fn ask(what: Probe, address: SocketAddr) -> io::Result<(bool, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n", what.path());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_well = head.split(' ').nth(1) == Some("200");
    Ok((is_well, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_listens_everywhere_is_asked_on_this_machine() {
        for (listens, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("192.0.2.7:9464", "192.0.2.7:9464"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
