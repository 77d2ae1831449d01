//! Where the server programs are. Debian keeps some of them out of `PATH`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, install};

/// Always searched after `PATH`; a plain user's `PATH` lacks the `sbin` ones.
const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program a server needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    RabbitMq,
    Epmd,
    Postgres,
    Initdb,
    Psql,
    Pgbench,
    RedisServer,
    RedisCli,
    SystemdAnalyze,
    Prometheus,
    Promtool,
}

impl Program {
    /// What nearly every test needs, and the demo; the others are installed when somebody asks for them.
    pub(crate) const ALL: [Self; 7] = [
        Self::RabbitMq,
        Self::Epmd,
        Self::Postgres,
        Self::Initdb,
        Self::Psql,
        Self::RedisServer,
        Self::RedisCli,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RabbitMq => "rabbitmq-server",
            Self::Epmd => "epmd",
            Self::Postgres => "postgres",
            Self::Initdb => "initdb",
            Self::Psql => "psql",
            Self::Pgbench => "pgbench",
            Self::RedisServer => "redis-server",
            Self::RedisCli => "redis-cli",
            Self::SystemdAnalyze => "systemd-analyze",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
        }
    }

    /// The Debian package that brings it, with all it depends on.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::RabbitMq | Self::Epmd => "rabbitmq-server",
            Self::Postgres | Self::Initdb | Self::Psql | Self::Pgbench => "postgresql",
            Self::RedisServer | Self::RedisCli => "redis-server",
            Self::SystemdAnalyze => "systemd",
            Self::Prometheus | Self::Promtool => "prometheus",
        }
    }

    /// Its path; a missing one is installed first, see [`install`].
    pub(crate) fn path(self) -> Result<PathBuf, Error> {
        if let Some(path) = self.find() {
            return Ok(path);
        }
        install::missing_programs(self)?;
        self.find().ok_or_else(|| install::not_there(self))
    }

    pub(crate) fn find(self) -> Option<PathBuf> {
        match self {
            // Not Debian's wrapper in /usr/sbin: as root that changes to the user `rabbitmq`.
            Self::RabbitMq => newest("/usr/lib/rabbitmq/lib", "rabbitmq_server-", "sbin/rabbitmq-server")
                .or_else(|| in_path(self.name()).filter(|path| path.with_file_name("rabbitmq-env").exists())),
            Self::Postgres | Self::Initdb | Self::Psql | Self::Pgbench => {
                newest("/usr/lib/postgresql", "", &format!("bin/{}", self.name()))
                    .or_else(|| in_path(self.name()))
            }
            Self::Epmd
            | Self::RedisServer
            | Self::RedisCli
            | Self::Prometheus
            | Self::Promtool
            | Self::SystemdAnalyze => in_path(self.name()),
        }
    }
}

/// `PATH` and the usual folders.
pub(crate) fn search_path() -> String {
    match env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{path}:{USUAL}"),
        _ => USUAL.to_owned(),
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The program in the folder with the highest version, of `<parent>/<prefix><version>/<program>`.
fn newest(parent: &str, prefix: &str, program: &str) -> Option<PathBuf> {
    fs::read_dir(Path::new(parent))
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version: Vec<u32> =
                name.strip_prefix(prefix)?.split('.').map_while(|part| part.parse().ok()).collect();
            let path = entry.path().join(program);
            (!version.is_empty() && path.is_file()).then_some((version, path))
        })
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sh_is_found_and_nonsense_is_not() {
        assert!(in_path("sh").is_some());
        assert!(in_path("no-such-program-anywhere").is_none());
    }
}
