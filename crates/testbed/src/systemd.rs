use std::path::PathBuf;

use crate::Error;
use crate::programs::Program;

/// `systemd-analyze`, which judges units without a systemd that runs; a missing one is installed first.
///
/// # Errors
/// It is not there and cannot be installed.
pub fn systemd_analyze() -> Result<PathBuf, Error> {
    Program::SystemdAnalyze.path()
}
