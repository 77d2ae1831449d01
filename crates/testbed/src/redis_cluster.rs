//! A private Redis Cluster.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::authority::Certified;
use crate::port::Port;
use crate::programs::Program;
use crate::server::on_free_ports;
use crate::{Error, Redis};

/// Three masters with a replica each: the least that survives the loss of a master.
const NODES: usize = 6;

/// After this silence a node counts as gone; its replica takes over about one to two seconds later.
const NODE_TIMEOUT_MILLIS: &str = "2000";

/// For the nodes to find each other and to agree that all slots are served.
const PATIENCE: Duration = Duration::from_secs(60);

/// Six nodes on 127.0.0.1, the first three masters and a replica for each; without a password.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes, joins them, and returns when every node says that all slots are served.
    pub fn start() -> Result<Self, Error> {
        let nodes = (0..NODES).map(|_| start_node()).collect::<Result<Vec<_>, _>>()?;
        let cluster = Self { nodes };
        cluster.join(&cluster.hosts(), &[])?;
        cluster.wait_until_served()?;
        Ok(cluster)
    }

    /// As [`RedisCluster::start`], with second ports for TLS, which the nodes use among each other as well. Clients must
    /// show a certificate of the same authority there.
    pub fn start_tls(certified: &Certified) -> Result<Self, Error> {
        let nodes = (0..NODES).map(|_| start_tls_node(certified)).collect::<Result<Vec<_>, _>>()?;
        let cluster = Self { nodes };
        let files = certified.write(cluster.nodes[0].server(), Account::Ours)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (authority, certificate, key) =
            (text(&files.authority), text(&files.certificate), text(&files.key));
        let options = ["--tls", "--cacert", &authority, "--cert", &certificate, "--key", &key];
        cluster.join(&cluster.tls_hosts(), &options)?;
        cluster.wait_until_served()?;
        Ok(cluster)
    }

    /// `host:port` of every node, separated by commas.
    pub fn hosts(&self) -> String {
        self.nodes.iter().map(Redis::address).collect::<Vec<_>>().join(",")
    }

    /// As [`RedisCluster::hosts`], for TLS; empty for one that was not started for it.
    pub fn tls_hosts(&self) -> String {
        self.nodes.iter().filter_map(Redis::tls_address).collect::<Vec<_>>().join(",")
    }

    /// The URL of every node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("redis://{}", node.address())).collect()
    }

    /// One node by number from 0, to stop it, kill it, freeze it and to bring it back.
    ///
    /// A node that comes back finds its place by its `nodes.conf`, with its keys only when another has them.
    pub fn node(&self, number: usize) -> &Redis {
        &self.nodes[number]
    }

    /// Kills all nodes.
    pub fn kill(&self) -> Result<(), Error> {
        self.nodes.iter().try_for_each(Redis::kill)
    }

    /// Stops all nodes in order.
    pub fn stop(&self) -> Result<(), Error> {
        self.nodes.iter().try_for_each(Redis::stop)
    }

    /// Brings all nodes back on the same ports, empty, and waits until all slots are served again.
    pub fn restart(&self) -> Result<(), Error> {
        self.nodes.iter().try_for_each(Redis::restart)?;
        self.wait_until_served()
    }

    /// Waits until every replica has its master's data: one that never had them does not take over.
    pub fn wait_until_replicated(&self) -> Result<(), Error> {
        for node in &self.nodes {
            node.command("CONFIG SET repl-diskless-sync-delay 0")?;
        }
        let begun = Instant::now();
        for node in &self.nodes {
            while node.command("INFO replication")?.contains("master_link_status:down") {
                if begun.elapsed() > PATIENCE {
                    let log = node.command("INFO replication")?;
                    return Err(Error::Silent { server: "Redis Cluster".into(), waited: PATIENCE, log });
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn join(&self, hosts: &str, options: &[&str]) -> Result<(), Error> {
        let output = Command::new(Program::RedisCli.path()?)
            .args(options)
            .args(["--cluster", "create"])
            .args(hosts.split(','))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run redis-cli"))?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Err(Error::Tool { tool: "redis-cli", output })
    }

    fn wait_until_served(&self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let states: Vec<String> =
                self.nodes.iter().map(|node| node.command("CLUSTER INFO")).collect::<Result<_, _>>()?;
            let served = |state: &String| {
                state.contains("cluster_state:ok") && state.contains(&format!("cluster_known_nodes:{NODES}"))
            };
            let replicas = self.node(0).command("CLUSTER NODES")?.matches("slave").count();
            if states.iter().all(served) && replicas == NODES / 2 {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let log = states.join("\n");
                return Err(Error::Silent { server: "Redis Cluster".into(), waited: PATIENCE, log });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

const NODE: [[&str; 2]; 3] = [
    ["--cluster-enabled", "yes"],
    ["--cluster-config-file", "nodes.conf"],
    ["--cluster-node-timeout", NODE_TIMEOUT_MILLIS],
];

fn start_node() -> Result<Redis, Error> {
    on_free_ports(|| Redis::start_on(Port::reserve_with_cluster_bus()?, NODE.as_flattened()))
}

fn start_tls_node(certified: &Certified) -> Result<Redis, Error> {
    let options = [NODE.as_flattened(), &["--tls-cluster", "yes", "--tls-replication", "yes"]].concat();
    on_free_ports(|| {
        let (plain, tls) = (Port::reserve()?, Port::reserve_with_cluster_bus()?);
        Redis::start_tls_on(plain, tls, certified, &options)
    })
}
