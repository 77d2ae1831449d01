//! A private RabbitMQ cluster.

use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::port::Port;
use crate::rabbitmq::epmd_line;
use crate::server::{Endings, Server, on_free_ports};
use crate::{Error, RabbitMq};

/// The least that survives the loss of a node: quorum queues have a member on each.
const NODES: usize = 3;

/// Three nodes on 127.0.0.1. Each may be stopped, killed, frozen and brought back by itself.
#[derive(Debug)]
pub struct RabbitCluster {
    // Dropped in order: nodes before their port mapper.
    nodes: Vec<RabbitMq>,
    _epmd: Server,
    _epmd_port: Port,
}

impl RabbitCluster {
    /// Starts the nodes, joins them, and returns when each serves; some twenty seconds of two processors.
    pub fn start() -> Result<Self, Error> {
        let (epmd, epmd_port) = on_free_ports(start_epmd)?;
        let number = epmd_port.number();
        let starts: Vec<_> =
            (0..NODES).map(|_| thread::spawn(move || RabbitMq::start_for_cluster(number))).collect();
        let nodes = starts.into_iter().map(join).collect::<Result<Vec<_>, _>>()?;
        for node in &nodes[1..] {
            node.join(&nodes[0])?;
        }
        Ok(Self { nodes, _epmd: epmd, _epmd_port: epmd_port })
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RabbitMq] {
        &self.nodes
    }
}

fn join(start: thread::JoinHandle<Result<RabbitMq, Error>>) -> Result<RabbitMq, Error> {
    start.join().unwrap_or_else(|_| Err(Error::Unusable("the start of a node panicked".to_owned())))
}

/// One that outlives each of the nodes: a node that comes back is found through it.
fn start_epmd() -> Result<(Server, Port), Error> {
    let endings = Endings { orderly: "TERM", patience: Duration::from_secs(2), last: "KILL" };
    let (server, port) = (Server::new("epmd", endings)?, Port::reserve()?);
    server.write("run", &format!("exec {}\n", epmd_line(port.number())?))?;
    let address = (Ipv4Addr::LOCALHOST, port.number());
    server.start(Duration::from_secs(20), |_| TcpStream::connect(address).is_ok())?;
    Ok((server, port))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Vhost, wait_until};

    #[test]
    fn a_quorum_queue_outlives_the_death_of_a_node_and_the_node_comes_back() {
        let cluster = RabbitCluster::start().unwrap();
        let [first, second, _] = cluster.nodes() else { panic!() };
        let vhost = Vhost::create_on(&first.url(), &first.management_url()).unwrap();
        vhost.declare_queue("q", &json!({ "x-queue-type": "quorum" })).unwrap();
        vhost.publish("", "q", &json!({ "delivery_mode": 2 }), b"kept").unwrap();
        second.kill().unwrap();
        wait_until("a message", Duration::from_secs(20), || {
            vhost.publish("", "q", &json!({}), b"new").is_ok()
        });
        second.restart().unwrap();
        let by_second = Vhost::open(vhost.name(), &second.url(), &second.management_url()).unwrap();
        wait_until("both messages", Duration::from_secs(30), || {
            by_second.queue_depth("q").is_ok_and(|d| d.0 == 2)
        });
        assert_eq!(by_second.get("q", 1).unwrap()[0].payload, b"kept");
    }
}
