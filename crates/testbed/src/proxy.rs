//! A network between a program and its server that a test can break.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::Error;
use crate::port::Port;

/// Between two looks of a connection whether it may go on.
const POLL: Duration = Duration::from_millis(10);

/// Forwards TCP connections to one server of 127.0.0.1, and breaks them when told to.
///
/// Everything ends with it: its connections are closed on drop.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether packets of connections opened now are dropped.
    drops: AtomicBool,
    /// Connections opened before this count are dead for good.
    dead_before: AtomicU64,
    opened: AtomicU64,
    /// Each packet is held for so many milliseconds.
    delay: AtomicU64,
    ended: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts one in front of the server that listens on `port` of 127.0.0.1.
    pub fn start(port: u16) -> Result<Self, Error> {
        let own = Port::reserve()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own.number()))
            .map_err(Error::io("listen for the connections of a proxy"))?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        thread::spawn(move || accept(&listener, server, &shared));
        Ok(Self { port: own, state })
    }

    /// Starts one in front of the server of a URL, and returns it with the URL that leads through it.
    pub fn in_front_of(url: &str) -> Result<(Self, String), Error> {
        let unusable = || Error::Unusable("a URL without a port has no proxy".to_owned());
        let start = url.rfind("127.0.0.1:").ok_or_else(unusable)? + "127.0.0.1:".len();
        let length = url[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(url.len() - start);
        let port = url[start..start + length].parse().map_err(|_| unusable())?;
        let proxy = Self::start(port)?;
        let through = format!("{}{}{}", &url[..start], proxy.port.number(), &url[start + length..]);
        Ok((proxy, through))
    }

    /// From now on nothing gets through, and nothing is closed: like a host that vanished. Connections that are open
    /// now are dead for good, also after [`Proxy::heal`]; those opened meanwhile wait for it.
    pub fn drop_packets(&self) {
        self.state.drops.store(true, Ordering::SeqCst);
        self.state.dead_before.store(self.state.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// From now on each packet, of open connections too, takes so much longer on its way.
    pub fn slow_down(&self, delay: Duration) {
        self.state.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// New connections get through again.
    pub fn heal(&self) {
        self.state.drops.store(false, Ordering::SeqCst);
    }

    /// Closes every connection; new ones get through.
    pub fn cut(&self) {
        self.state.close_all();
    }

    /// Connections opened so far, broken ones among them.
    pub fn opened(&self) -> u64 {
        self.state.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then ends.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())));
        self.state.close_all();
    }
}

impl State {
    fn close_all(&self) {
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Waits while the connection's packets are dropped; `false` when it is over.
    fn may_pass(&self, number: u64) -> bool {
        loop {
            if self.ended.load(Ordering::SeqCst) {
                return false;
            }
            let dead = number < self.dead_before.load(Ordering::SeqCst);
            if !dead && !self.drops.load(Ordering::SeqCst) {
                return true;
            }
            thread::sleep(POLL);
        }
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let number = state.opened.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(state);
        thread::spawn(move || {
            if state.may_pass(number) {
                let _ = forward(client, server, number, &state);
            }
        });
    }
}

/// Forwards both ways until either side closes.
fn forward(client: TcpStream, server: SocketAddr, number: u64, state: &Arc<State>) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    {
        let mut sockets = state.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.extend([client.try_clone()?, server.try_clone()?]);
    }
    let (client_too, server_too, of_answers) = (client.try_clone()?, server.try_clone()?, Arc::clone(state));
    thread::spawn(move || pump(server_too, client_too, number, &of_answers));
    pump(client, server, number, state);
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream, number: u64, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        thread::sleep(Duration::from_millis(state.delay.load(Ordering::SeqCst)));
        if !state.may_pass(number) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // An end is a packet too.
    if state.may_pass(number) {
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redis;

    const PING: &[u8] = b"PING\r\n";

    fn answers_within(limit: Duration, stream: &mut TcpStream) -> bool {
        let mut answer = [0; 7];
        stream.set_read_timeout(Some(limit)).unwrap();
        stream.write_all(PING).is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    fn answers(stream: &mut TcpStream) -> bool {
        answers_within(Duration::from_secs(20), stream)
    }

    fn is_silent(stream: &mut TcpStream) -> bool {
        !answers_within(Duration::from_millis(300), stream)
    }

    #[test]
    fn what_was_open_when_packets_were_dropped_stays_dead_and_new_connections_get_through_again() {
        let redis = Redis::start().unwrap();
        let (proxy, through) = Proxy::in_front_of(&redis.url()).unwrap();
        let address = through.trim_start_matches("redis://").trim_end_matches("/0").to_owned();
        let mut old = TcpStream::connect(&address).unwrap();
        assert!(answers(&mut old));
        proxy.drop_packets();
        let mut meanwhile = TcpStream::connect(&address).unwrap();
        assert!(is_silent(&mut old) && is_silent(&mut meanwhile));
        proxy.heal();
        let mut new = TcpStream::connect(&address).unwrap();
        assert!(answers(&mut new) && answers(&mut meanwhile) && is_silent(&mut old));
        proxy.cut();
        assert!(is_silent(&mut new));
        assert_eq!(proxy.opened(), 3);
    }
}
