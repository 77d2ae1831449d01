//! Free ports on 127.0.0.1 that stay ours.
//!
//! Asking the kernel for "any" port and giving it back leaves a gap in which a parallel test gets the same one.
//! Such ports also come from the range of outgoing connections, so while a server is stopped in the middle of a
//! test a client of anybody may sit on its port. So ports are drawn from below that range, and each is
//! *reserved*: an abstract Unix socket named after it is held as long as the [`Port`] lives. Its name is unique
//! on the machine, it needs no file, and the kernel frees it when the owner dies. Programs that know nothing of
//! this can still take a port at the wrong moment; then the server fails to bind and is started on another.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::Error;

/// Below Linux's usual outgoing range (from 32768), also after [`CLUSTER_BUS`] is added.
const PORTS: Range<u16> = 17_000..22_600;

/// A node of a Redis Cluster talks to the others on its port plus this.
const CLUSTER_BUS: u16 = 10_000;

/// One reserved port; free for others again when dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: UnixListener,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub(crate) fn reserve() -> Result<Self, Error> {
        Self::reserve_where(is_free)
    }

    /// Reserves a port whose cluster bus port is free as well.
    pub(crate) fn reserve_with_cluster_bus() -> Result<Self, Error> {
        Self::reserve_where(|number| is_free(number) && is_free(number + CLUSTER_BUS))
    }

    /// The number to listen on.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Starts at a random place, so that parallel processes seldom try the same ports.
    fn reserve_where(usable: impl Fn(u16) -> bool) -> Result<Self, Error> {
        let count = u64::from(PORTS.end - PORTS.start);
        let first = RandomState::new().hash_one(std::process::id()) % count;
        for step in 0..count {
            let offset = u16::try_from((first + step) % count).unwrap_or_default();
            let number = PORTS.start + offset;
            let Some(reservation) = reservation(number) else { continue };
            if usable(number) {
                return Ok(Self { number, _reservation: reservation });
            }
        }
        Err(Error::Unusable(format!("no port from {} to {} is free", PORTS.start, PORTS.end)))
    }
}

fn reservation(number: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("syncfleet-testbed-port-{number}")).ok()?;
    UnixListener::bind_addr(&name).ok()
}

fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reserved_ports_differ_and_can_be_listened_on() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 50);
        assert!(ports.iter().all(|port| is_free(port.number())));
    }

    #[test]
    fn a_port_is_free_for_others_once_dropped() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        assert!(reservation(number).is_none());
        drop(port);
        assert!(reservation(number).is_some());
    }
}
