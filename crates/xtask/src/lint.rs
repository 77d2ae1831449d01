//! `cargo xtask lint`: what must hold before a commit.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::{cargo, metadata, run as run_command};
use crate::{layers, prepare};

/// Stops at the first thing that does not hold; the cheap ones come first.
pub(crate) fn run() -> Result<ExitCode> {
    run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
    let violations = layers::check(&metadata()?);
    if !violations.is_empty() {
        bail!("dependencies in the wrong direction:\n  {}", violations.join("\n  "));
    }
    run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    prepare::run(true)
}
