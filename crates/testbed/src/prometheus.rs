//! A private Prometheus, and the tool that checks its files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Error;
use crate::http::{Http, segment};
use crate::port::Port;
use crate::programs::Program;
use crate::server::{Endings, Server, command_line, on_free_ports};

const PATIENCE: Duration = Duration::from_secs(60);

const ENDINGS: Endings = Endings { orderly: "TERM", patience: Duration::from_secs(10), last: "KILL" };

/// One Prometheus on a free port of 127.0.0.1. Stopped and deleted on drop, and when the process that started it dies.
#[derive(Debug)]
pub struct Prometheus {
    _server: Server,
    port: Port,
    api: Http,
}

impl Prometheus {
    /// Starts one with this configuration; `files`, such as rules, lie beside it by their names. Returns when it answers.
    pub fn start(configuration: &str, files: &[(&str, &str)]) -> Result<Self, Error> {
        on_free_ports(|| Self::start_on(Port::reserve()?, configuration, files))
    }

    fn start_on(port: Port, configuration: &str, files: &[(&str, &str)]) -> Result<Self, Error> {
        let program = Program::Prometheus.path()?.to_string_lossy().into_owned();
        let server = Server::new("Prometheus", ENDINGS)?;
        for (name, text) in files {
            server.write(name, text)?;
        }
        let configuration = server.write("prometheus.yml", configuration)?;
        let folder = server.folder().to_string_lossy().into_owned();
        let address = format!("127.0.0.1:{}", port.number());
        let words = [
            program,
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={folder}/data"),
            format!("--web.listen-address={address}"),
        ];
        let run = format!("cd {folder}\necho $$ >pid\nexec {}\n", command_line(&[], &words));
        server.write("run", &run)?;
        let api = Http::new(&format!("http://nobody:nothing@{address}"))?;
        server.start(PATIENCE, |_| api.get("/api/v1/status/runtimeinfo").is_ok())?;
        Ok(Self { _server: server, port, api })
    }

    /// `127.0.0.1:<port>`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// What a query gives now: `data.result` of the API, a list of `{metric, value: [time, text]}`. A query that cannot be read
    /// is an error with Prometheus's words.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, Error> {
        let answer = self.api.get(&format!("/api/v1/query?query={}", segment(query)))?;
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// The alerts that fire now, or are about to: `{labels, annotations, state: pending|firing, …}`.
    pub fn alerts(&self) -> Result<Vec<Value>, Error> {
        let answer = self.api.get("/api/v1/alerts")?;
        Ok(answer["data"]["alerts"].as_array().cloned().unwrap_or_default())
    }

    /// The rules it has read: `{type: alerting|recording, name, query, labels, annotations, health, lastError, …}`.
    pub fn rules(&self) -> Result<Vec<Value>, Error> {
        let answer = self.api.get("/api/v1/rules")?;
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    /// What it scrapes: `{labels, health: up|down|unknown, lastError, …}`.
    pub fn targets(&self) -> Result<Vec<Value>, Error> {
        let answer = self.api.get("/api/v1/targets")?;
        Ok(answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default())
    }
}

/// A command of Prometheus's own checker, in a folder.
pub fn promtool(folder: &Path, arguments: &[&str]) -> Result<Command, Error> {
    let program: PathBuf = Program::Promtool.path()?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    Ok(command)
}
