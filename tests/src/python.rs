use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::{Process, binary, python_environment};

use crate::World;
use crate::world::{Answer, answer};

/// Set where a test that was skipped would hide something: CI.
pub(crate) const REQUIRED: &str = "SYNCFLEET_TESTS_REQUIRE_PYTHON";
/// Where the Python sources of the tests are.
pub(crate) const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
/// What is installed: for the tests, and for the example that people copy.
const REQUIREMENTS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/consumers/python/requirements.txt"),
];
/// How long the Python programs may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Real Celery, Flower and pika in a virtual environment, with the application in `tests/python`.
pub struct Python {
    programs: PathBuf,
}

impl Python {
    /// The environment, which the first test to ask makes. `None`, said aloud, where it cannot be made: there is no Python, or
    /// no way to the package index.
    #[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
    pub fn new() -> Option<Self> {
        match environment("python", &REQUIREMENTS) {
            Ok(programs) => Some(Self { programs }),
            Err(why) => {
                assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
                eprintln!("SKIPPED, nothing is shown by this test: no Python packages here: {why}");
                None
            }
        }
    }

    /// One of its programs, in a world.
    pub fn command(&self, world: &World, program: &str, arguments: &[&str]) -> Command {
        let mut command = world.command("syncfleet", &[]);
        let mut ours = Command::new(self.programs.join(program));
        ours.args(arguments).env_clear().env("PYTHONPATH", SOURCES).env("PYTHONDONTWRITEBYTECODE", "1");
        ours.env("PATH", "/usr/bin:/bin").current_dir(world.folder());
        let variables = command.env("BEAT_FILE", world.folder().join("beat")).get_envs();
        ours.envs(variables.filter_map(|(name, value)| value.map(|value| (name, value))));
        ours
    }

    /// Runs a scenario of `produce.py` and returns what it printed.
    #[track_caller]
    pub fn produce(&self, world: &World, scenario: &[&str]) -> Value {
        self.produce_with(world, scenario, &[])
    }

    /// As [`Python::produce`], with variables.
    #[track_caller]
    pub fn produce_with(&self, world: &World, scenario: &[&str], variables: &[(&str, &str)]) -> Value {
        let script = format!("{SOURCES}/produce.py");
        let arguments: Vec<&str> = std::iter::once(script.as_str()).chain(scenario.iter().copied()).collect();
        let mut command = self.command(world, "python", &arguments);
        command.envs(variables.iter().copied());
        answer(command).expect(0).json()
    }

    /// Runs `celery -A app …` to its end.
    pub fn celery(&self, world: &World, arguments: &[&str]) -> Answer {
        let arguments: Vec<&str> = ["-A", "app"].iter().chain(arguments).copied().collect();
        answer(self.command(world, "celery", &arguments))
    }

    /// Starts `celery -A app …`, and waits for a line.
    pub fn start(&self, world: &World, arguments: &[&str], line: &str) -> Process {
        let arguments: Vec<&str> = ["-A", "app"].iter().chain(arguments).copied().collect();
        let process = Process::spawn(self.command(world, "celery", &arguments)).expect("a Celery program");
        process.wait_for_line(line, PATIENCE).expect("a Celery program that works");
        process
    }

    /// A Python worker of these queues, which answers to `name`.
    pub fn worker(&self, world: &World, name: &str, queues: &str) -> Process {
        let words = ["worker", "-n", name, "-Q", queues, "-c", "2", "-l", "INFO", "--without-gossip"];
        self.start(world, &words, " ready.")
    }
}

/// The programs of a virtual environment in `target`, which the first test to ask makes of these requirements.
pub(crate) fn environment(name: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    let program = binary("syncfleet").map_err(|error| error.to_string())?;
    let target = program.parent().and_then(Path::parent).ok_or("no target folder")?;
    let requirements: Vec<&Path> = requirements.iter().map(Path::new).collect();
    python_environment(&target.join(name), &requirements).map_err(|error| error.to_string())
}
