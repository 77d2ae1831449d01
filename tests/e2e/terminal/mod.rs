//! What operators see: the text of the commands, its colours, and how Ctrl-C ends them.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod colours;
mod interrupts;
mod snapshots;

use std::process::Command;

use e2e::World;

/// A command as on a terminal: `script`, which every Debian has, gives it one. Its process id is in the world's file `pid`.
fn on_terminal(world: &World, line: &str, variables: &[(&str, &str)]) -> Command {
    let program = world.command("syncfleet", &[]);
    let path = program.get_program().to_string_lossy().into_owned();
    let pid = world.folder().join("pid");
    let mut command = Command::new("script");
    command
        .args(["-qec", &format!("echo $$ > {}; exec {path} {line}", pid.display()), "/dev/null"])
        .env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("SHELL", "/bin/sh").env("TERM", "xterm").envs(variables.iter().copied());
    command
}
