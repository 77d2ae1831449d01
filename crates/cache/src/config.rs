use std::time::Duration;

use redis::{Client, ClientTlsConfig, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};
use tls::Certificates;
use url::Url;

use crate::CacheError;

/// Where Redis is and how long it may take.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// `redis://` or `rediss://`; may hold a password, so it never shows in `Debug`, errors or logs.
    pub redis_url: SecretString,
    /// `host:port` of some nodes of a Cluster; empty means single Redis. The nodes are reached with
    /// the user, password and TLS of `redis_url`, since there is no other place to say them.
    pub cluster_hosts: Vec<String>,
    /// With `rediss://`: how the servers are checked.
    pub certificates: Certificates,
    /// Connections to single Redis. A Cluster needs one per node however much is asked of it.
    pub pool_size: usize,
    /// The longest any operation may take, waiting for a connection included.
    pub timeout: Duration,
}

impl CacheConfig {
    /// The single server.
    pub(crate) fn single(&self) -> Result<ConnectionInfo, CacheError> {
        let server = self.url()?.into_connection_info().map_err(|_| unusable_url())?;
        let Some(certificates) = self.certificates() else { return Ok(server) };
        let client = Client::build_with_tls(server, certificates)
            .map_err(|error| CacheError::Settings { reason: error.to_string() })?;
        Ok(client.get_connection_info().clone())
    }

    /// What the client library is to know of certificates; nothing without TLS.
    pub(crate) fn certificates(&self) -> Option<TlsCertificates> {
        if !self.is_encrypted() {
            return None;
        }
        let client_tls = self.certificates.identity().map(|(certificates, key)| ClientTlsConfig {
            client_cert: certificates.to_vec(),
            client_key: key.to_vec(),
        });
        let root_cert = self.certificates.authorities().map(<[u8]>::to_vec);
        Some(TlsCertificates { client_tls, root_cert })
    }

    /// The nodes of the Cluster; empty when none is wanted.
    pub(crate) fn nodes(&self) -> Result<Vec<ConnectionInfo>, CacheError> {
        self.cluster_hosts.iter().map(|host| self.node(host.trim())).collect()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        let url = self.redis_url.expose_secret();
        url.starts_with("rediss:") || url.starts_with("valkeys:")
    }

    fn node(&self, host: &str) -> Result<ConnectionInfo, CacheError> {
        let unusable = || CacheError::Settings {
            reason: format!("the Cluster node {host:?} is not of the form host:port"),
        };
        let (name, port) = host.rsplit_once(':').ok_or_else(unusable)?;
        let port: u16 = port.parse().map_err(|_| unusable())?;
        let mut url = self.url()?;
        // A Cluster has database 0 only, and a socket path (`unix:`) leads to no other machine.
        url.set_path("");
        url.set_host(Some(name)).map_err(|_| unusable())?;
        url.set_port(Some(port)).map_err(|()| unusable())?;
        url.into_connection_info().map_err(|_| unusable())
    }

    fn url(&self) -> Result<Url, CacheError> {
        Url::parse(self.redis_url.expose_secret()).map_err(|_| unusable_url())
    }
}

/// Names no part of the URL: any part of one that cannot be parsed may be the password.
fn unusable_url() -> CacheError {
    CacheError::Settings {
        reason: "the Redis URL is not of the form redis(s)://[user:password@]host[:port][/db]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, hosts: &[&str]) -> CacheConfig {
        CacheConfig {
            redis_url: url.to_owned().into(),
            cluster_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            certificates: Certificates::default(),
            pool_size: 1,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_password_shows_nowhere() {
        let config = config("redis://:hunter2@localhost", &[]);
        assert!(!format!("{config:?}").contains("hunter2"));
        for bad in ["hunter2", "http://:hunter2@localhost", "redis://:hunter2@localhost/x"] {
            let error = self::config(bad, &[]).single().expect_err(bad);
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }

    #[test]
    fn nodes_take_the_credentials_and_the_tls_of_the_url() {
        let nodes =
            config("rediss://u:p%40@elsewhere:1/3", &["a.example:7000", "[::1]:7001"]).nodes().unwrap();
        let shown: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(shown, ["a.example:7000", "::1:7001"]);
        for node in &nodes {
            assert!(matches!(node.addr(), redis::ConnectionAddr::TcpTls { .. }));
            assert_eq!(node.redis_settings().username(), Some("u"));
            assert_eq!(node.redis_settings().password(), Some("p@"));
            assert_eq!(node.redis_settings().db(), 0);
        }
    }

    #[test]
    fn a_node_without_a_port_is_refused_by_name() {
        for bad in ["a.example", "a.example:", "a.example:x", ":7000"] {
            let error = config("redis://localhost", &[bad]).nodes().expect_err(bad);
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
