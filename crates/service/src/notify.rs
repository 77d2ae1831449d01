//! The protocol by which systemd, and whatever speaks as it does, is told of a program: lines in a datagram.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnixDatagram};
use std::process;
use std::time::Duration;

use tokio::net::UnixDatagram;
use tracing::debug;

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How often it wants to hear that the program is alive, in microseconds, and which process it means.
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";
/// How long it may take to make room for a datagram.
const SEND_LIMIT: Duration = Duration::from_secs(1);

/// Whether a service manager wants to be told anything.
pub(crate) fn is_wanted() -> bool {
    env::var_os(SOCKET).is_some_and(|name| !name.is_empty())
}

/// Tells the service manager these lines, such as `READY=1`. Without one nothing happens; one that does not listen is no
/// reason to do anything else.
pub(crate) async fn notify(lines: &[String]) {
    let Some(name) = env::var_os(SOCKET).filter(|name| !name.is_empty()) else { return };
    let sent = tokio::time::timeout(SEND_LIMIT, send(&name, &lines.join("\n"))).await;
    match sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(()) => {}
        Err(error) => debug!("{SOCKET}: the service manager was not told: {error}"),
    }
}

/// A line of status, as `systemctl status` shows it.
pub(crate) fn status(text: &str) -> String {
    // A line break would begin another assignment.
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("STATUS={line}")
}

/// How often the service manager must hear that this process is alive, if it wants to.
pub(crate) fn watchdog() -> Option<Duration> {
    let read = |name| env::var(name).ok().and_then(|text: String| text.trim().parse::<u64>().ok());
    let is_meant =
        env::var_os(WATCHDOG_PROCESS).is_none() || read(WATCHDOG_PROCESS) == Some(u64::from(process::id()));
    read(WATCHDOG).filter(|micros| *micros > 0 && is_meant).map(Duration::from_micros)
}

/// Opened anew for each message: there are few, and a service manager may have been started anew.
async fn send(name: &OsStr, text: &str) -> io::Result<()> {
    let socket = StdUnixDatagram::unbound()?;
    socket.connect_addr(&address(name)?)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)?.send(text.as_bytes()).await.map(drop)
}

/// A path, or `@` and a name that is in no file system.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => unlisted(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a path or a name that begins with @")),
    }
}

#[cfg(target_os = "linux")]
fn unlisted(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn unlisted(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_whatever_it_says() {
        assert_eq!(status("a\nREADY=1\r\u{1b}[2J"), "STATUS=a READY=1  [2J");
    }

    #[test]
    fn a_socket_is_a_path_or_a_name_and_nothing_else() {
        assert!(address(OsStr::new("/run/systemd/notify")).is_ok());
        assert!(address(OsStr::new("@syncfleet")).unwrap().as_pathname().is_none());
        for name in ["", "run/notify", "vsock:2:1234"] {
            assert!(address(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
