use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::python::{REQUIRED, SOURCES, environment};

/// The root of the repository.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Schemas of what no package has one for.
const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");

/// The files of `deploy/` as the programs that read them understand them.
#[derive(Debug)]
pub struct Deployment {
    /// What is wrong with them by their schemas, where that was asked.
    pub problems: Vec<String>,
    /// The services of the Compose file, all profiles among them.
    pub compose: Value,
    kubernetes: Value,
}

impl Deployment {
    /// Builds them with the real `kubectl kustomize` and `docker-compose config`. `None`, said aloud, where these cannot be
    /// installed.
    pub fn read() -> Option<Self> {
        Self::of(&[])
    }

    /// As [`Deployment::read`], and checks them against their schemas.
    pub fn checked() -> Option<Self> {
        Self::of(&[SCHEMAS])
    }

    #[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
    fn of(schemas: &[&str]) -> Option<Self> {
        let requirements = format!("{SOURCES}/deploy/requirements.txt");
        let programs = match environment("python-deploy", &[&requirements]) {
            Ok(programs) => programs,
            Err(why) => {
                assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
                eprintln!("SKIPPED, nothing is shown by this test: no schemas here: {why}");
                return None;
            }
        };
        let output = Command::new(programs.join("python"))
            .arg(format!("{SOURCES}/deploy/manifests.py"))
            .args([Path::new(REPOSITORY), &programs])
            .args(schemas)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .expect("a Python that starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = serde_json::from_value(read["problems"].take()).expect("texts");
        Some(Self { problems, compose: read["compose"].take(), kubernetes: read["kubernetes"].take() })
    }

    /// A file of the repository.
    pub fn file(path: &str) -> PathBuf {
        Path::new(REPOSITORY).join(path)
    }

    /// The text of a file of the repository.
    #[track_caller]
    pub fn text(path: &str) -> String {
        std::fs::read_to_string(Self::file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every set of manifests, with the folder that it is made of.
    pub fn manifests(&self) -> impl Iterator<Item = (&str, &[Value])> {
        let sets = self.kubernetes.as_object().expect("sets of manifests");
        sets.iter().map(|(place, things)| (place.as_str(), things.as_array().expect("a list").as_slice()))
    }

    /// One set of manifests.
    #[track_caller]
    pub fn manifest(&self, place: &str) -> &[Value] {
        self.kubernetes[place].as_array().expect("a set of manifests")
    }
}
